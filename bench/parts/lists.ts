import { explaining, type Explained } from '../lists/explain.js';
import { COUNT_CASES, DEVICE_CASES, INSTALLATION_CASES, type Case } from '../lists/cases.js';
import { fill } from '../lists/fill.js';
import type { Figure, Measured, Part } from '../part.js';
import { Stage } from '../stage.js';
import { percentile, rounded } from '../statistics.js';
import { openPool } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';
import { now } from '../wait.js';

const ROWS = 100_000;
const SAMPLES = 60;
/** The first ones warm the caches of both sides. */
const WARM_UP = 5;

/** Lists and filters over many rows. */
export const lists: Part = {
  title: 'Lists of 100,000 devices and 100,000 installations',
  async run(context): Promise<Measured> {
    const stage = await Stage.open(context);
    const rows = context.count(ROWS, 5_000);
    context.say(`writes ${rows} devices and ${rows} installations`);
    const filled = await fill(stage, rows);
    const pool = openPool({ databaseUrl: stage.service.endpoints.database, name: 'bench-lists', max: 1 });
    context.atEnd(() => pool.end());
    const figures: Figure[] = [];
    const notes: string[] = [];
    for (const one of [...DEVICE_CASES, ...INSTALLATION_CASES, ...COUNT_CASES]) {
      const { path, read } = one.of(filled);
      const times = await sampled(() => stage.operator.call('GET', path));
      const alone = await sampled(() => asTenant(pool, 'default', read));
      const plans = one.countsAll === true ? [] : await asTenant(pool, 'default', (tx) => explaining(tx, read));
      figures.push(figureOf(one, times, alone, plans));
      notes.push(
        ...plans.filter((plan) => plan.faults.length > 0).map((plan) => `${one.name}: ${plan.faults.join('; ')}.`),
      );
    }
    return { figures, notes, method: methodOf(rows) };
  },
};

async function sampled(work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let done = 0; done < WARM_UP + SAMPLES; done += 1) {
    const began = now();
    await work();
    times.push(now() - began);
  }
  return times.slice(WARM_UP);
}

function figureOf(one: Case, times: readonly number[], alone: readonly number[], plans: readonly Explained[]): Figure {
  const faults = plans.flatMap((plan) => plan.faults).length;
  return {
    name: `${one.name}, p95`,
    value: percentile(times, 0.95),
    unit: 'ms',
    beside: { name: 'its transaction alone, p95', value: percentile(alone, 0.95) },
    ...(one.target === undefined ? {} : { target: { of: 'value', is: 'at most', value: one.target } as const }),
    detail: `p50 ${rounded(percentile(times, 0.5))} ms; ${one.countsAll === true ? 'it counts over all rows' : faults === 0 ? `${plans.length} plans, no sequential scan` : `see the notes: ${faults}`}`,
  };
}

function methodOf(rows: number): string[] {
  return [
    `${rows} devices, ${rows} installations and three history entries each, written as rows and analysed. Requests one after the other over one client, ${SAMPLES} samples after ${WARM_UP} that do not count.`,
    'Floor: the same function of the store in one transaction as the API makes it (role, tenant, row-level security), called without HTTP and without printing.',
    'The summary is counted behind the answers: beside it stands one such count. The page with facets has one row.',
    'Plans: each statement of that function, explained with ANALYZE under the same role and with the same values; a sequential scan of a table of over 1,000 rows is a fault, and so are over 5,000 rows that an index brought and a filter threw away.',
  ];
}
