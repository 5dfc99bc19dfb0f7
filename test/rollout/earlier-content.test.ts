import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openPool, type Pool } from '../../store/db/pool.js';
import { createTestDatabase } from '../support/database.js';
import { ONE_GROUP, Story } from './story.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('earlier content');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const rolledBackTo = async (story: Story) =>
  (
    await story.facts.sql<{ firmware_id: string }>(
      `SELECT firmware_id FROM installations WHERE rollout_id = $1 AND ended_at IS NULL`,
      [story.rolloutId],
    )
  ).map((row) => row.firmware_id);

describe('A roll back', () => {
  it('installs what the slot held at the turn, not at the admission: another installation went first', async () => {
    const story = await Story.given(pool, { online: 1 });
    const [device] = story.devices;
    const between = await story.facts.firmware('7', '1.5.0');
    const first = await story.facts.install(device!, between);
    await story.begins(device!, first.id);
    await story.starts({ groups: ONE_GROUP });
    const [target] = await story.targets();
    await story.begins(device!, target!.installationId!);
    expect(await story.counters()).toEqual({ all: { queued: 1 } });
    await story.report([{ ...target!, installationId: first.id }], { type: 'installed' });
    await story.settles();
    await story.begins(device!, target!.installationId!);
    await story.succeed();
    await story.asks({ do: 'rollback', because: null });
    await story.settles();
    expect(await rolledBackTo(story)).toEqual([between]);
  });

  it('includes a device that timed out and says later that it holds the new content', async () => {
    const story = await Story.given(pool, { online: 3 });
    await story.starts({ groups: ONE_GROUP, retry: { maxAttempts: 1 }, stopIf: [] });
    const [late, never] = await story.inFlight();
    await story.timesOut(late!);
    await story.timesOut(never!);
    await story.succeed();
    expect((await story.settles()).outcome).toBe('finished');
    expect(await story.counters()).toEqual({ all: { installed: 1, timedOut: 2 } });
    await story.holds(late!.deviceId);
    await story.asks({ do: 'rollback', because: null });
    await story.settles();
    const devices = (await story.goingBack()).map((one) => one.deviceId);
    expect([devices.length, devices.includes(late!.deviceId), devices.includes(never!.deviceId)]).toEqual([
      2,
      true,
      false,
    ]);
  });

  it('includes a device whose lost attempt had installed it, and returns it to what was there before that', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.starts({ groups: ONE_GROUP, retry: { maxAttempts: 2, backoff: { first: 'PT1S' } }, stopIf: [] });
    const [target] = await story.inFlight();
    await story.timesOut(target!);
    await story.holds(target!.deviceId);
    await story.facts.sql(`UPDATE rollout_targets SET ready_at = '-infinity' WHERE rollout_id = $1`, [story.rolloutId]);
    expect((await story.settles()).outcome).toBe('finished');
    expect(await story.counters()).toEqual({ all: { installed: 1 } });
    await story.asks({ do: 'rollback', because: null });
    await story.settles();
    expect(await rolledBackTo(story)).toEqual([story.earlier]);
  });
});
