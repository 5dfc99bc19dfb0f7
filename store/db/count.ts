import { oneRow } from './one-row.js';
import type { Total } from './page.js';
import type { Tx } from './pool.js';

/**
 * So many rows are counted, which takes some milliseconds from an index; of more, PostgreSQL's own estimate is told,
 * which takes less than one (docs/contracts/rest-api.md, "Conventions").
 */
export const COUNTED_ROWS = 10_000;

/** What is counted: SQL conditions over `values` ($1…), all of which must be used. */
export interface Counted {
  from: string;
  where: readonly string[];
  values: readonly unknown[];
}

/** How many rows there are, exact up to COUNTED_ROWS. */
export async function countRows(tx: Tx, { from, where, values }: Counted): Promise<Total> {
  // OFFSET 0 changes nothing; by it prepared.ts sees that this is part of a list, whose plan depends on its values.
  const { rows } = await tx.query<{ counted: string }>(
    `SELECT count(*) AS counted FROM (SELECT FROM ${from} WHERE ${where.join(' AND ')}
      LIMIT ${COUNTED_ROWS + 1} OFFSET 0) AS found`,
    values,
  );
  const counted = Number(oneRow(rows, 'count() answers one row').counted);
  if (counted <= COUNTED_ROWS) return { items: counted, exact: true };
  const { rows: explained } = await tx.query<{ 'QUERY PLAN': [{ Plan: { 'Plan Rows': number } }] }>(
    `EXPLAIN (FORMAT JSON) SELECT FROM ${from} WHERE ${where.join(' AND ')}`,
    values,
  );
  const estimate = oneRow(explained, 'EXPLAIN answers one row')['QUERY PLAN'][0].Plan['Plan Rows'];
  return { items: Math.max(counted, Math.round(estimate)), exact: false };
}

/**
 * The same where a page was read already, with one row more than it shows: one that is not full needs no count.
 * @param read rows that were read from `offset` on.
 */
export async function totalOf(
  tx: Tx,
  counted: Counted,
  { read, offset, pageSize }: { read: number; offset: number | undefined; pageSize: number },
): Promise<Total> {
  if (offset !== undefined && read <= pageSize && (read > 0 || offset === 0))
    return { items: offset + read, exact: true };
  return countRows(tx, counted);
}
