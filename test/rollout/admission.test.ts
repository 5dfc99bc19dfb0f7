import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openPool, type Pool } from '../../store/db/pool.js';
import { createTestDatabase } from '../support/database.js';
import { expectCountersOfTargets, ONE_GROUP, Story } from './story.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('rollout admission');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

describe('Admission', () => {
  it('admits online devices only, and others when they come online', async () => {
    const story = await Story.given(pool, { online: 2, offline: 2 });
    await story.starts({ groups: ONE_GROUP });
    expect(await story.counters()).toEqual({ all: { inFlight: 2, pending: 2 } });
    await story.succeed();
    expect((await story.settles()).waitingOn).toBe('Waiting for 2 devices to come online.');
    await story.comesOnline(story.devices[2]!);
    expect(await story.facts.sql(`SELECT receiver, detail FROM outbox WHERE subject = $1`, [story.rolloutId])).toEqual([
      { receiver: 'workflow', detail: 'rollout' },
    ]);
    await story.settles();
    expect(await story.counters()).toEqual({ all: { installed: 2, inFlight: 1, pending: 1 } });
  });

  it('offers to offline devices where the plan says so', async () => {
    const story = await Story.given(pool, { offline: 2 });
    await story.starts({ groups: ONE_GROUP, pace: { offline: 'offer' } });
    expect(await story.counters()).toEqual({ all: { inFlight: 2 } });
  });

  it('offers to offline devices after an amendment, and stops after the next one', async () => {
    const story = await Story.given(pool, { offline: 3 });
    await story.starts({ groups: ONE_GROUP, pace: { maxInFlight: 1 } });
    expect(await story.counters()).toEqual({ all: { pending: 3 } });
    const { plan } = await story.now();
    await story.asks({ do: 'amend', amendment: { pace: { ...plan.pace, offline: 'offer' } } });
    await story.settles();
    expect(await story.counters()).toEqual({ all: { inFlight: 1, pending: 2 } });
    await story.asks({ do: 'amend', amendment: { pace: { ...plan.pace, offline: 'wait', maxInFlight: 3 } } });
    expect((await story.settles()).waitingOn).toMatch(/^Waiting for 2 devices to come online/);
    expect(await story.counters()).toEqual({ all: { inFlight: 1, pending: 2 } });
    // What was offered before is as absent as the others, should it come back.
    expect(
      await story.facts.sql(`SELECT DISTINCT admissible FROM rollout_targets WHERE rollout_id = $1`, [story.rolloutId]),
    ).toEqual([{ admissible: false }]);
  });

  it('withdraws an offer that is not accepted: where the device was heard meanwhile it counts as an attempt', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.starts({ groups: ONE_GROUP, timeouts: { offer: 'PT0.2S' }, retry: { maxAttempts: 2 } });
    for (const attempt of [1, 2]) {
      const [target] = await story.inFlight();
      expect(target!.attempt).toBe(attempt);
      const about = {
        tenantId: 'default',
        deviceId: target!.deviceId,
        from: { kind: 'process' as const },
        kind: 'event' as const,
        installationId: target!.installationId!,
      };
      await story.say([{ ...about, event: { type: 'begin' } }]);
      await story.isHeard(target!.deviceId);
      await new Promise((resolve) => setTimeout(resolve, 250));
      await story.say([{ ...about, event: { type: 'deadline' } }]);
      await story.settles();
    }
    expect(await story.counters()).toEqual({ all: { timedOut: 1 } });
    expect((await story.now()).phase).toBe('finished');
  });

  it('retries after the back-off, without using capacity meanwhile', async () => {
    const story = await Story.given(pool, { online: 2 });
    await story.starts({
      groups: ONE_GROUP,
      pace: { maxInFlight: 1 },
      retry: { maxAttempts: 2, backoff: { first: 'PT10M' } },
      stopIf: [],
    });
    await story.fail(1, { code: 'DOWNLOAD_FAILED', message: 'the link broke' });
    const tick = await story.settles();
    expect(await story.counters()).toEqual({ all: { pending: 1, inFlight: 1 } });
    await story.succeed();
    await story.settles();
    const [retried] = await story.targets({ state: ['pending'] });
    expect([retried!.because, Math.round((retried!.retryAt! - Date.now()) / 60_000)]).toEqual([
      'attempt 1: DOWNLOAD_FAILED: the link broke',
      10,
    ]);
    expect((await story.settles()).waitingOn).toMatch(/^Waiting for the next retry at [^;,]*\.$/);
    await story.comesOnline(retried!.deviceId, false);
    expect((await story.settles()).waitingOn).toBe('Waiting for 1 device to come online.');
    expect(tick.done).toBe(false);
  });

  it('skips a downgrade unless the plan asks for one', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.hello(story.devices[0]!, { version: '3.0.0', sha256: '3'.repeat(64) });
    await story.starts({ groups: ONE_GROUP });
    expect((await story.targets())[0]).toMatchObject({
      state: 'skipped',
      because: expect.stringMatching(/holds 3.0.0, which is newer than 2.0.0/),
    });
    await story.starts({ groups: ONE_GROUP, allowDowngrade: true });
    expect(await story.counters()).toEqual({ all: { inFlight: 1 } });
  });

  it('R9 ends it also where the deadline is shorter than what an installation may take', async () => {
    const story = await Story.given(pool, { offline: 1 });
    await story.starts({ groups: ONE_GROUP, timeouts: { target: 'PT0.3S' } });
    const { until } = await story.settles();
    await new Promise((resolve) => setTimeout(resolve, until! - Date.now() + 20));
    expect((await story.settles()).outcome).toBe('finished');
    expect(await story.counters()).toEqual({ all: { timedOut: 1 } });
  });

  it('R9 ends a target that has not ended by its deadline, so that every rollout ends', async () => {
    const story = await Story.given(pool, { online: 1, offline: 1 });
    await story.starts({
      groups: ONE_GROUP,
      timeouts: { offer: 'PT0.1S', download: 'PT0.1S', install: 'PT0.1S', confirm: 'PT0.1S', target: 'PT1S' },
    });
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    await story.settles();
    expect(await story.counters()).toEqual({ all: { timedOut: 2 } });
    expect((await story.now()).phase).toBe('finished');
  });
});

describe('After admission', () => {
  it('R5 the counters say what the targets are, after everything that happened in these stories', () =>
    expectCountersOfTargets(pool));
});
