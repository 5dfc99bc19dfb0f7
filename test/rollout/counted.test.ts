import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { endedOf, sumOf } from '../../domain/rollout/facts.js';
import { FAILURES, isFailure } from '../../domain/rollout/failures.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';
import { readSeries } from '../../store/rollouts/series.js';
import { createTestDatabase } from '../support/database.js';
import { expectFleetCounted } from './counted-fleet.js';
import { Story } from './story.js';

const TENANT = 'default';
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('rollout counted');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

/** Park and Miller's generator: the same seed, the same story. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

const CODES = ['INCOMPATIBLE', 'OUT_OF_SPACE', 'INSTALL_FAILED'];
const PLAN = {
  groups: [{ name: 'canary', count: 6 }, { name: 'rest' }],
  stopIf: [],
  pace: { maxInFlight: 7 },
  retry: { maxAttempts: 1 },
};

/** Rows of failed targets with the error of their installation, counted here. */
async function counted(story: Story): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const { deviceId, group, state, installationId } of await story.targets()) {
    if (!isFailure(state)) continue;
    const [row] = await story.facts.sql<{ refusal: string | null; code: string | null }>(
      `SELECT t.refusal, i.error->>'code' AS code FROM rollout_targets t LEFT JOIN installations i ON i.id = $3
        WHERE t.rollout_id = $1 AND t.device_id = $2`,
      [story.rolloutId, deviceId, installationId],
    );
    const code = row!.refusal ?? row!.code ?? { failed: 'FAILED', rejected: 'REJECTED', timedOut: 'TIMED_OUT' }[state];
    const key = `${group}/${state}/${code}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

async function expectCounted(story: Story): Promise<void> {
  const { failuresBy = [], facts } = await story.now();
  const told = new Map(failuresBy.map((one) => [`${one.group}/${one.outcome}/${one.code}`, one.count]));
  expect(told).toEqual(await counted(story));
  for (const { name, counters } of facts.groups)
    for (const outcome of FAILURES) {
      const own = failuresBy.filter((one) => one.group === name && one.outcome === outcome);
      expect([name, outcome, own.reduce((sum, { count }) => sum + count, 0)]).toEqual([
        name,
        outcome,
        counters[outcome],
      ]);
    }
  const targets = await story.targets();
  for (const { group, outcome, exampleDeviceId } of failuresBy)
    expect(targets.find((one) => one.deviceId === exampleDeviceId)).toMatchObject({ group, state: outcome });
}

describe('After a random history', () => {
  it.each([1, 2, 3])(
    'summary, facets, lengths of lists, failuresBy and series are those of the rows (seed %d)',
    async (seed) => {
      const random = randomOf(seed);
      const story = await Story.given(pool, { online: 24, holding: 2 });
      await story.starts(PLAN);
      for (let turn = 0; turn < 14; turn += 1) {
        const open = await story.inFlight();
        const one = open[random(Math.max(1, open.length))];
        const what = random(6);
        await story.isHeardOf(story.devices[random(story.devices.length)]!, random(4));
        if (one && what < 2) await story.report([one], { type: 'installed' });
        else if (one && what < 4)
          await story.report([one], { type: 'failed', error: { code: CODES[random(3)]!, message: 'it is' } });
        else if (one && what === 4) await story.timesOut(one);
        else await story.succeed(2);
        if (turn === 9 && seed > 1) await story.disassociates();
        for (const { reason } of (await story.now()).facts.pauses) await story.asks({ do: 'resume', reason });
        await story.settles();
        if (turn % 4 === 3) await expectCounted(story);
        if (turn % 2 === 1) await expectFleetCounted(story);
      }
      await expectCounted(story);
      await expectFleetCounted(story);
      const series = await asTenant(pool, TENANT, (tx) => readSeries(tx, TENANT, story.rolloutId, 86_400_000));
      const sum = (name: 'started' | 'ended' | 'failed') => series.reduce((total, point) => total + point[name], 0);
      const [row] = await story.facts.sql<{ count: string }>(
        `SELECT count(*) FROM installations WHERE rollout_id = $1`,
        [story.rolloutId],
      );
      const counters = sumOf((await story.now()).facts.groups);
      expect([sum('started'), sum('ended'), sum('failed')]).toEqual([
        Number(row!.count),
        endedOf(counters),
        counters.failed + counters.rejected + counters.timedOut,
      ]);
    },
  );

  it('a target that is tried again leaves failuresBy, and counts again in the series', async () => {
    const story = await Story.given(pool, { online: 3 });
    await story.starts({ ...PLAN, groups: [{ name: 'all' }] });
    await story.fail(2);
    await story.settles();
    expect((await story.now()).failuresBy).toMatchObject([
      { group: 'all', outcome: 'failed', code: 'INCOMPATIBLE', count: 2 },
    ]);
    await story.asks({ do: 'retry', outcomes: ['failed'] });
    expect((await story.now()).failuresBy).toEqual([]);
    await story.settles();
    await story.succeed();
    const series = await asTenant(pool, TENANT, (tx) => readSeries(tx, TENANT, story.rolloutId, 86_400_000));
    expect(series.map(({ started, ended, failed }) => [started, ended, failed])).toEqual([[5, 5, 2]]);
  });
});
