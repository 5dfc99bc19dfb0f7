import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openPool, type Pool } from '../../store/db/pool.js';
import { createTestDatabase } from '../support/database.js';
import { expectCountersOfTargets, groupStates, ONE_GROUP, Story } from './story.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('rollout stories');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

describe('Groups', () => {
  it('R5 take the next ⌈percent · N / 100⌉ of the targets, and each target is in exactly one', async () => {
    const story = await Story.given(pool, { online: 30 });
    const view = await story.creates({});
    expect(view.facts.groups.map((group) => [group.name, group.size])).toEqual([
      ['canary', 1],
      ['early', 3],
      ['rest', 26],
    ]);
    expect(new Set((await story.targets()).map((one) => one.deviceId)).size).toBe(30);
    expect(view.phase).toBe('draft');
  });

  it('may be named by a filter: those that match it are of that group, and the others of the rest', async () => {
    const story = await Story.given(pool, { online: 3 });
    const lab = [await story.registers(['lab-story']), await story.registers(['lab-story'])];
    await story.creates({
      targets: { filter: 'tag==lab-story', deviceIds: story.devices },
      groups: [{ name: 'lab', filter: 'tag==lab-story' }, { name: 'rest' }],
    });
    expect((await story.targets({ group: 'lab' })).map((one) => one.deviceId).sort()).toEqual(lab.sort());
    expect((await story.targets({ group: 'rest' })).map((one) => one.deviceId).sort()).toEqual(
      [...story.devices].sort(),
    );
  });

  it('may all be named by filters or counts where these hold every target; where they do not, the plan is refused and says how many are left', async () => {
    const story = await Story.given(pool, { online: 2 });
    const lab = [await story.registers(['half-story', 'lab-half']), await story.registers(['half-story', 'lab-half'])];
    const field = await story.registers(['half-story', 'field-half']);
    const targets = { filter: 'tag==half-story' };
    await story.creates({
      targets,
      groups: [
        { name: 'lab', filter: 'tag==lab-half' },
        { name: 'field', filter: 'tag==field-half' },
      ],
    });
    expect((await story.targets({ group: 'lab' })).map((one) => one.deviceId).sort()).toEqual(lab.sort());
    expect((await story.targets({ group: 'field' })).map((one) => one.deviceId)).toEqual([field]);
    await story.creates({
      targets,
      groups: [
        { name: 'one', count: 1 },
        { name: 'two', count: 2 },
      ],
    });
    expect((await story.now()).facts.groups.map((group) => group.size)).toEqual([1, 2]);
    await expect(story.creates({ targets, groups: [{ name: 'lab', filter: 'tag==lab-half' }] })).rejects.toThrow(
      '/groups/0 leaves 1 of 3 targets in no group; leave its filter out, and it takes the rest',
    );
    await expect(
      story.creates({
        targets,
        groups: [
          { name: 'one', count: 1 },
          { name: 'two', count: 1 },
        ],
      }),
    ).rejects.toThrow('/groups/1 leaves 1 of 3 targets in no group; leave its count out');
  });

  it('R5 of a device that has ceased to match any of them it is the last one: in none it would never end', async () => {
    const story = await Story.given(pool, { online: 3 });
    await story.creates({
      groups: [
        { name: 'one', count: 1 },
        { name: 'two', count: 2 },
      ],
    });
    const [lost] = await story.targets({ group: 'two' });
    await story.facts.sql(`UPDATE rollout_targets SET group_position = NULL WHERE rollout_id = $1 AND device_id = $2`, [
      story.rolloutId,
      lost!.deviceId,
    ]);
    await story.facts.sql(
      `UPDATE rollout_groups SET pending = pending - 1, size = size - 1 WHERE rollout_id = $1 AND position = 1`,
      [story.rolloutId],
    );
    await story.facts.sql(`UPDATE rollouts SET materialised_at = NULL, forming = 2 WHERE id = $1`, [story.rolloutId]);
    await story.settles();
    expect(await story.counters()).toEqual({ one: { pending: 1 }, two: { pending: 2 } });
  });

  it('R3 go in order: the next one begins when the gate of the one before has passed', async () => {
    const story = await Story.given(pool, { online: 10 });
    await story.starts({ groups: [{ name: 'canary', percent: 20, gate: { minSample: 2 } }, { name: 'rest' }] });
    expect(await story.counters()).toEqual({ canary: { inFlight: 2 }, rest: { pending: 8 } });
    await story.succeed(1);
    await story.settles();
    expect(await groupStates(story)).toEqual(['running', 'pending']);
    await story.succeed();
    await story.settles();
    expect(await story.counters()).toEqual({ canary: { installed: 2 }, rest: { inFlight: 8 } });
    await story.succeed();
    expect((await story.settles()).outcome).toBe('finished');
    expect((await story.now()).phase).toBe('finished');
  });

  it('ask what is held when they open, not when the rollout is created: content comes and goes in between', async () => {
    const story = await Story.given(pool, { online: 1, holding: 1 });
    await story.creates({ groups: [{ name: 'all' }] });
    expect(await story.counters()).toEqual({ all: { pending: 2 } });
    const [gets, loses] = story.devices;
    await story.holds(gets!);
    await story.hello(loses!, { version: '1.0.0', sha256: '1'.repeat(64) });
    await story.comesOnline(gets!, false);
    await story.asks({ do: 'start' });
    await story.settles();
    const states = Object.fromEntries((await story.targets()).map((one) => [one.deviceId, one.state]));
    expect(states).toEqual({ [gets!]: 'alreadyInstalled', [loses!]: 'inFlight' });
  });

  it('whose targets all hold the content pass at once', async () => {
    const story = await Story.given(pool, { holding: 4 });
    await story.creates({});
    await story.asks({ do: 'start' });
    expect((await story.settles()).outcome).toBe('finished');
    expect(await story.counters()).toEqual({
      canary: { alreadyInstalled: 1 },
      early: { alreadyInstalled: 1 },
      rest: { alreadyInstalled: 2 },
    });
    expect(await story.facts.sql(`SELECT FROM installations WHERE rollout_id = $1`, [story.rolloutId])).toHaveLength(0);
  });

  it('that fail their gate pause the rollout, and resuming overrides that gate', async () => {
    const story = await Story.given(pool, { online: 10 });
    await story.starts({
      groups: [{ name: 'canary', percent: 20, gate: { minSample: 2 } }, { name: 'rest' }],
      stopIf: [],
    });
    await story.fail();
    await story.settles();
    const paused = await story.now();
    expect([paused.phase, paused.facts.pauses.map((pause) => pause.reason), await groupStates(story)]).toEqual([
      'paused',
      ['gate_failed'],
      ['failed', 'pending'],
    ]);
    expect(paused.waitingOn).toMatch(/Paused: group "canary": 0 of 2 ended targets succeeded; 95 % required/);
    await story.asks({ do: 'resume', reason: null });
    await story.settles();
    expect(await story.counters()).toEqual({ canary: { failed: 2 }, rest: { inFlight: 8 } });
  });

  it('wait for their soak, which begins when the gate is satisfied', async () => {
    const story = await Story.given(pool, { online: 4 });
    await story.starts({ groups: [{ name: 'canary', percent: 25, soak: 'PT1.2S' }, { name: 'rest' }] });
    await story.succeed();
    const tick = await story.settles();
    expect([await groupStates(story), tick.waitingOn]).toEqual([
      ['soaking', 'pending'],
      expect.stringMatching(/Waiting for the soak of group "canary"/),
    ]);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, tick.until! - Date.now()) + 20));
    await story.settles();
    expect(await groupStates(story)).toEqual(['passed', 'running']);
  });

  it('too small for their gate are refused, with the size that they would need', async () => {
    const story = await Story.given(pool, { online: 10 });
    await expect(
      story.creates({
        groups: [{ name: 'canary', percent: 50, gate: { confidence: 0.95, maxFailureRate: 0.05 } }, { name: 'rest' }],
      }),
    ).rejects.toMatchObject({
      code: 'ROLLOUT_VALIDATION',
      facts: {
        errors: [
          {
            pointer: '/groups/0/gate',
            detail: expect.stringMatching(/has 5 of 10 targets, and its gate needs at least 74/),
          },
        ],
      },
    });
  });
});

describe('Pace', () => {
  it('R1 never has more in flight than the cap', async () => {
    const story = await Story.given(pool, { online: 12 });
    await story.starts({ groups: ONE_GROUP, pace: { maxInFlight: 5 } });
    expect(await story.counters()).toEqual({ all: { inFlight: 5, pending: 7 } });
    await story.succeed(2);
    const tick = await story.settles();
    expect(await story.counters()).toEqual({ all: { installed: 2, inFlight: 5, pending: 5 } });
    expect(tick.waitingOn).toBe('Waiting for capacity: 5 of 5 in flight.');
  });

  it('R2 never has more starts in a minute than the rate, and says until when it waits', async () => {
    const story = await Story.given(pool, { online: 9 });
    await story.starts({ groups: ONE_GROUP, pace: { startsPerMinute: 4 } });
    await story.succeed();
    const tick = await story.settles();
    expect(await story.counters()).toEqual({ all: { installed: 4, pending: 5 } });
    expect(tick.waitingOn).toMatch(/Waiting for the start rate: 4 of 4 starts per minute used/);
    expect(tick.until! - Date.now()).toBeLessThanOrEqual(60_100);
  });

  it('grows with success where there is a ramp', async () => {
    const story = await Story.given(pool, { online: 12 });
    await story.starts({ groups: ONE_GROUP, pace: { ramp: { from: 2, factor: 3, every: { succeeded: 2 } } } });
    expect(await story.counters()).toEqual({ all: { inFlight: 2, pending: 10 } });
    await story.succeed();
    await story.settles();
    expect(await story.counters()).toEqual({ all: { installed: 2, inFlight: 4, pending: 6 } });
  });
});

describe('Stop rules', () => {
  const RULES = { groups: ONE_GROUP, pace: { maxInFlight: 4 } };

  it('R7 pause at the failure budget, judged from `after` on, and act exactly once', async () => {
    const story = await Story.given(pool, { online: 12 });
    await story.starts({ ...RULES, stopIf: [{ outcome: 'failed', share: 0.25, after: 4, then: 'pause' }] });
    await story.fail(1);
    await story.settles();
    expect((await story.now()).phase).toBe('running');
    await story.succeed(3);
    await story.settles();
    const paused = await story.now();
    expect([paused.phase, paused.facts.pauses.map((pause) => pause.reason)]).toEqual(['paused', ['failure_budget']]);
    expect(paused.because).toMatch(/1 of 4 installations failed; the rollout pauses at 25 %/);
    await story.asks({ do: 'resume', reason: 'failure_budget' });
    await story.settles();
    await story.fail();
    await story.settles();
    expect([(await story.now()).phase, await story.told('fire_rule')]).toEqual(['running', ['fire_rule']]);
  });

  it('R12 abort: what has not begun is cancelled, what has begun continues to its end', async () => {
    const story = await Story.given(pool, { online: 8 });
    await story.starts({ ...RULES, stopIf: [{ outcome: 'failed', share: 0.1, after: 1, then: 'abort' }] });
    const [begun, bad] = await story.inFlight();
    await story.report([begun!], { type: 'accepted', attempt: 1, seq: 1 });
    await story.report([bad!], { type: 'failed', error: { code: 'INCOMPATIBLE', message: 'wrong board' } });
    const tick = await story.settles();
    expect(await story.counters()).toEqual({ all: { failed: 1, canceled: 6, inFlight: 1 } });
    expect([tick.done, tick.waitingOn]).toEqual([false, 'Aborting: waiting for 1 open installation to end.']);
    await story.report([begun!], { type: 'installed', attempt: 1, seq: 2 });
    expect((await story.settles()).outcome).toBe('aborted');
    expect(await story.counters()).toEqual({ all: { failed: 1, canceled: 6, installed: 1 } });
    expect((await story.now()).phase).toBe('aborted');
  });
});

describe('Concurrent planners', () => {
  it('R1 R2 R10 two planners and reports in between never exceed the cap or the rate, and start no device twice', async () => {
    const story = await Story.given(pool, { online: 40 });
    await story.creates({ groups: ONE_GROUP, pace: { maxInFlight: 7, startsPerMinute: 25 } });
    await story.asks({ do: 'start' });
    for (let round = 0; round < 6; round += 1) {
      await Promise.all([story.settles(), story.settles(), story.succeed(3), story.settles()]);
      const { inFlight = 0, queued = 0 } = (await story.counters())['all']!;
      expect(inFlight + queued).toBeLessThanOrEqual(7);
    }
    const devices = await story.facts.sql<{ device_id: string }>(
      `SELECT device_id FROM installations WHERE rollout_id = $1`,
      [story.rolloutId],
    );
    expect(devices.length).toBeLessThanOrEqual(25);
    expect(new Set(devices.map((row) => row.device_id)).size).toBe(devices.length);
  });

  it('R5 the counters say what the targets are, after everything that happened in these stories', () =>
    expectCountersOfTargets(pool));
});

describe('A gate with a sequential test', () => {
  it('R11 sees the longest run of ended targets in the order of admission: failures that end late are not outrun by fast successes', async () => {
    const story = await Story.given(pool, { online: 80 });
    await story.starts({
      groups: [
        { name: 'canary', count: 79, gate: { minSample: 1, confidence: 0.95, maxFailureRate: 0.05 } },
        { name: 'rest' },
      ],
      stopIf: [],
      pace: { maxInFlight: 200 },
    });
    const admitted = await story.facts.sql<{ device_id: string }>(
      `SELECT device_id FROM rollout_targets WHERE rollout_id = $1 AND admission IS NOT NULL ORDER BY admission`,
      [story.rolloutId],
    );
    const inOrder = await story.inFlight();
    const target = (index: number) => inOrder.find((one) => one.deviceId === admitted[index]!.device_id)!;
    await story.report(
      admitted.slice(3).map((_, index) => target(index + 3)),
      { type: 'installed' },
    );
    await story.settles();
    expect([(await story.now()).facts.groups[0]!.prefix, await groupStates(story)]).toEqual([
      { ended: 0, failed: 0, to: 0 },
      ['running', 'pending'],
    ]);
    await story.report([0, 1, 2].map(target), {
      type: 'failed',
      error: { code: 'INCOMPATIBLE', message: 'wrong board' },
    });
    await story.settles();
    const { facts } = await story.now();
    expect([facts.groups[0]!.prefix, facts.pauses.map((pause) => pause.reason)]).toEqual([
      { ended: 79, failed: 3, to: 79 },
      ['gate_inconclusive'],
    ]);
  });
});
