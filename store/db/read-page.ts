import { between } from './times.js';
import { defined } from '../../domain/defined.js';
import { parseCursor, printCursor, printSort } from './cursors.js';
import { totalOf } from './count.js';
import { type Page, type PageRequest, type Sort } from './page.js';
import type { Tx } from './pool.js';

/** A field that a list can be sorted by. There is an index for each (sql/0025-lists.sql), and it is never null. */
export interface SortKey {
  /** Of a text with its collation: the index has it, and the order is the same in every database. */
  sql: string;
  type: 'timestamptz' | 'text';
}

/** By when it was made: the own order of most lists. */
export const BY_CREATION: SortKey = { sql: 'created_at', type: 'timestamptz' };
/** By the column `name`, in the order of code points. */
export const BY_NAME: SortKey = { sql: 'name COLLATE "C"', type: 'text' };

/** A list: SQL conditions over `values` ($1…), all of which must be used. */
export interface ListQuery {
  columns: string;
  from: string;
  where: readonly string[];
  values: readonly unknown[];
  /** By name. */
  sorts: Readonly<Record<string, SortKey>>;
  /** The name of the one by which it is sorted, newest first, where nothing else is asked for; it is a time. */
  time: string;
  /** Default `id`. */
  id?: string;
  /** What is counted, where that is less than `from`. */
  counted?: string;
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
  const { rows, ...rest } = await readRows<Row>(tx, list, page);
  return { items: rows.map(print), ...rest };
}

/** The same with the rows as they are, for what is printed together. @throws Error where the list has no such sort. */
export async function readRows<Row extends object>(
  tx: Tx,
  list: ListQuery,
  page: PageRequest,
): Promise<Omit<Page<never>, 'items'> & { rows: Row[] }> {
  const { sort } = page;
  const key = keyOf(list, sort);
  const time = defined(list.sorts[list.time], 'a list has its own order').sql;
  const id = list.id ?? 'id';
  const values = [...list.values];
  const where = [...list.where, ...between(time, page, values)];
  const counted = { from: list.counted ?? list.from, where: [...where], values: [...values] };
  const descending = sort?.descending ?? true;
  const after = page.cursor === undefined ? undefined : parseCursor(page.cursor, sort);
  if (after) {
    values.push(after.at, after.id);
    where.push(
      `(${key.sql}, ${id}) ${descending ? '<' : '>'} ($${values.length - 1}::${key.type}, $${values.length}::uuid)`,
    );
  }
  const offset = page.cursor === undefined ? page.page * page.pageSize : undefined;
  values.push(page.pageSize + 1, offset ?? 0);
  const { rows: read } = await tx.query<Row & { cursor_at: string; cursor_id: string }>(
    `SELECT ${list.columns}, ${key.type === 'text' ? key.sql : printed(key.sql)} AS cursor_at, ${id} AS cursor_id
     FROM ${list.from} WHERE ${where.join(' AND ')}
     ORDER BY ${key.sql} ${descending ? 'DESC' : 'ASC'}, ${id} ${descending ? 'DESC' : 'ASC'}
     LIMIT $${values.length - 1} OFFSET $${values.length}`,
    values,
  );
  const rows = read.slice(0, page.pageSize);
  const last = read.length > page.pageSize ? rows.at(-1) : undefined;
  return {
    rows,
    nextCursor: last && printCursor({ at: last.cursor_at, id: last.cursor_id }, sort),
    total: await totalOf(tx, counted, { read: read.length, offset, pageSize: page.pageSize }),
  };
}

function keyOf(list: ListQuery, sort: Sort | undefined): SortKey {
  const name = sort?.by ?? list.time;
  return defined(list.sorts[name], `this list is not sorted by ${sort === undefined ? name : printSort(sort)}`);
}

/** A time as a cursor holds it: `infinity` is what has not happened yet. */
function printed(time: string): string {
  return `CASE WHEN isfinite(${time}) THEN to_char(${time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    ELSE 'infinity' END`;
}
