import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openPool, type Pool } from '../../store/db/pool.js';
import type { Amendment } from '../../domain/rollout/commands.js';
import type { Plan } from '../../domain/rollout/plan.js';
import { createTestDatabase } from '../support/database.js';
import { groupStates, ONE_GROUP, Story } from './story.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('votes for rollouts');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const [ANN, BEN, CAT] = ['key:ann', 'key:ben', 'key:cat'];
const FORBIDDEN = { code: 'AUTH_FORBIDDEN' };
const approval = { required: 1 };
const CANARY = [{ name: 'canary', count: 1, approval }, { name: 'rest' }];
const FOUR_EYES = { required: 1, fourEyes: true };

/** Amends what the plan says now. */
async function amends(story: Story, change: (plan: Plan) => Amendment, by?: string, mayApprove?: boolean) {
  return story.asks({ do: 'amend', amendment: change((await story.now()).plan) }, by, mayApprove);
}
const faster = ({ pace }: Plan): Amendment => ({ pace: { ...pace, maxInFlight: pace.maxInFlight + 1 } });
const slower = ({ pace }: Plan): Amendment => ({ pace: { ...pace, maxInFlight: pace.maxInFlight - 1 } });
const votes = (story: Story, by: string, group: string | null = null) => story.asks({ do: 'approve', group }, by);

describe('Four eyes', () => {
  it('are not amended away: the creator, who may not approve, cannot drop an approval, also beside a decoy', async () => {
    const story = await Story.given(pool, { online: 3 });
    await story.starts({ groups: CANARY, approval: { fourEyes: true } });
    const decoy = { required: 1, expiresAfter: null, onExpiry: 'hold' } as const;
    const away: Amendment = {
      groups: [
        { name: 'canary', approval: null },
        { name: 'rest', approval: decoy },
      ],
    };
    for (const mayApprove of [false, true])
      await expect(amends(story, () => away, ANN, mayApprove)).rejects.toMatchObject({
        ...FORBIDDEN,
        message: expect.stringContaining(
          'this amendment (groups.canary.approval) loosens the plan, which sets fourEyes: it takes rollouts:approve, and another person than the creator of the rollout',
        ),
      });
    await expect(amends(story, () => away, BEN, false)).rejects.toMatchObject(FORBIDDEN);
    await amends(story, slower, ANN, false);
    await story.succeed();
    await story.settles();
    expect(await groupStates(story)).toEqual(['awaiting_approval', 'pending']);
  });

  it('are not those of a person who loosened what is voted on', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.creates({ groups: ONE_GROUP, approval: FOUR_EYES });
    await story.asks({ do: 'start' });
    expect((await amends(story, faster, BEN)).version).toBe(2);
    await expect(votes(story, BEN)).rejects.toMatchObject({
      ...FORBIDDEN,
      message: expect.stringContaining('a person who loosened this version of the plan cannot approve it'),
    });
    await expect(votes(story, ANN)).rejects.toMatchObject(FORBIDDEN);
    expect((await votes(story, CAT)).facts.approvals).toMatchObject([{ by: CAT, version: 2 }]);
    await story.settles();
    expect(await story.counters()).toEqual({ all: { inFlight: 1 } });
    // What was approved since is of two.
    await amends(story, faster, CAT);
    await votes(story, BEN);
    expect((await story.now()).phase).toBe('running');
  });

  it('hold for a resume despite a gate, which does not stand for the approval of the group', async () => {
    const story = await Story.given(pool, { online: 3 });
    await story.starts({ groups: CANARY, approval: { fourEyes: true }, stopIf: [] });
    await votes(story, BEN, 'canary');
    await story.fail();
    await story.settles();
    const resume = { do: 'resume', reason: 'gate_failed', comment: 'the board had no power' } as const;
    await expect(story.asks(resume, ANN)).rejects.toMatchObject(FORBIDDEN);
    await expect(story.asks(resume, BEN, false)).rejects.toMatchObject(FORBIDDEN);
    await story.asks(resume, BEN);
    await story.settles();
    expect(await groupStates(story)).toEqual(['awaiting_approval', 'pending']);
    await expect(votes(story, BEN, 'canary')).rejects.toMatchObject(FORBIDDEN);
    await votes(story, CAT, 'canary');
    await story.settles();
    expect(await groupStates(story)).toEqual(['passed', 'running']);
    const [told] = await story.facts.sql(
      `SELECT data->>'comment' AS comment FROM history WHERE rollout_id = $1 AND event = 'resume'`,
      [story.rolloutId],
    );
    expect(told).toEqual({ comment: 'the board had no power' });
  });
});

describe('A vote', () => {
  it('is for one version: what loosens while it runs voids it, and pauses until it is given again', async () => {
    const story = await Story.given(pool, { online: 3 });
    await story.creates({ groups: ONE_GROUP, approval, pace: { maxInFlight: 1 } });
    await story.asks({ do: 'start' });
    await votes(story, BEN);
    await story.settles();
    expect((await amends(story, faster, ANN, false)).facts.approvals).toEqual([]);
    await story.settles();
    const paused = await story.now();
    const voided = 'version 2 loosens pace.maxInFlight (key:ann), which voids 1 vote that was given before';
    expect(paused).toMatchObject({ phase: 'paused', because: `Paused: ${voided} (approval).` });
    expect(paused.waitingOn).toContain(voided);
    expect(await story.counters()).toEqual({ all: { inFlight: 1, pending: 2 } });
    await expect(story.asks({ do: 'resume', reason: 'approval' })).rejects.toMatchObject({
      code: 'ROLLOUT_STATE',
      message: expect.stringContaining(`it needs 1 approval: ${voided}; approve it with POST …/approve`),
    });
    expect((await votes(story, BEN)).facts).toMatchObject({ pauses: [], approvals: [{ by: BEN, version: 2 }] });
    await story.settles();
    expect(await story.counters()).toEqual({ all: { inFlight: 2, pending: 1 } });
  });

  it('is voided before the start, too, and the sentences say by what', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.creates({ groups: ONE_GROUP, approval: { required: 2 } });
    await votes(story, BEN);
    await amends(story, () => ({ stopIf: [] }));
    await story.settles();
    const voided = 'version 2 loosens stopIf (key:ann), which voids 1 vote that was given before';
    expect((await story.now()).waitingOn).toBe(`Waiting to be started; it then needs 2 approvals: ${voided}.`);
    await story.asks({ do: 'start' });
    await story.settles();
    expect(await story.now()).toMatchObject({
      phase: 'awaiting_approval',
      because: `2 more approvals needed before it starts: ${voided}.`,
    });
    expect((await story.now()).waitingOn).toMatch(/^Waiting for 2 approvals, since .*: version 2 loosens stopIf/);
  });

  it('stands where the plan is tightened or renamed', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.creates({ groups: CANARY, targets: { deviceIds: story.devices }, approval });
    await votes(story, BEN);
    await amends(story, slower);
    await amends(story, () => ({ name: 'other' }));
    expect(await story.now()).toMatchObject({
      version: 3,
      facts: { approvals: [{ by: BEN, version: 1 }], loosened: null },
    });
  });

  it('for a group is voided as well, but not where the group has passed', async () => {
    const story = await Story.given(pool, { online: 6 });
    await story.starts({
      groups: [{ name: 'canary', count: 1, approval }, { name: 'early', count: 2, approval }, { name: 'rest' }],
    });
    await votes(story, BEN, 'canary');
    await story.succeed();
    await story.settles();
    await votes(story, BEN, 'early');
    const amended = await amends(story, faster);
    expect(amended.facts.groups.map((group) => group.approvals.length)).toEqual([1, 0, 0]);
    expect(amended.facts.pauses).toMatchObject([{ reason: 'approval', group: 'early' }]);
    expect((await votes(story, CAT, 'early')).facts.pauses).toEqual([]);
    await story.succeed();
    await story.settles();
    expect(await groupStates(story)).toEqual(['passed', 'passed', 'running']);
  });

  it('is voided by a resume despite a stop rule', async () => {
    const story = await Story.given(pool, { online: 3 });
    await story.creates({
      groups: ONE_GROUP,
      approval,
      pace: { maxInFlight: 1 },
      stopIf: [{ outcome: 'failed', share: 0.5, after: 1, then: 'pause' }],
    });
    await story.asks({ do: 'start' });
    await votes(story, BEN);
    await story.settles();
    await story.fail();
    await story.settles();
    const { facts } = await story.asks({ do: 'resume', reason: 'failure_budget' });
    expect(facts.pauses).toMatchObject([
      {
        reason: 'approval',
        because:
          'resuming despite failure_budget loosens version 1 (key:ann), which voids 1 vote that was given before',
      },
    ]);
    await votes(story, BEN);
    await story.settles();
    expect(await story.counters()).toEqual({ all: { failed: 1, inFlight: 1, pending: 1 } });
  });
});
