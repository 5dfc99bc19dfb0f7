import type { Tx } from '../../store/db/pool.js';

/** One statement's plan, and what is wrong with it. */
export interface Explained {
  readonly sql: string;
  readonly faults: readonly string[];
}

/** A node of EXPLAIN (ANALYZE, FORMAT JSON), as far as it is read. */
interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Node[];
}

/** Reading fewer than this from the first to the last is what the planner rightly prefers. */
const SMALL_TABLE = 1_000;
/** Rows that were found and thrown away: a page of twenty that costs thousands grows with the table, scan or not. */
const MOST_THROWN_AWAY = 5_000;

/** Runs `work` on a transaction that also explains each of its queries with the values that they had. */
export async function explaining(tx: Tx, work: (tx: Tx) => Promise<unknown>): Promise<Explained[]> {
  const { rows } = await tx.query<{ name: string; rows: number }>(
    `SELECT relname AS name, reltuples::float8 AS rows FROM pg_class WHERE relkind = 'r'`,
  );
  const sizes = new Map(rows.map((row) => [row.name, row.rows]));
  const explained: Explained[] = [];
  const watched = {
    async query(sql: string, values?: unknown[]) {
      // The estimate of a long list reads nothing.
      if (sql.startsWith('EXPLAIN')) return tx.query(sql, values);
      const plan = await tx.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(`EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`, values);
      explained.push({ sql, faults: faultsOf(plan.rows[0]!['QUERY PLAN'][0].Plan, sizes) });
      return tx.query(sql, values);
    },
  };
  await work(watched as unknown as Tx);
  return explained;
}

export function faultsOf(node: Node, sizes: ReadonlyMap<string, number>): string[] {
  const table = node['Relation Name'] ?? '';
  const thrownAway = (node['Rows Removed by Filter'] ?? 0) * node['Actual Loops'];
  const scans = node['Node Type'] === 'Seq Scan' && (sizes.get(table) ?? 0) > SMALL_TABLE;
  return [
    ...(scans ? [`a sequential scan of ${table}`] : []),
    ...(thrownAway > MOST_THROWN_AWAY
      ? [`${thrownAway} rows of ${table} were read and thrown away (${node['Node Type']})`]
      : []),
    ...(node.Plans ?? []).flatMap((child) => faultsOf(child, sizes)),
  ];
}
