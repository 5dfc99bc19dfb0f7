import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openPool, type Pool } from '../../store/db/pool.js';
import { createTestDatabase } from '../support/database.js';
import { Story } from './story.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('rollout eta');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const HOUR = 3_600_000;
const PLAN = { groups: [{ name: 'canary', count: 1, soak: 'PT6H', gate: { minSample: 1 } }, { name: 'rest' }] };
const stored = async (story: Story) =>
  (
    await story.facts.sql<{ eta: Date | null }>(`SELECT eta FROM rollouts WHERE id = $1`, [story.rolloutId])
  )[0]!.eta?.getTime() ?? null;

describe('The eta', () => {
  it('is in the answer that creates a rollout: the soak of its canary, and default times for unknown devices', async () => {
    const story = await Story.given(pool, { online: 3 });
    const { eta } = await story.creates(PLAN);
    expect(eta! - Date.now()).toBeGreaterThan(6 * HOUR);
    expect(eta! - Date.now()).toBeLessThan(6.5 * HOUR);
  });

  it('is kept by the coordinator: set at the start, unchanged without news, null while a person must act, and set again afterwards', async () => {
    const story = await Story.given(pool, { online: 3 });
    await story.starts(PLAN);
    const first = await stored(story);
    expect(first! - Date.now()).toBeGreaterThan(6 * HOUR);
    await story.settles();
    expect(await stored(story)).toBe(first);
    await story.asks({ do: 'pause', because: null });
    expect((await story.now()).eta).toBeNull();
    await story.settles();
    expect(await stored(story)).toBeNull();
    await story.asks({ do: 'resume', reason: 'operator' });
    await story.settles();
    expect((await story.now()).eta! - Date.now()).toBeGreaterThan(5 * HOUR);
  });

  it('moves as a rollout continues, and is null at its end', async () => {
    const story = await Story.given(pool, { online: 4 });
    await story.starts({ groups: [{ name: 'all' }], pace: { maxInFlight: 1 } });
    const first = await stored(story);
    await story.succeed();
    await story.settles();
    expect(await stored(story)).toBeLessThan(first!);
    for (let left = 3; left > 0; left -= 1) {
      await story.succeed();
      await story.settles();
    }
    expect(await story.now()).toMatchObject({ phase: 'finished', eta: null });
    expect(await stored(story)).toBeNull();
  });

  it('is null while only devices that are away are left, and there again once one comes', async () => {
    const story = await Story.given(pool, { online: 1, offline: 2 });
    await story.starts({ groups: [{ name: 'all' }] });
    expect(await stored(story)).not.toBeNull();
    await story.succeed();
    await story.settles();
    expect([await stored(story), (await story.now()).eta]).toEqual([null, null]);
    await story.comesOnline(story.devices[1]!);
    await story.settles();
    expect((await story.now()).eta).not.toBeNull();
  });
});
