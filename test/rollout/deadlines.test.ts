import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openPool, type Pool } from '../../store/db/pool.js';
import { createTestDatabase } from '../support/database.js';
import { Story } from './story.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('deadlines of targets');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const TWO = [{ name: 'a', count: 1 }, { name: 'b' }];

/** Everything that the rollout remembers of its past lies so many days further back. */
async function passes(story: Story, days: number): Promise<void> {
  for (const [table, columns] of [
    ['rollouts', ['started_at']],
    ['rollout_groups', ['opened_at', 'passed_at', 'failed_at', 'soaking_since', 'asked_at', 'moved_at']],
  ] as const)
    await story.facts.sql(
      `UPDATE ${table} SET ${columns.map((name) => `${name} = ${name} - $2 * interval '1 day'`).join(', ')} WHERE ${table === 'rollouts' ? 'id' : 'rollout_id'} = $1`,
      [story.rolloutId, days],
    );
  await story.facts.sql(
    `UPDATE rollouts SET pauses = (SELECT coalesce(jsonb_agg(jsonb_set(one, '{since}', to_jsonb((one->>'since')::bigint - $2::bigint))), '[]') FROM jsonb_array_elements(pauses) one) WHERE id = $1`,
    [story.rolloutId, days * 86_400_000],
  );
}

describe('The deadline of a target', () => {
  it('R9 counts from the opening of its group: a later group has as long as the first', async () => {
    const story = await Story.given(pool, { online: 2 });
    await story.starts({ groups: TWO });
    await passes(story, 29);
    await story.succeed();
    await story.settles();
    await passes(story, 2);
    await story.settles();
    expect(await story.counters()).toEqual({ a: { installed: 1 }, b: { inFlight: 1 } });
    await passes(story, 29);
    await story.settles();
    expect(await story.counters()).toEqual({ a: { installed: 1 }, b: { timedOut: 1 } });
    expect((await story.targets({ state: ['timedOut'] }))[0]!.because).toBe(
      'not ended within P30D of the opening of its group',
    );
    expect((await story.now()).phase).toBe('finished');
  });

  it('ends the group that is late, and no other', async () => {
    const story = await Story.given(pool, { online: 3 });
    await story.starts({
      groups: [{ name: 'a', count: 2, gate: { minSuccess: 0.5, minSample: 1 } }, { name: 'b' }],
      stopIf: [],
    });
    await story.succeed(1);
    await story.settles();
    await story.facts.sql(
      `UPDATE rollout_groups SET opened_at = opened_at - interval '31 days' WHERE rollout_id = $1 AND name = 'a'`,
      [story.rolloutId],
    );
    const tick = await story.settles();
    expect(await story.counters()).toEqual({ a: { installed: 1, timedOut: 1 }, b: { inFlight: 1 } });
    expect(tick.outcome).toBeNull();
  });

  it('of a group that never opens is the end of the rollout, 90 days after it stood still', async () => {
    const story = await Story.given(pool, { online: 3 });
    await story.starts({ groups: [{ name: 'a', count: 1 }, { name: 'b' }] });
    await story.fail();
    await story.settles();
    expect((await story.now()).phase).toBe('paused');
    await passes(story, 89);
    expect((await story.settles()).outcome).toBeNull();
    expect(await story.counters()).toEqual({ a: { failed: 1 }, b: { pending: 2 } });
    await passes(story, 2);
    expect((await story.settles()).outcome).toBe('finished');
    expect((await story.targets({ state: ['timedOut'] })).map((one) => one.because)).toEqual([
      'the rollout made no progress for P90D',
      'the rollout made no progress for P90D',
    ]);
    // It was never tried: no stop rule counts it.
    expect((await story.now()).facts.groups[1]!.unattempted.timedOut).toBe(2);
  });

  it('of a group whose soak is longer than that waits for the soak', async () => {
    const story = await Story.given(pool, { online: 2 });
    await story.starts({ groups: [{ name: 'a', count: 1, soak: 'P100D' }, { name: 'b' }] });
    await story.succeed();
    await story.settles();
    await passes(story, 95);
    expect((await story.settles()).outcome).toBeNull();
    await passes(story, 6);
    await story.settles();
    expect(await story.counters()).toEqual({ a: { installed: 1 }, b: { inFlight: 1 } });
  });
});

describe('A retry', () => {
  it('is refused where the deadline of every group that it is about has passed, and takes the others', async () => {
    const story = await Story.given(pool, { online: 2 });
    await story.starts({ groups: TWO, stopIf: [] });
    await story.fail();
    await story.settles();
    await story.asks({ do: 'resume', reason: 'gate_failed' });
    await story.settles();
    await story.fail();
    await story.settles();
    await story.facts.sql(
      `UPDATE rollout_groups SET opened_at = opened_at - interval '31 days' WHERE rollout_id = $1 AND name = 'a'`,
      [story.rolloutId],
    );
    await story.asks({ do: 'retry', outcomes: ['failed'] });
    await story.settles();
    expect(await story.counters()).toEqual({ a: { failed: 1 }, b: { inFlight: 1 } });
    await story.fail();
    await story.settles();
    await passes(story, 31);
    await expect(story.asks({ do: 'retry', outcomes: ['failed'] })).rejects.toMatchObject({
      code: 'ROLLOUT_STATE',
      message: expect.stringContaining('timeouts.target, from the opening of their group'),
    });
  });
});
