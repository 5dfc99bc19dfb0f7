import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DomainError } from '../../domain/errors.js';
import { permissionsOf } from '../../domain/permissions.js';
import { actionsOf, SHOWN_ACTIONS, type ShownAction } from '../../domain/rollout/actions.js';
import { RETRYABLE_OUTCOMES, type Command } from '../../domain/rollout/commands.js';
import { deleteRollout } from '../../store/commands/delete-rollout.js';
import { commandRollout } from '../../store/commands/rollout-commands.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';
import { createTestDatabase } from '../support/database.js';
import { ONE_GROUP, Story } from './story.js';

const TENANT = 'default';
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('rollout actions');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const OWNER = permissionsOf('owner');
const ANN = { id: 'key:ann', permissions: OWNER };
class TakenBack extends Error {}

/** Whether the command is accepted now; nothing of it stays. */
async function isAccepted(story: Story, action: ShownAction, by: string): Promise<boolean> {
  const { facts, plan } = await story.now();
  const group = plan.groups.find(({ approval }, at) => approval && facts.groups[at]!.passedAt === null)?.name ?? null;
  const command: Record<Exclude<ShownAction, 'delete'>, Command> = {
    start: { do: 'start' },
    pause: { do: 'pause', because: null },
    resume: { do: 'resume', reason: facts.pauses[0]?.reason ?? 'operator' },
    abort: { do: 'abort', cancelOpen: false, because: null },
    retry: { do: 'retry', outcomes: RETRYABLE_OUTCOMES },
    approve: { do: 'approve', group: facts.approvals.length < plan.approval.required ? null : group },
    amend: { do: 'amend', amendment: { name: 'another name' } },
    rollback: { do: 'rollback', because: null },
  };
  try {
    await asTenant(pool, TENANT, async (tx) => {
      if (action === 'delete') await deleteRollout(tx, TENANT, story.rolloutId, by, Date.now());
      else await commandRollout(tx, TENANT, story.rolloutId, { id: by, mayApprove: true }, command[action], Date.now());
      throw new TakenBack();
    });
  } catch (error) {
    if (error instanceof TakenBack) return true;
    if (error instanceof DomainError) return false;
    throw error;
  }
  return true;
}

async function expectTold(story: Story, by = 'key:ann'): Promise<void> {
  const rollout = await story.now();
  const told = actionsOf(rollout, { id: by, permissions: OWNER }, Date.now());
  for (const action of SHOWN_ACTIONS)
    expect([rollout.because, action, told[action].allowed]).toEqual([
      rollout.because,
      action,
      await isAccepted(story, action, by),
    ]);
}

describe('What an answer says may be done with a rollout', () => {
  it('is what the commands accept, in each phase', async () => {
    const story = await Story.given(pool, { online: 4 });
    await story.creates({ groups: [{ name: 'canary', count: 1, approval: { required: 1 } }, { name: 'rest' }] });
    await expectTold(story);
    await story.asks({ do: 'start' });
    await story.settles();
    await expectTold(story);
    await story.succeed();
    await story.settles();
    expect((await story.now()).phase).toBe('awaiting_approval');
    await expectTold(story);
    await story.asks({ do: 'reject', group: 'canary', because: 'it flickers' });
    await expectTold(story);
    await story.asks({ do: 'resume', reason: 'approval' });
    await story.asks({ do: 'approve', group: 'canary' });
    await story.settles();
    await expectTold(story);
    await story.asks({ do: 'abort', cancelOpen: false, because: null });
    await expectTold(story);
    await story.report(await story.targets({ state: ['inFlight'] }), { type: 'installed' });
    await story.settles();
    await expectTold(story);
  });

  it('is what the commands accept of one that finished, and of one whose time to try again is over', async () => {
    const story = await Story.given(pool, { online: 2 });
    await story.starts({ groups: ONE_GROUP, stopIf: [] });
    await story.succeed(1);
    await story.fail();
    await story.settles();
    await expectTold(story);
    await story.facts.sql(`UPDATE rollout_groups SET opened_at = now() - interval '1 year' WHERE rollout_id = $1`, [
      story.rolloutId,
    ]);
    expect(actionsOf(await story.now(), ANN, Date.now()).retry).toMatchObject({
      allowed: false,
      whyNot: expect.stringMatching(/^nothing can be tried again: its targets had until /),
    });
    await expectTold(story);
  });

  it('with four eyes is another thing for the one who created it', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.creates({ groups: ONE_GROUP, approval: { required: 1, fourEyes: true } });
    await story.asks({ do: 'start' });
    await expectTold(story);
    await expectTold(story, 'key:eve');
    expect(actionsOf(await story.now(), ANN, Date.now()).approve).toEqual({
      allowed: false,
      whyNot: 'the creator of the rollout cannot approve it: its plan sets fourEyes',
    });
  });

  it('with four eyes is another thing for the one who loosened it, and where its votes are missing again', async () => {
    const story = await Story.given(pool, { online: 2 });
    await story.creates({
      groups: [
        { name: 'a', count: 1 },
        { name: 'b', approval: { required: 1 } },
      ],
      approval: { required: 1, fourEyes: true },
    });
    await story.asks({ do: 'start' });
    await story.asks({ do: 'approve', group: null }, 'key:ben');
    await story.settles();
    await story.asks({ do: 'amend', amendment: { stopIf: [] } }, 'key:cat');
    for (const by of ['key:ann', 'key:ben', 'key:cat']) await expectTold(story, by);
    await story.asks({ do: 'approve', group: null }, 'key:ben');
    await story.fail();
    await story.settles();
    expect((await story.now()).facts.pauses).toMatchObject([{ reason: 'gate_failed' }]);
    for (const by of ['key:ann', 'key:ben']) await expectTold(story, by);
  });

  it('names the permission that the caller lacks, also where the phase does not allow it', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.creates({ groups: ONE_GROUP, approval: { required: 1 } });
    const rollout = await story.now();
    const reader = { id: 'key:ray', permissions: permissionsOf('reader') };
    const writer = { id: 'key:wim', permissions: permissionsOf('writer') };
    expect(actionsOf(rollout, reader, Date.now())).toMatchObject({
      start: { allowed: false, whyNot: 'it takes the permission rollouts:write', needs: 'rollouts:write' },
      pause: { whyNot: 'it has not started; there is nothing to pause', needs: 'rollouts:write' },
      approve: { allowed: false, needs: 'rollouts:approve' },
    });
    const { start, approve } = actionsOf(rollout, writer, Date.now());
    expect([start, approve]).toMatchObject([{ allowed: true }, { allowed: false, needs: 'rollouts:approve' }]);
    expect(start).not.toHaveProperty('needs');
  });
});
