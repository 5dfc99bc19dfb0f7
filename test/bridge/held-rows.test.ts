import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { ONE_GROUP, Story } from '../rollout/story.js';
import { until } from '../support/until.js';
import { IngestUnderTest } from './ingest-under-test.js';

const under = new IngestUnderTest('many held rows');
beforeAll(() => under.start(), 60_000);
afterAll(() => under.end());
beforeEach(() => under.begin());
afterEach(() => under.ingest.end());

/** Long enough for a few waits of a second for a lock, and for no more than these. */
const SOON_MS = 10_000;
const HELD = 48;
const OTHERS = 40;

/** As a person does who forgot a transaction in another window: nothing ends it. */
async function whileHeld(statement: string, values: unknown[], look: () => Promise<void>): Promise<void> {
  const person = new pg.Client({ connectionString: under.databaseUrl });
  await person.connect();
  try {
    await person.query('BEGIN');
    const { rowCount } = await person.query(statement, values);
    expect(rowCount).toBeGreaterThan(0);
    await look();
  } finally {
    await person.query('ROLLBACK');
    await person.end();
  }
}

describe('D20 While another transaction holds rows of many devices, those of others are committed within seconds', () => {
  it('where it holds a slot of each', async () => {
    const [held, others] = [await under.devices(HELD), await under.devices(OTHERS)];
    for (const device of held) under.saysHello(device, '1.0');
    await until('they have slots', () => under.acknowledged.length === HELD, 60_000);
    under.acknowledged.length = 0;
    await whileHeld('SELECT FROM device_slots WHERE device_id = ANY($1::uuid[]) FOR UPDATE', [held], async () => {
      for (const device of held) under.saysHello(device, '2.0');
      for (const device of others) under.saysHello(device, 'other');
      await until('the others are committed', () => under.acknowledged.length === OTHERS, SOON_MS);
      expect(new Set(under.acknowledged)).toEqual(new Set(['other']));
    });
    await until('theirs follow', () => under.acknowledged.length === OTHERS + HELD, 60_000);
  }, 180_000);

  it('where it holds the counters of a group, which all devices of a rollout share', async () => {
    const story = await Story.given(under.pool, { online: HELD });
    await story.starts({ groups: ONE_GROUP });
    await story.settles();
    const targets = await story.inFlight();
    expect(targets).toHaveLength(HELD);
    for (const { deviceId, installationId } of targets) await story.begins(deviceId, installationId!);
    const others = await under.devices(OTHERS);
    await whileHeld('SELECT FROM rollout_groups WHERE rollout_id = $1 FOR UPDATE', [story.rolloutId], async () => {
      for (const { deviceId, installationId } of targets) {
        const error = { code: 'INCOMPATIBLE', message: 'wrong board' };
        const status = { installationId, attempt: 1, seq: 1, slot: 'firmware', state: 'rejected', error };
        under.sends(deviceId, `${deviceId}/up/status`, status, 'of the rollout');
      }
      for (const device of others) under.saysHello(device, 'other');
      await until('the others are committed', () => under.acknowledged.length === OTHERS, SOON_MS);
      expect(new Set(under.acknowledged)).toEqual(new Set(['other']));
    });
    await until('theirs follow', () => under.acknowledged.length === OTHERS + HELD, 60_000);
    expect(await story.counters()).toEqual({ all: { rejected: HELD } });
  }, 180_000);
});
