import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { deleteDevice } from '../../store/commands/delete-device.js';
import { retireFirmware } from '../../store/commands/retire-firmware.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';
import { createTestDatabase } from '../support/database.js';
import { groupStates, ONE_GROUP, Story } from './story.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('rollout commands');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

describe('Commands of a rollout', () => {
  it('R11 a retry restarts the test of a group: earlier results do not count', async () => {
    const story = await Story.given(pool, { online: 80 });
    await story.starts({
      groups: [
        { name: 'canary', count: 79, gate: { minSample: 1, confidence: 0.95, maxFailureRate: 0.05 } },
        { name: 'rest' },
      ],
      stopIf: [],
      pace: { maxInFlight: 200 },
    });
    await story.fail(3);
    await story.succeed();
    await story.settles();
    expect((await story.now()).facts.pauses.map((pause) => pause.reason)).toEqual(['gate_inconclusive']);
    await story.asks({ do: 'retry', outcomes: ['failed'] });
    await story.settles();
    await story.succeed();
    await story.settles();
    expect([(await story.now()).facts.groups[0]!.prefix, await groupStates(story)]).toEqual([
      { ended: 79, failed: 0, to: 79 },
      ['passed', 'running'],
    ]);
  });

  it('R8 a pause shows also before the approvals are there, and can be taken back', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.creates({ groups: ONE_GROUP, approval: { required: 1 } });
    await story.asks({ do: 'start' });
    expect((await story.asks({ do: 'pause', because: null })).phase).toBe('paused');
    expect((await story.asks({ do: 'resume', reason: null })).phase).toBe('awaiting_approval');
  });

  it('a time to start that is amended counts like one that the plan had from the beginning; without it a command is waited for', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.creates({ groups: ONE_GROUP });
    const { schedule } = (await story.now()).plan;
    expect(
      (await story.asks({ do: 'amend', amendment: { schedule: { ...schedule, startAt: Date.now() + 3_600_000 } } }))
        .phase,
    ).toBe('scheduled');
    expect((await story.asks({ do: 'amend', amendment: { schedule } })).phase).toBe('draft');
    await story.settles();
    expect(await story.counters()).toEqual({ all: { pending: 1 } });
  });

  it('R8 a pause and another reason are two: resuming one does not undo the other', async () => {
    const story = await Story.given(pool, { online: 8 });
    await story.starts({
      groups: ONE_GROUP,
      pace: { maxInFlight: 4 },
      stopIf: [{ outcome: 'failed', share: 0.5, after: 2, then: 'pause' }],
    });
    await story.asks({ do: 'pause', because: 'the vendor called' });
    await story.fail(2);
    await story.settles();
    expect((await story.now()).facts.pauses.map((pause) => pause.reason).sort()).toEqual([
      'failure_budget',
      'operator',
    ]);
    await story.asks({ do: 'resume', reason: 'operator' });
    await story.settles();
    expect((await story.now()).facts.pauses.map((pause) => pause.reason)).toEqual(['failure_budget']);
    expect(await story.counters()).toEqual({ all: { failed: 2, inFlight: 2, pending: 4 } });
  });

  it('an abort with cancelOpen reaches what is in flight', async () => {
    const story = await Story.given(pool, { online: 6 });
    await story.starts({ groups: ONE_GROUP, pace: { maxInFlight: 4 } });
    await story.report(await story.inFlight(2), { type: 'downloading', attempt: 1, seq: 1 });
    await story.asks({ do: 'abort', cancelOpen: true, because: null });
    await story.settles();
    expect(await story.counters()).toEqual({ all: { canceled: 4, inFlight: 2 } });
    await story.report(await story.inFlight(), { type: 'canceled', attempt: 1, seq: 2 });
    expect((await story.settles()).outcome).toBe('aborted');
    expect(await story.counters()).toEqual({ all: { canceled: 6 } });
  });

  it('a retry brings back what ended so, also after the rollout has finished', async () => {
    const story = await Story.given(pool, { online: 3 });
    await story.starts({ groups: ONE_GROUP, stopIf: [] });
    await story.fail(1);
    await story.succeed();
    expect((await story.settles()).outcome).toBe('finished');
    expect((await story.asks({ do: 'retry', outcomes: ['failed'] })).phase).toBe('running');
    await story.settles();
    await story.succeed();
    expect((await story.settles()).outcome).toBe('finished');
    expect(await story.counters()).toEqual({ all: { installed: 3 } });
  });

  it('a rollout that asks for approvals starts once it has them, and with fourEyes not from who wrote it', async () => {
    const story = await Story.given(pool, { online: 2 });
    await story.creates({ groups: ONE_GROUP, approval: { required: 1, fourEyes: true } });
    expect((await story.asks({ do: 'start' })).phase).toBe('awaiting_approval');
    await expect(story.asks({ do: 'approve', group: null })).rejects.toMatchObject({ code: 'AUTH_FORBIDDEN' });
    await story.settles();
    expect(await story.counters()).toEqual({ all: { pending: 2 } });
    await story.asks({ do: 'approve', group: null }, 'key:ben');
    await story.settles();
    expect(await story.counters()).toEqual({ all: { inFlight: 2 } });
  });

  it('a group that asks for an approval holds the next one back until it has it; rejected, it pauses the rollout', async () => {
    const story = await Story.given(pool, { online: 4 });
    await story.starts({ groups: [{ name: 'canary', percent: 25, approval: { required: 1 } }, { name: 'rest' }] });
    await story.succeed();
    await story.settles();
    expect([(await story.now()).phase, await groupStates(story)]).toEqual([
      'awaiting_approval',
      ['awaiting_approval', 'pending'],
    ]);
    await story.asks({ do: 'reject', group: 'canary', because: 'it blinks' });
    await story.settles();
    expect([(await story.now()).facts.pauses.map((pause) => pause.reason), await groupStates(story)]).toEqual([
      ['approval'],
      ['failed', 'pending'],
    ]);
    await story.asks({ do: 'resume', reason: null });
    await story.settles();
    expect(await groupStates(story)).toEqual(['awaiting_approval', 'pending']);
    await story.asks({ do: 'approve', group: 'canary' });
    await story.settles();
    expect(await groupStates(story)).toEqual(['passed', 'running']);
  });

  it('resumes every group that was rejected, and asks each for its approval', async () => {
    const story = await Story.given(pool, { online: 3 });
    const approval = { required: 1 };
    await story.starts({
      groups: [
        { name: 'a', count: 1 },
        { name: 'b', count: 1, approval },
        { name: 'c', approval },
      ],
    });
    for (const group of ['b', 'c']) await story.asks({ do: 'reject', group, because: 'not this week' });
    await story.settles();
    expect([await groupStates(story), (await story.now()).facts.pauses.length]).toEqual([
      ['running', 'failed', 'failed'],
      1,
    ]);
    await story.asks({ do: 'resume', reason: 'approval' });
    expect(await groupStates(story)).toEqual(['running', 'pending', 'pending']);
    for (const group of ['b', 'c']) await story.asks({ do: 'approve', group });
    for (let left = 3; left > 0; left -= 1) {
      await story.settles();
      await story.succeed();
    }
    await story.settles();
    expect([await groupStates(story), (await story.now()).phase]).toEqual([['passed', 'passed', 'passed'], 'finished']);
  });

  it('an approval that is asked for anew leaves a gate that failed as it is', async () => {
    const story = await Story.given(pool, { online: 2 });
    await story.starts({
      groups: [
        { name: 'a', count: 1 },
        { name: 'b', approval: { required: 1 } },
      ],
      stopIf: [],
    });
    await story.fail(1);
    await story.settles();
    await story.asks({ do: 'reject', group: 'b', because: 'not this week' });
    await story.asks({ do: 'resume', reason: 'approval' });
    expect([await groupStates(story), (await story.now()).facts.pauses.map((pause) => pause.reason)]).toEqual([
      ['failed', 'pending'],
      ['gate_failed'],
    ]);
  });

  it('an amendment is a version of the plan, and counts from the next look', async () => {
    const story = await Story.given(pool, { online: 6 });
    await story.starts({ groups: ONE_GROUP, pace: { maxInFlight: 2 } });
    const { plan } = await story.now();
    expect((await story.asks({ do: 'amend', amendment: { pace: { ...plan.pace, maxInFlight: 4 } } })).version).toBe(2);
    await story.settles();
    expect(await story.counters()).toEqual({ all: { inFlight: 4, pending: 2 } });
  });

  it('a start at a time needs no command, and one in the future waits for it', async () => {
    const story = await Story.given(pool, { online: 1 });
    const view = await story.creates({
      groups: ONE_GROUP,
      schedule: { startAt: new Date(Date.now() + 700).toISOString() },
    });
    expect(view.phase).toBe('scheduled');
    const tick = await story.settles();
    expect(tick.waitingOn).toMatch(/Waiting for the start time/);
    await new Promise((resolve) => setTimeout(resolve, tick.until! - Date.now() + 20));
    await story.settles();
    expect(await story.counters()).toEqual({ all: { inFlight: 1 } });
  });

  it('a firmware that a rollout installs is not deleted under it, and by force aborts it', async () => {
    const story = await Story.given(pool, { online: 2 });
    await story.starts({ groups: ONE_GROUP, pace: { maxInFlight: 1 } });
    await story.succeed();
    const retire = (force: boolean) =>
      asTenant(pool, 'default', (tx) => retireFirmware(tx, 'default', story.firmware, { force }, Date.now()));
    await expect(retire(false)).rejects.toMatchObject({
      code: 'FIRMWARE_IN_USE',
      facts: { rollouts: [story.rolloutId] },
    });
    await retire(true);
    await story.settles();
    expect([(await story.now()).phase, await story.counters()]).toEqual([
      'aborted',
      { all: { installed: 1, canceled: 1 } },
    ]);
  });

  it('a retry is refused after the deadline of the targets, and after the end of the plan: nothing would be tried', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.starts({ groups: ONE_GROUP, stopIf: [] });
    await story.fail();
    await story.settles();
    const retry = () => story.asks({ do: 'retry', outcomes: ['failed'] });
    await story.facts.sql(
      `UPDATE rollout_groups SET opened_at = opened_at - interval '31 days' WHERE rollout_id = $1`,
      [story.rolloutId],
    );
    await expect(retry()).rejects.toThrow(/had until .* \(timeouts\.target, from .*\); create another rollout/);
    await story.facts.sql(`UPDATE rollouts SET plan = jsonb_set(plan, '{schedule,endAt}', '1000') WHERE id = $1`, [
      story.rolloutId,
    ]);
    await expect(retry()).rejects.toThrow(/its end, 1970-.*, has passed \(schedule\.endAt\); create another rollout/);
  });

  it('a device that is deleted takes its target along', async () => {
    const story = await Story.given(pool, { online: 1, offline: 1 });
    await story.starts({ groups: ONE_GROUP });
    for (const device of story.devices)
      await asTenant(pool, 'default', (tx) => deleteDevice(tx, 'default', device, true, Date.now()));
    expect(await story.counters()).toEqual({ all: { skipped: 2 } });
    expect((await story.settles()).outcome).toBe('finished');
  });
});
