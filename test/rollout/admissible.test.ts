import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openPool, type Pool } from '../../store/db/pool.js';
import { createTestDatabase } from '../support/database.js';
import { until } from '../support/until.js';
import { ONE_GROUP, Story } from './story.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('admissible targets');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

it('A child that comes online while its gateway goes is not admissible: it is judged after the lock, not before', async () => {
  const story = await Story.given(pool, { online: 1 });
  const [gateway] = story.devices;
  const child = await story.facts.device(gateway, false);
  await story.creates({ targets: { deviceIds: [child] } });
  const other = await pool.connect();
  await other.query('BEGIN');
  await other.query(`SELECT FROM rollout_targets WHERE device_id = $1 FOR NO KEY UPDATE`, [child]);
  await other.query(`UPDATE devices SET online = false WHERE id = $1`, [gateway]);
  const comes = story.comesOnline(child);
  await until('the hello waits for the lock', async () => {
    const { rows } = await pool.query(
      `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
    );
    return rows.length > 0;
  });
  await other.query('COMMIT');
  other.release();
  await comes;
  expect(await story.facts.sql(`SELECT admissible FROM rollout_targets WHERE device_id = $1`, [child])).toEqual([
    { admissible: false },
  ]);
});

/**
 * A device comes online in a transaction that has found no target of it to tell, and ends only once `act` waits for it,
 * or is done without.
 */
async function comesMeanwhile<T>(device: string, act: () => Promise<T>): Promise<T> {
  const other = await pool.connect();
  try {
    await other.query('BEGIN');
    await other.query(`UPDATE devices SET online = true WHERE id = $1`, [device]);
    let isDone = false;
    const doing = act().finally(() => (isDone = true));
    await until('it waits for the device, or is done', async () => {
      const { rows } = await pool.query(
        `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      );
      return isDone || rows.length > 0;
    });
    await other.query('COMMIT');
    return await doing;
  } finally {
    other.release();
  }
}

const admissible = (story: Story) =>
  story.facts.sql(`SELECT admissible FROM rollout_targets WHERE rollout_id = $1 ORDER BY device_id`, [story.rolloutId]);

describe('A device that comes online while a target of it is made, or becomes one to admit again, is admissible', () => {
  it('where the rollout is created', async () => {
    const story = await Story.given(pool, { offline: 1 });
    await comesMeanwhile(story.devices[0]!, () => story.creates({}));
    expect(await admissible(story)).toEqual([{ admissible: true }]);
  });

  it('where it is behind a gateway that comes', async () => {
    const story = await Story.given(pool, { offline: 1 });
    const child = await story.facts.device(story.devices[0], false);
    await story.comesOnline(child);
    await comesMeanwhile(story.devices[0]!, () => story.creates({ targets: { deviceIds: [child] } }));
    expect(await admissible(story)).toEqual([{ admissible: true }]);
  });

  it('where it is tried again', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.starts({ groups: ONE_GROUP, stopIf: [] });
    await story.fail();
    await story.settles();
    await story.comesOnline(story.devices[0]!, false);
    await comesMeanwhile(story.devices[0]!, () => story.asks({ do: 'retry', outcomes: ['failed'] }));
    expect(await admissible(story)).toEqual([{ admissible: true }]);
  });

  it('where it is rolled back', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.starts({ groups: [{ name: 'all', soak: 'PT1H' }] });
    await story.succeed();
    await story.settles();
    await story.comesOnline(story.devices[0]!, false);
    await story.asks({ do: 'rollback', because: null });
    await comesMeanwhile(story.devices[0]!, () => story.settles());
    expect(await story.goingBack()).toMatchObject([{ deviceId: story.devices[0] }]);
  });

  it('where it joins a dynamic rollout', async () => {
    const story = await Story.given(pool, { online: 1, offline: 1 });
    const [first, second] = story.devices;
    await story.retags(first!, ['dynamic']);
    await story.starts({ groups: ONE_GROUP, targets: { filter: 'tag==dynamic', dynamic: true } });
    await story.retags(second!, ['dynamic']);
    await comesMeanwhile(second!, () => story.settles());
    expect(await story.targets({ state: ['inFlight'] })).toHaveLength(2);
  });

  it('where it has left a dynamic rollout, and joins it again', async () => {
    const story = await Story.given(pool, { offline: 1 });
    const [only] = story.devices;
    await story.retags(only!, ['again']);
    await story.starts({ groups: ONE_GROUP, targets: { filter: 'tag==again', dynamic: true } });
    await story.retags(only!, []);
    await story.settles();
    expect(await story.targets({ state: ['skipped'] })).toHaveLength(1);
    await story.retags(only!, ['again']);
    await comesMeanwhile(only!, () => story.settles());
    expect(await story.targets({ state: ['inFlight'] })).toHaveLength(1);
  });
});

it('What an operator changes of a device while a dynamic rollout looks through the fleet waits for nothing for ever', async () => {
  const story = await Story.given(pool, { online: 2 });
  await story.starts({ groups: ONE_GROUP, targets: { filter: 'tag==busy', dynamic: true } });
  for (let round = 0; round < 10; round += 1) {
    const tags = round % 2 === 0 ? ['busy'] : [];
    await Promise.all([...story.devices.map((device) => story.retags(device, tags)), story.settles()]);
  }
  await story.retags(story.devices[0]!, ['busy']);
  await story.settles();
  expect((await story.targets({})).find((one) => one.deviceId === story.devices[0])!.state).toBe('inFlight');
});

/**
 * While another transaction has the target of the first device: `act` comes to wait for it, and holds none of a later
 * one meanwhile.
 */
async function locksInOrder(story: Story, act: () => Promise<unknown>): Promise<void> {
  const targets = (also: string) =>
    `SELECT FROM rollout_targets WHERE rollout_id = $1 ORDER BY device_id ${also} FOR NO KEY UPDATE`;
  const other = await pool.connect();
  try {
    await other.query('BEGIN');
    await other.query(targets('LIMIT 1'), [story.rolloutId]);
    const doing = act();
    await until('it waits for the target', async () => {
      const { rows } = await pool.query(
        `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      );
      return rows.length > 0;
    });
    await other.query(`${targets('')} NOWAIT`, [story.rolloutId]);
    await other.query('COMMIT');
    await doing;
  } finally {
    await other.query('ROLLBACK');
    other.release();
  }
}

it('Targets are locked in the order of their devices, although they are taken in another one', async () => {
  // Of so many, the first by rank is hardly ever the first by its id.
  const story = await Story.given(pool, { offline: 12 });
  await story.creates({ groups: ONE_GROUP });
  await story.asks({ do: 'start' });
  await locksInOrder(story, () => story.settles());
  for (const device of story.devices) await story.comesOnline(device);
  await locksInOrder(story, () => story.settles());
  await story.succeed();
  await story.settles();
  expect(await story.counters()).toEqual({ all: { installed: 12 } });
  await story.asks({ do: 'rollback', because: null });
  await locksInOrder(story, () => story.settles());
  expect(await story.goingBack()).toHaveLength(12);
});
