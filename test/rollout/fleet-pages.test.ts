import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createRolloutActivities } from '../../activities/rollout.js';
import { deleteRollout } from '../../store/commands/delete-rollout.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { dropLeftoverPage, dropLeftovers } from '../../store/rollouts/leftovers.js';
import { TARGETS_PER_PAGE } from '../../store/rollouts/pages.js';
import { createTestDatabase } from '../support/database.js';
import { expectCountersOfTargets, ONE_GROUP, Story } from './story.js';

const MANY = 2 * TARGETS_PER_PAGE + 500;

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('pages of a fleet');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

/** A fleet of which no device was ever there, as it is after an import, with a tag of its own. */
async function fleet(tag: string): Promise<Story> {
  const story = await Story.given(pool, { offline: 1 });
  await story.facts.sql(
    `INSERT INTO devices (tenant_id, id, device_type_id, name, tags)
     SELECT d.tenant_id, gen_random_uuid(), d.device_type_id, 'never seen ' || n, ARRAY[$2]
     FROM devices d, generate_series(1, $3) AS n WHERE d.id = $1`,
    [story.devices[0], tag, MANY],
  );
  return story;
}

/** What one group holds after each of the transactions of its process, the state asked for only. */
async function eachStep(story: Story, state: string): Promise<number[]> {
  const oneStep = createRolloutActivities({ pool, tickMs: 0 });
  const counts: number[] = [];
  for (;;) {
    const { decision } = await oneStep.tick({ tenantId: 'default', rolloutId: story.rolloutId });
    const { all } = await story.counters();
    counts.push(all?.[state] ?? 0);
    if (decision !== 'go_on') return counts;
  }
}

/** The most that one transaction moved. */
const largestStep = (counts: readonly number[]): number =>
  Math.max(...counts.slice(1).map((count, index) => Math.abs(count - counts[index]!)));

describe('A fleet is gone through in pages', () => {
  it('when all that is away is skipped, and when it is tried again: nothing is decided in between', async () => {
    const story = await fleet('skipped');
    await story.starts({
      groups: ONE_GROUP,
      targets: { filter: 'tag==skipped' },
      pace: { awayAfter: 'PT1H' },
      stopIf: [{ outcome: 'failed', share: 0.5, after: 2, then: 'pause' }],
    });
    expect(await story.counters()).toEqual({ all: { pending: MANY } });
    await story.facts.sql(`UPDATE rollout_groups SET opened_at = now() - interval '2 hours' WHERE rollout_id = $1`, [
      story.rolloutId,
    ]);
    const answer = await story.asks({ do: 'skip', group: 'all' });
    expect(answer.waitingOn).toBe('Waiting for its process to apply the command.');
    expect(await story.counters()).toEqual({
      all: { pending: MANY - TARGETS_PER_PAGE, skipped: TARGETS_PER_PAGE },
    });
    await expectCountersOfTargets(pool);
    expect(await eachStep(story, 'skipped')).toEqual(expect.arrayContaining([2 * TARGETS_PER_PAGE, MANY]));
    const [skipped] = await story.facts.sql<{ targets: number }>(
      `SELECT (data->>'targets')::int AS targets FROM history WHERE rollout_id = $1 AND data ? 'targets'
       AND data->>'by' = 'operator:key:ann' ORDER BY entry DESC LIMIT 1`,
      [story.rolloutId],
    );
    expect(skipped).toEqual({ targets: MANY });

    await story.facts.sql(`UPDATE rollout_targets SET state = 'failed' WHERE rollout_id = $1`, [story.rolloutId]);
    await story.facts.sql(
      `UPDATE rollout_groups SET failed = skipped, skipped = 0, opened_at = now(), passed_at = NULL WHERE rollout_id = $1`,
      [story.rolloutId],
    );
    await story.asks({ do: 'retry', outcomes: ['failed'] });
    expect(await story.counters()).toEqual({
      all: { pending: TARGETS_PER_PAGE, failed: MANY - TARGETS_PER_PAGE },
    });
    // More than half are failed still: a process that looked at that would pause.
    await story.settles();
    expect(await story.counters()).toEqual({ all: { pending: MANY } });
    expect((await story.now()).facts.pauses).toEqual([]);
    await expectCountersOfTargets(pool);
  });

  it('when devices leave a dynamic rollout, and when they come back', async () => {
    const story = await fleet('moving');
    await story.starts({ groups: ONE_GROUP, targets: { filter: 'tag==moving', dynamic: true } });
    const retag = async (from: string, to: string) => {
      await story.facts.sql(`UPDATE devices SET tags = ARRAY[$2] WHERE tags = ARRAY[$1]`, [from, to]);
      await story.facts.sql(`INSERT INTO rollout_sweeps VALUES ('default', $1) ON CONFLICT DO NOTHING`, [
        story.rolloutId,
      ]);
    };
    await retag('moving', 'gone');
    const left = await eachStep(story, 'pending');
    expect(left.at(-1)).toBe(0);
    expect(largestStep([MANY, ...left])).toBe(TARGETS_PER_PAGE);
    await retag('gone', 'moving');
    const back = await eachStep(story, 'pending');
    expect(back.at(-1)).toBe(MANY);
    expect(largestStep([0, ...back])).toBe(TARGETS_PER_PAGE);
    await expectCountersOfTargets(pool);
  });

  it('when a rollout is deleted: it is gone at once, and its targets follow', async () => {
    const story = await fleet('deleted');
    await story.creates({ groups: ONE_GROUP, targets: { filter: 'tag==deleted' } });
    await story.settles();
    const count = async (): Promise<number> => {
      const [row] = await story.facts.sql<{ count: number }>(
        'SELECT count(*)::int AS count FROM rollout_targets WHERE rollout_id = $1',
        [story.rolloutId],
      );
      return row!.count;
    };
    expect(await count()).toBe(MANY);
    await asTenant(pool, 'default', (tx) => deleteRollout(tx, 'default', story.rolloutId, 'key:ann', Date.now()));
    expect(await story.now()).toBeUndefined();
    expect(await count()).toBe(MANY);
    expect(await asService(pool, dropLeftoverPage)).toBe(TARGETS_PER_PAGE);
    expect(await count()).toBe(MANY - TARGETS_PER_PAGE);
    await Promise.all([dropLeftovers(pool), dropLeftovers(pool)]);
    while ((await dropLeftovers(pool)) > 0);
    expect(await count()).toBe(0);
    expect(await story.facts.sql('SELECT FROM rollout_leftovers')).toEqual([]);
  });
});
