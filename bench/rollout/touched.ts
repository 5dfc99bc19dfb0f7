import type { Pool } from '../../store/db/pool.js';

/** A node of EXPLAIN (ANALYZE, FORMAT JSON), as far as it is read. */
interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Node[];
}

/**
 * What was asked while it was watched: by statement, how many rows of tables it read (also those that it threw away)
 * and wrote.
 */
export interface Touched {
  readonly sql: string;
  readonly rows: number;
  readonly ms: number;
}

/**
 * The same pool, on which each statement with values is explained with ANALYZE before it runs; what that wrote is taken
 * back.
 */
export function watched(pool: Pool, touched: Touched[]): Pool {
  return {
    connect: async () => {
      const client = await pool.connect();
      const run = client.query.bind(client) as (
        text: unknown,
        values?: unknown,
      ) => Promise<{ rows: { 'QUERY PLAN': [{ Plan: Node; 'Execution Time': number }] }[] }>;
      const query = async (
        asked: string | { text: string; values: unknown[] },
        given?: unknown[],
      ): Promise<unknown> => {
        const { text, values } = typeof asked === 'string' ? { text: asked, values: given } : asked;
        if (values === undefined) return run(asked, given);
        await run('SAVEPOINT watched');
        const { rows } = await run(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values);
        await run('ROLLBACK TO watched');
        const [{ Plan: plan, 'Execution Time': ms }] = rows[0]!['QUERY PLAN'];
        touched.push({ sql: text, rows: rowsOf(plan), ms });
        return run(asked, given);
      };
      return new Proxy(client, {
        get(target, name) {
          if (name === 'query') return query;
          const member: unknown = Reflect.get(target, name);
          return typeof member === 'function' ? (member as (...args: unknown[]) => unknown).bind(target) : member;
        },
      });
    },
  } as unknown as Pool;
}

/** Rows of tables that a plan read, and those that it wrote. */
export function rowsOf(node: Node): number {
  const own =
    node['Relation Name'] === undefined
      ? 0
      : node['Node Type'] === 'ModifyTable'
        ? (node.Plans ?? []).reduce((sum, child) => sum + child['Actual Rows'] * child['Actual Loops'], 0)
        : (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];
  return Math.round(own) + (node.Plans ?? []).reduce((sum, child) => sum + rowsOf(child), 0);
}
