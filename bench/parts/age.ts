import { parseDuration } from '../../domain/duration.js';
import { growTrees } from '../../store/audit/tiles.js';
import { verifyHistory } from '../../store/audit/verify.js';
import { prune } from '../../store/commands/prune.js';
import { holdLease, type Fence } from '../../store/db/leases.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asService } from '../../store/db/transaction.js';
import { seal } from '../../store/history/seal.js';
import { timeLists } from '../age/lists.js';
import { MONTH_MS, Months, type Month } from '../age/months.js';
import { readSizes, totalOf, type Sizes } from '../age/sizes.js';
import { readTemplates, type Templates } from '../age/template.js';
import type { Figure, Measured, Part } from '../part.js';
import { freshDatabase } from '../rollout/ticks.js';
import { Stage } from '../stage.js';
import { rounded } from '../statistics.js';
import { now } from '../wait.js';

const DEVICES = 10_000;
const MONTHS = 20;
const RETENTION = 'P400D';
/** The first month at whose end everything that is older has been removed once, and the room of it used again. */
const FULL = 15;
/** What is kept for ever, the leaves of the history, makes 1.02 of it in five months. */
const FLAT = 1.05;
const TENANT = 'default';

/** How the tables stood at the end of a month. */
interface Look {
  readonly sizes: Sizes;
  readonly entries: number;
  readonly pruneMs: number;
  readonly longestPageMs: number;
}

/** Twenty months of a fleet, as rows, under the retention. */
export const age: Part = {
  title: 'Twenty months of a fleet',
  async run(context): Promise<Measured> {
    const stage = await Stage.open(context);
    const templates = await readTemplates(context, stage);
    const devices = context.count(DEVICES, 200);
    const databaseUrl = await freshDatabase(stage);
    const pool = openPool({ databaseUrl, name: 'bench-age', max: 2 });
    context.atEnd(() => pool.end());
    const fence = { name: 'bridge', holder: 'bench', epoch: (await holdLease(pool, 'bridge', 'bench', 86_400_000))! };
    const began = Date.now() - MONTHS * MONTH_MS;
    const months = await Months.begin(databaseUrl, templates, devices, began);
    context.atEnd(() => months.end());
    const looks = [{ sizes: await readSizes(pool), entries: 0, pruneMs: 0, longestPageMs: 0 }];
    let before: ReadonlyMap<string, number> = new Map();
    let last: Month | undefined;
    for (let number = 1; number <= MONTHS; number += 1) {
      last = await months.write(number, began + (number - 1) * MONTH_MS);
      await sealAll(pool, fence);
      const look = await removeOld(pool, fence, last.at + MONTH_MS, months);
      looks.push(look);
      context.say(
        `month ${number}: ${rounded(totalOf(look.sizes) / 1e6)} MB, ${look.entries} entries, removed in ${rounded(look.pruneMs / 1_000)} s`,
      );
      if (number === FULL) before = await timeLists(pool, last);
    }
    const after = await timeLists(pool, last!);
    const verified = await asService(pool, (tx) => verifyHistory(tx, TENANT));
    return {
      figures: [...sizesOf(looks, devices, templates), ...listsOf(before, after)],
      method: methodOf(devices, templates),
      notes: verified.broken ? [`the history does not verify: ${JSON.stringify(verified)}`] : [],
    };
  },
};

async function sealAll(pool: Pool, fence: Fence): Promise<void> {
  while ((await seal(pool, fence)) > 0) continue;
  while (await growTrees(pool, fence)) continue;
}

/** A round of the retention as the bridge makes it at that time, and then what autovacuum does. */
async function removeOld(pool: Pool, fence: Fence, at: number, months: Months): Promise<Look> {
  const began = now();
  let longestPageMs = 0;
  const history = at - parseDuration(RETENTION)!;
  const round = prune(pool, fence, { history, acts: undefined }, (error) => {
    throw error;
  });
  for (let page = now(); (await round.next()).done !== true; page = now())
    longestPageMs = Math.max(longestPageMs, now() - page);
  const pruneMs = now() - began;
  await months.vacuum();
  const { rows } = await pool.query<{ entries: string }>('SELECT count(*) AS entries FROM history');
  return { sizes: await readSizes(pool), entries: Number(rows[0]?.entries), pruneMs, longestPageMs };
}

function sizesOf(looks: readonly Look[], devices: number, { entries }: Templates): Figure[] {
  const at = (month: number) => looks[month]!;
  const grown = totalOf(at(12).sizes) - totalOf(at(0).sizes);
  const each = devices * (1 - 1 / 200);
  const leaves = (month: number) => at(month).sizes.get('history_tiles') ?? 0;
  const removing = looks.slice(FULL);
  const of = (name: string, tables: readonly string[]): Figure => ({
    name: `of it ${name}`,
    value: tables.reduce((sum, one) => sum + (at(12).sizes.get(one) ?? 0) - (at(0).sizes.get(one) ?? 0), 0) / each / 12,
    unit: 'bytes each',
  });
  return [
    {
      name: 'an installation by a rollout, with its history and all indexes',
      value: grown / each / 12,
      unit: 'bytes each',
      detail: `${entries.length} entries of the history each; over the first 12 months`,
    },
    of('the history', ['history']),
    of('the installation', ['installations']),
    of('the target of the rollout', ['rollout_targets']),
    {
      name: 'what stays of it for ever: the leaves of its history',
      value: (leaves(MONTHS) - leaves(FULL)) / each / (MONTHS - FULL),
      unit: 'bytes each',
    },
    {
      name: `all tables and indexes after ${MONTHS} months`,
      value: totalOf(at(MONTHS).sizes) / 1e6,
      unit: 'MB',
      beside: { name: `after ${FULL}`, value: totalOf(at(FULL).sizes) / 1e6 },
      target: { of: 'ratio', is: 'at most', value: FLAT },
      detail: `MB by month: ${looks.map(({ sizes }) => Math.round(totalOf(sizes) / 1e6)).join(', ')}`,
    },
    {
      name: 'removing a month, with the comparison of each entry',
      value: Math.max(...removing.map(({ pruneMs }) => pruneMs)) / 1_000,
      unit: 's',
    },
    {
      name: 'its longest page, one transaction',
      value: Math.max(...removing.map(({ longestPageMs }) => longestPageMs)),
      unit: 'ms',
    },
  ];
}

/** Lists of a millisecond differ by a third between two runs on a busy machine. */
const SLOWER = 1.5;

function listsOf(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): Figure[] {
  return [...after].map(([name, value]) => ({
    name: `list: ${name}, p50`,
    value,
    unit: 'ms',
    beside: { name: `after ${FULL} months`, value: before.get(name) ?? 0 },
    target: { of: 'ratio', is: 'at most', value: SLOWER },
  }));
}

function methodOf(devices: number, { entries }: Templates): string[] {
  return [
    `${devices} devices, ${MONTHS} months of 30 days, each with a rollout to all of them over 20 days: the rows that a real rollout to simulated devices left a minute before (an installation with ${entries.length} entries, its target, the rollout with its groups), copied by SQL for each device with its own ids and times. One in 25 fails. One device in 200 takes the first update and none after it, so that this rollout stays whole. Each month one device in twelve gets a new password.`,
    `After each month: the sealer and the tree over the history, as they are; then a whole round of the retention (${RETENTION}), as the bridge makes it, at the end of that month; then \`VACUUM ANALYZE\` in place of autovacuum. A database of its own in the embedded PostgreSQL; nothing else writes to it.`,
    'Sizes are those of the files: tables with indexes and TOAST. Room that was given back to new rows counts as used.',
    'Lists: the function of the store in one transaction as the API makes it, medians of 40 after 5 that do not count. At the end the whole history is verified: each entry with its leaf, and the chain.',
  ];
}
