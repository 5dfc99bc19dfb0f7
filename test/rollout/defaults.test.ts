import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { deleteDevice } from '../../store/commands/delete-device.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';
import { createTestDatabase } from '../support/database.js';
import { groupStates, ONE_GROUP, Story } from './story.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('rollout defaults');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const DAY = 24 * 3_600_000;
const REJECTED = { type: 'rejected', error: { code: 'INCOMPATIBLE', message: 'wrong board' } } as const;
const reasons = async (story: Story) => (await story.now()).facts.pauses.map((pause) => pause.reason);
const deletes = (devices: readonly string[]) =>
  devices.reduce(
    (before, device) =>
      before.then(() => asTenant(pool, 'default', (tx) => deleteDevice(tx, 'default', device, true, Date.now()))),
    Promise.resolve(),
  );
/** The devices were not seen for so long, and the rollout is that old. */
async function daysPass(story: Story, days: number): Promise<void> {
  const ago = `- interval '${days} days'`;
  await story.facts.sql(`UPDATE devices SET last_seen_at = last_seen_at ${ago} WHERE id = ANY($1::uuid[])`, [
    story.devices,
  ]);
  await story.facts.sql(`UPDATE rollout_groups SET opened_at = opened_at ${ago} WHERE rollout_id = $1`, [
    story.rolloutId,
  ]);
}
/** The soak of the first group began so much earlier. */
async function hoursOfSoakPass(story: Story, hours: number): Promise<void> {
  await story.facts.sql(
    `UPDATE rollout_groups SET soaking_since = soaking_since - interval '${hours} hours'
      WHERE rollout_id = $1 AND position = 0`,
    [story.rolloutId],
  );
}

describe('With all defaults', () => {
  it('a bad version stops in the canary, and the second group does not open', async () => {
    const story = await Story.given(pool, { online: 31 });
    await story.starts({ groups: [{ name: 'canary', count: 10 }, { name: 'rest' }] });
    await story.succeed(1);
    await story.settles();
    expect(await groupStates(story)).toEqual(['running', 'pending']);
    await story.report(await story.inFlight(), REJECTED);
    await story.settles();
    expect([(await story.now()).phase, await reasons(story)]).toEqual(['paused', ['failure_budget', 'gate_failed']]);
    expect(await story.counters()).toEqual({ canary: { installed: 1, rejected: 9 }, rest: { pending: 21 } });
  });

  it('the end says how many have it, and what became of the others', async () => {
    const story = await Story.given(pool, { online: 4 });
    await story.starts({ groups: ONE_GROUP, stopIf: [] });
    await story.report(await story.inFlight(3), REJECTED);
    await story.succeed();
    expect((await story.settles()).outcome).toBe('finished');
    const { because, facts } = await story.now();
    expect(because).toMatch(/^Finished at .*: 1 of 4 targets has 2\.0\.0; 3 rejected it\.$/);
    expect(facts.fired).toEqual([]);
  });

  it('a stop rule acts also in a rollout that is smaller than what it is judged from', async () => {
    const story = await Story.given(pool, { online: 4 });
    await story.starts({ groups: ONE_GROUP });
    await story.report(await story.inFlight(1), REJECTED);
    await story.succeed();
    await story.settles();
    expect(await story.told('fire_rule', 'finish')).toEqual(['fire_rule', 'finish']);
  });

  it.each([15, 22, 33, 44, 55])(
    'a fleet of which a third goes wrong in several ways does not end without a pause, although its gates let all pass (%s devices)',
    async (devices) => {
      const story = await Story.given(pool, { online: devices });
      const lenient = { gate: { minSuccess: 0 } };
      const groups = [
        { name: 'canary', percent: 1, ...lenient },
        { name: 'early', percent: 10, ...lenient },
        { name: 'rest', ...lenient },
      ];
      await story.starts({ groups, retry: { maxAttempts: 1 }, pace: { maxInFlight: 3 } });
      for (let round = 0; (await story.now()).phase === 'running'; round += 1) {
        // Of each three the last one goes wrong, and so never the canary, which is alone.
        const wrong = (await story.inFlight()).slice(2);
        if (round % 2 === 0) await story.report(wrong, REJECTED);
        else await story.report(wrong, { type: 'failed', error: { code: 'INSTALL_FAILED', message: 'no' } });
        await story.succeed();
        await story.settles();
      }
      expect([(await story.now()).phase, await reasons(story)]).toEqual(['paused', ['failure_budget']]);
      expect(await story.told('fire_rule', 'fail_group')).toEqual(['fire_rule']);
    },
  );
});

describe('Targets that are away', () => {
  it('hold no gate after a day: it is decided by the others', async () => {
    const story = await Story.given(pool, { online: 10, offline: 2 });
    await story.starts({ groups: [{ name: 'canary', count: 12 }] });
    await story.succeed();
    await story.settles();
    expect(await groupStates(story)).toEqual(['running']);
    const { facts, nextActionAt } = await story.now();
    expect(nextActionAt).toBe(facts.groups[0]!.openedAt! + DAY);
    await daysPass(story, 1);
    await story.settles();
    expect(await groupStates(story)).toEqual(['passed']);
    expect((await story.now()).facts.groups[0]!.away).toBe(2);
    await story.comesOnline(story.devices[10]!);
    await story.settles();
    expect(await story.counters()).toEqual({ canary: { installed: 10, inFlight: 1, pending: 1 } });
  });

  it('restart no soak when they return: it ends a day after it began, also with a return in between', async () => {
    const story = await Story.given(pool, { online: 10, offline: 3 });
    await story.starts({ groups: [{ name: 'canary', count: 13, soak: 'PT24H' }] });
    await story.succeed();
    await daysPass(story, 1);
    await story.settles();
    expect(await groupStates(story)).toEqual(['soaking']);
    await hoursOfSoakPass(story, 23);
    const since = (await story.now()).facts.groups[0]!.soakingSince;
    await story.comesOnline(story.devices[10]!);
    await story.settles();
    expect(await story.counters()).toEqual({ canary: { installed: 10, inFlight: 1, pending: 2 } });
    expect((await story.now()).waitingOn).toMatch(/^Waiting for the soak of .*; 2 devices are not online\.$/);
    expect((await story.now()).facts.groups[0]).toMatchObject({ soakingSince: since, away: 3 });
    await story.succeed();
    await story.settles();
    expect((await story.now()).facts.groups[0]).toMatchObject({ soakingSince: since, away: 2 });
    // Another returns, and is still in flight when the soak ends.
    await story.comesOnline(story.devices[11]!);
    await story.settles();
    await hoursOfSoakPass(story, 1);
    await story.settles();
    expect(await groupStates(story)).toEqual(['passed']);
  });

  it('take no vote back when they return', async () => {
    const story = await Story.given(pool, { online: 10, offline: 2 });
    await story.starts({ groups: [{ name: 'canary', count: 12, approval: { required: 2 } }] });
    await story.succeed();
    await daysPass(story, 1);
    await story.settles();
    await story.asks({ do: 'approve', group: 'canary' });
    await story.comesOnline(story.devices[10]!);
    await story.settles();
    expect((await story.now()).phase).toBe('awaiting_approval');
    await story.asks({ do: 'approve', group: 'canary' }, 'key:ben');
    await story.settles();
    expect(await groupStates(story)).toEqual(['passed']);
  });

  it('pause it where too few are left, are named with the ways out, and may be skipped', async () => {
    const story = await Story.given(pool, { online: 3, offline: 1 });
    await story.starts({ groups: [{ name: 'canary', count: 4 }] });
    await story.succeed();
    await story.settles();
    await daysPass(story, 2);
    await story.settles();
    const paused = await story.now();
    expect(await reasons(story)).toEqual(['gate_inconclusive']);
    expect(paused.because).toContain('the gate needs 4; 1 of 4 targets is away: amend minSample, or skip them');
    await story.asks({ do: 'skip', group: 'canary' });
    expect((await story.settles()).outcome).toBe('finished');
    expect(await story.counters()).toEqual({ canary: { installed: 3, skipped: 1 } });
    expect((await story.targets({ state: ['skipped'] }))[0]!.because).toBe('it was away, and key:ann skipped it');
    expect((await story.now()).because).toMatch(/3 of 3 targets have 2\.0\.0; 1 was skipped\.$/);
  });
});

describe('Targets for which there is nothing to do any more', () => {
  it('are skipped where another rollout brought newer content, and count in no share', async () => {
    const story = await Story.given(pool, { online: 3 });
    await story.starts({
      groups: ONE_GROUP,
      pace: { maxInFlight: 1 },
      stopIf: [{ outcome: 'any', share: 0.5, after: 3, then: 'rollBack' }],
    });
    const [first] = await story.inFlight();
    await story.asks({ do: 'pause', because: null });
    await story.succeed();
    const others = story.devices.filter((one) => one !== first!.deviceId);
    for (const device of others) await story.hello(device, { version: '3.0.0', sha256: '3'.repeat(64) });
    await story.asks({ do: 'resume', reason: null });
    expect((await story.settles()).outcome).toBe('finished');
    expect(await story.counters()).toEqual({ all: { installed: 1, skipped: 2 } });
    expect((await story.now()).facts.rollingBack).toBeNull();
  });

  it('are skipped where their devices were deleted: the shares are of those that are left', async () => {
    const story = await Story.given(pool, { online: 9 });
    await story.starts({
      groups: ONE_GROUP,
      pace: { maxInFlight: 3 },
      stopIf: [{ outcome: 'rejected', share: 0.5, after: 3, then: 'pause' }],
    });
    const open = await story.inFlight();
    await deletes(story.devices.filter((one) => !open.some(({ deviceId }) => deviceId === one)));
    await story.report(open, REJECTED);
    await story.settles();
    expect(await story.counters()).toEqual({ all: { rejected: 3, skipped: 6 } });
    expect(await story.told('fire_rule')).toEqual(['fire_rule']);
  });

  it('leave the gate to the others: eight of eight that are left have it', async () => {
    const story = await Story.given(pool, { online: 10 });
    await story.starts({ groups: [{ name: 'canary', count: 10 }], pace: { maxInFlight: 8 } });
    const open = await story.inFlight();
    await deletes(story.devices.filter((one) => !open.some(({ deviceId }) => deviceId === one)));
    await story.succeed();
    expect((await story.settles()).outcome).toBe('finished');
    expect(await groupStates(story)).toEqual(['passed']);
  });

  it('are skipped also where the device goes while it installs', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.starts({ groups: ONE_GROUP });
    await story.report(await story.inFlight(), { type: 'installing', attempt: 1, seq: 1 });
    await deletes(story.devices);
    expect(await story.counters()).toEqual({ all: { skipped: 1 } });
  });
});

describe('Targets whose time is over', () => {
  it('are in no stop rule where nothing was heard of their devices: they say nothing of the version', async () => {
    const story = await Story.given(pool, { offline: 3 });
    await story.starts({
      groups: ONE_GROUP,
      pace: { offline: 'offer' },
      stopIf: [{ outcome: 'timedOut', share: 0.1, after: 1, then: 'abort' }],
    });
    // Two have their offer, and one has not been offered anything.
    const [first, second] = await story.inFlight();
    for (const one of [first!, second!]) await story.begins(one.deviceId, one.installationId!);
    await daysPass(story, 31);
    await story.settles();
    for (const one of [first!, second!]) await story.offerLapses(one);
    await story.settles();
    expect(await story.counters()).toEqual({ all: { timedOut: 3 } });
    expect((await story.now()).facts.groups[0]!.unattempted).toEqual({ rejected: 0, timedOut: 3 });
    expect(await story.told('fire_rule')).toEqual([]);
    expect((await story.now()).phase).toBe('finished');
  });

  it('are in the stop rules where their devices were heard and did not accept', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.starts({
      groups: ONE_GROUP,
      stopIf: [{ outcome: 'timedOut', share: 0.1, after: 1, then: 'abort' }],
    });
    const [only] = await story.inFlight();
    await story.begins(only!.deviceId, only!.installationId!);
    await story.facts.sql(`UPDATE installations SET offered_at = now() - interval '1 hour' WHERE id = $1`, [
      only!.installationId,
    ]);
    await story.isHeard(only!.deviceId);
    await story.facts.sql(
      `UPDATE rollout_groups SET opened_at = opened_at - interval '31 days' WHERE rollout_id = $1`,
      [story.rolloutId],
    );
    await story.settles();
    await story.offerLapses(only!);
    await story.settles();
    expect((await story.now()).facts.groups[0]!.unattempted).toEqual({ rejected: 0, timedOut: 0 });
    expect(await story.told('fire_rule')).toEqual(['fire_rule']);
  });
});

describe('Targets that were refused at admission', () => {
  it('fail in the gate and are in no stop rule: nothing was installed', async () => {
    const story = await Story.given(pool, { online: 4 });
    await story.creates({
      groups: [{ name: 'first', count: 3 }, { name: 'rest' }],
      stopIf: [{ outcome: 'any', share: 0.1, after: 1, then: 'abort' }],
    });
    await story.disassociates();
    await story.asks({ do: 'start' });
    await story.settles();
    expect(await story.counters()).toEqual({ first: { rejected: 3 }, rest: { pending: 1 } });
    expect([(await story.now()).phase, await reasons(story)]).toEqual(['paused', ['gate_failed']]);
    expect((await story.now()).facts.groups[0]!.unattempted).toEqual({ rejected: 3, timedOut: 0 });
    await story.asks({ do: 'retry', outcomes: ['rejected'] });
    expect((await story.now()).facts.groups[0]!.unattempted).toEqual({ rejected: 0, timedOut: 0 });
  });
});
