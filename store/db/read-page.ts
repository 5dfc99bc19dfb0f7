import { type Page, type PageRequest } from './page.js';
import type { Tx } from './pool.js';
import { printCursor, parseCursor } from './cursors.js';

/**
 * A list that is read newest first. `where` holds SQL conditions over `values` ($1…); `time` and `id` are the keyset's
 * columns.
 */
export interface ListQuery {
  columns: string;
  from: string;
  where: readonly string[];
  values: readonly unknown[];
  time?: string;
  id?: string;
}

/**
 * One page, by offset or by cursor. One row more than asked for is read, so that the last page has no cursor to an
 * empty one. The cursor's time is printed by PostgreSQL: JavaScript's dates would drop the microseconds, and rows with
 * them.
 */
export async function readPage<Row extends object, Item>(
  tx: Tx,
  list: ListQuery,
  page: PageRequest,
  print: (row: Row) => Item,
): Promise<Page<Item>> {
  const time = list.time ?? 'created_at';
  const id = list.id ?? 'id';
  const values = [...list.values];
  const where = [...list.where];
  const after = page.cursor === undefined ? undefined : parseCursor(page.cursor);
  if (after) {
    values.push(after.at, after.id);
    where.push(`(${time}, ${id}) < ($${values.length - 1}::timestamptz, $${values.length}::uuid)`);
  }
  values.push(page.pageSize + 1, after ? 0 : page.page * page.pageSize);
  const { rows } = await tx.query<Row & { cursor_at: string; cursor_id: string }>(
    `SELECT ${list.columns}, to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS cursor_at,
      ${id} AS cursor_id
     FROM ${list.from} WHERE ${where.join(' AND ')}
     ORDER BY ${time} DESC, ${id} DESC LIMIT $${values.length - 1} OFFSET $${values.length}`,
    values,
  );
  const shown = rows.slice(0, page.pageSize);
  const last = rows.length > page.pageSize ? shown.at(-1) : undefined;
  return { items: shown.map(print), nextCursor: last && printCursor({ at: last.cursor_at, id: last.cursor_id }) };
}
