import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { deleteDevice } from '../../store/commands/delete-device.js';
import { retireFirmware } from '../../store/commands/retire-firmware.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';
import { createTestDatabase } from '../support/database.js';
import { ONE_GROUP, Story } from './story.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('rollouts back');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const BAD = { code: 'INCOMPATIBLE', message: 'wrong board' };
const back = async (story: Story) =>
  Object.fromEntries(
    (await story.now()).facts.groups.map(({ name, back: { pending, inFlight, done, failed } }) => [
      name,
      [pending, inFlight, done, failed],
    ]),
  );

describe('A roll back', () => {
  it('brings every updated device back to what its slot held before, by installations of its own under the cap, and ends as aborted with the reason', async () => {
    const story = await Story.given(pool, { online: 6 });
    await story.starts({
      groups: ONE_GROUP,
      pace: { maxInFlight: 2 },
      stopIf: [{ outcome: 'failed', share: 0.3, after: 4, then: 'rollBack' }],
    });
    for (let round = 0; round < 2; round += 1) {
      await story.report((await story.inFlight()).slice(0, 1), { type: 'failed', error: BAD });
      await story.succeed();
      await story.settles();
    }
    expect([(await story.now()).phase, await back(story)]).toEqual(['rolling_back', { all: [0, 2, 0, 0] }]);
    expect(await story.counters()).toEqual({ all: { installed: 2, failed: 2, canceled: 2 } });
    const asked = await story.facts.sql<{ firmware_id: string }>(
      `SELECT firmware_id FROM installations WHERE rollout_id = $1 AND ended_at IS NULL`,
      [story.rolloutId],
    );
    expect(asked.map((row) => row.firmware_id)).toEqual([story.earlier, story.earlier]);
    await story.report(await story.goingBack(), { type: 'installed' });
    expect((await story.settles()).outcome).toBe('aborted');
    const ended = await story.now();
    expect([ended.phase, await back(story)]).toEqual(['aborted', { all: [0, 0, 2, 0] }]);
    // None of them has it any more: what was brought back is not installed.
    expect(await story.counters()).toEqual({ all: { failed: 2, canceled: 4 } });
    expect((await story.targets()).filter((one) => one.because === 'it was rolled back')).toHaveLength(2);
    expect(ended.because).toMatch(
      /rolled back: 2 of 4 installations failed; .*; 2 devices hold their earlier content again/,
    );
    const slots = await story.facts.sql<{ firmware_id: string }>(
      `SELECT firmware_id FROM device_slots WHERE device_id = ANY($1::uuid[]) AND firmware_id IS NOT NULL`,
      [story.devices],
    );
    expect(slots.map((row) => row.firmware_id)).toEqual([story.earlier, story.earlier]);
  });

  it('goes by groups, the newest first, and no device goes back twice', async () => {
    const story = await Story.given(pool, { online: 4 });
    await story.starts({
      groups: [{ name: 'canary', count: 2, gate: { minSample: 2 } }, { name: 'rest' }],
      pace: { maxInFlight: 2 },
    });
    await story.succeed();
    await story.settles();
    await story.succeed();
    expect((await story.settles()).outcome).toBe('finished');
    await story.asks({ do: 'rollback', because: 'the vendor called' });
    await story.settles();
    expect(await back(story)).toEqual({ canary: [2, 0, 0, 0], rest: [0, 2, 0, 0] });
    await Promise.all([story.settles(), story.settles()]);
    await story.report(await story.goingBack(), { type: 'installed' });
    await Promise.all([story.settles(), story.settles()]);
    expect(await back(story)).toEqual({ canary: [0, 2, 0, 0], rest: [0, 0, 2, 0] });
    await story.report(await story.goingBack(), { type: 'installed' });
    expect((await story.settles()).outcome).toBe('aborted');
    const times = await story.facts.sql<{ count: string }>(
      `SELECT count(*) FROM installations WHERE rollout_id = $1 AND firmware_id = $2 GROUP BY device_id`,
      [story.rolloutId, story.earlier],
    );
    expect(times.map((row) => row.count)).toEqual(['1', '1', '1', '1']);
  });

  it('does not stall behind a device of the newest group that is away', async () => {
    const story = await Story.given(pool, { online: 3 });
    await story.starts({ groups: [{ name: 'canary', count: 2, gate: { minSample: 2 } }, { name: 'rest' }] });
    await story.succeed();
    await story.settles();
    const [last] = await story.inFlight();
    await story.succeed();
    await story.settles();
    await story.comesOnline(last!.deviceId, false);
    await story.asks({ do: 'rollback', because: 'the vendor called' });
    await story.settles();
    expect(await back(story)).toEqual({ canary: [0, 2, 0, 0], rest: [1, 0, 0, 0] });
    await story.report(await story.goingBack(), { type: 'installed' });
    await story.comesOnline(last!.deviceId);
    await story.settles();
    await story.report(await story.goingBack(), { type: 'installed' });
    expect((await story.settles()).outcome).toBe('aborted');
  });

  it('cancels what is in flight first, and takes along what ends as installed all the same', async () => {
    const story = await Story.given(pool, { online: 3 });
    await story.starts({ groups: ONE_GROUP });
    await story.report(await story.inFlight(1), { type: 'installing', attempt: 1, seq: 1 });
    await story.asks({ do: 'rollback', because: null });
    const tick = await story.settles();
    expect([await story.counters(), tick.done]).toEqual([{ all: { canceled: 2, inFlight: 1 } }, false]);
    await story.report(await story.inFlight(), { type: 'installed', attempt: 1, seq: 2 });
    await story.settles();
    expect(await back(story)).toEqual({ all: [0, 1, 0, 0] });
  });

  it('names devices whose earlier content is unknown or deleted, with the reason', async () => {
    const story = await Story.given(pool, { online: 2 });
    await story.hello(story.devices[0]!, { version: null, sha256: null });
    await story.hello(story.devices[1]!, { version: '1.0.0', sha256: '9'.repeat(64) });
    await story.starts({ groups: ONE_GROUP });
    await story.succeed();
    await story.settles();
    await story.asks({ do: 'rollback', because: null });
    expect((await story.settles()).outcome).toBe('aborted');
    const reasons = Object.fromEntries((await story.targets()).map((one) => [one.deviceId, one.back?.because]));
    expect(reasons[story.devices[0]!]).toBe('the earlier content of its slot is unknown');
    expect(reasons[story.devices[1]!]).toMatch(
      /the earlier content of its slot \(sha256 9+\) is not among the firmwares, or was deleted/,
    );
  });

  it('protects the replaced firmware from deletion while a roll back may need it', async () => {
    const story = await Story.given(pool, { online: 2 });
    await story.starts({ groups: ONE_GROUP, pace: { maxInFlight: 1 } });
    const retire = asTenant(pool, 'default', (tx) =>
      retireFirmware(tx, 'default', story.earlier, { force: false }, Date.now()),
    );
    await expect(retire).rejects.toMatchObject({ code: 'FIRMWARE_IN_USE', facts: { rollouts: [story.rolloutId] } });
  });

  it('waits for devices that are away, learns of one that comes back, and ends without one that is deleted meanwhile', async () => {
    const story = await Story.given(pool, { online: 3 });
    await story.starts({ groups: ONE_GROUP });
    await story.succeed();
    await story.settles();
    for (const device of story.devices.slice(0, 2)) await story.comesOnline(device, false);
    await story.asks({ do: 'rollback', because: null });
    await story.settles();
    expect(await back(story)).toEqual({ all: [2, 1, 0, 0] });
    await story.facts.sql(`DELETE FROM outbox WHERE subject = $1`, [story.rolloutId]);
    await story.comesOnline(story.devices[0]!);
    expect(await story.facts.sql(`SELECT detail FROM outbox WHERE subject = $1`, [story.rolloutId])).toEqual([
      { detail: 'rollout' },
    ]);
    await story.settles();
    expect(await back(story)).toEqual({ all: [1, 2, 0, 0] });
    for (const device of story.devices.slice(0, 2))
      await asTenant(pool, 'default', (tx) => deleteDevice(tx, 'default', device, true, Date.now()));
    await story.report(await story.goingBack(), { type: 'installed' });
    expect((await story.settles()).outcome).toBe('aborted');
    expect(await back(story)).toEqual({ all: [0, 0, 1, 2] });
  });
});

describe('A dynamic rollout', () => {
  const TAG = 'late-comers';
  const dynamic = {
    targets: { filter: `tag==${TAG}`, dynamic: true },
    groups: [{ name: 'canary', count: 1 }, { name: 'rest' }],
  };

  it('stays open: devices that match later join the last group, under the same cap and rate', async () => {
    const story = await Story.given(pool, {});
    await story.registers([TAG]);
    await story.starts({ ...dynamic, pace: { maxInFlight: 1 } });
    await story.succeed();
    const tick = await story.settles();
    expect([tick.done, tick.waitingOn]).toEqual([
      false,
      'Waiting for devices that match later: 1 target so far, 1 with the content.',
    ]);
    await story.registers([TAG]);
    await story.registers([TAG]);
    await story.registers(['another']);
    await story.settles();
    expect(await story.counters()).toEqual({ canary: { installed: 1 }, rest: { inFlight: 1, pending: 1 } });
  });

  it('pauses when its group fails, also where no device is left that it could hold back: the next one may come at any time', async () => {
    const story = await Story.given(pool, {});
    await story.registers([`${TAG}-failing`]);
    await story.starts({ ...dynamic, targets: { filter: `tag==${TAG}-failing`, dynamic: true }, stopIf: [] });
    await story.fail();
    await story.settles();
    expect((await story.now()).facts.pauses.map((pause) => pause.reason)).toEqual(['gate_failed']);
    await story.registers([`${TAG}-failing`]);
    await story.asks({ do: 'resume', reason: null });
    await story.settles();
    expect(await story.counters()).toEqual({ canary: { failed: 1 }, rest: { inFlight: 1 } });
  });

  it('drops devices that cease to match before their turn', async () => {
    const story = await Story.given(pool, {});
    await story.registers([`${TAG}-2`]);
    await story.registers([`${TAG}-2`]);
    await story.starts({ ...dynamic, targets: { filter: `tag==${TAG}-2`, dynamic: true }, pace: { maxInFlight: 1 } });
    const [waits] = await story.targets({ state: ['pending'] });
    await story.retags(waits!.deviceId, []);
    await story.registers(['unrelated']);
    await story.settles();
    expect(await story.counters()).toEqual({ canary: { inFlight: 1 }, rest: { skipped: 1 } });
    await story.retags(waits!.deviceId, [`${TAG}-2`]);
    await story.registers(['unrelated']);
    await story.settles();
    expect(await story.counters()).toEqual({ canary: { inFlight: 1 }, rest: { pending: 1 } });
  });

  it('keeps a target that was tried, also when a retry sets its attempts back', async () => {
    const story = await Story.given(pool, {});
    for (let index = 0; index < 3; index += 1) await story.registers([`${TAG}-4`]);
    await story.starts({ targets: { filter: `tag==${TAG}-4`, dynamic: true }, groups: ONE_GROUP, stopIf: [] });
    const [tried] = await story.inFlight();
    await story.fail(1);
    await story.comesOnline(tried!.deviceId, false);
    await story.asks({ do: 'retry', outcomes: ['failed'] });
    await story.retags(tried!.deviceId, []);
    await story.registers(['unrelated']);
    await story.settles();
    expect(await story.counters()).toEqual({ all: { inFlight: 2, pending: 1 } });
  });

  it('ends by its endAt', async () => {
    const story = await Story.given(pool, {});
    await story.registers([`${TAG}-3`]);
    await story.starts({
      ...dynamic,
      targets: { filter: `tag==${TAG}-3`, dynamic: true },
      schedule: { endAt: new Date(Date.now() + 1_500).toISOString() },
    });
    await story.succeed();
    const tick = await story.settles();
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, tick.until! - Date.now()) + 20));
    expect((await story.settles()).outcome).toBe('finished');
  });
});
