import { isUuid } from '../../domain/uuid.js';
import type { Sort } from './page.js';

/**
 * Where a page ended: the value of the field by which the list is sorted, and the id. Stable under inserts, and
 * answered by an index at any depth.
 */
export interface Keyset {
  /** A time as RFC 3339, or a text, as the sort has it. */
  at: string;
  id: string;
}

/** `name`, or `-name` where it is descending. */
export function printSort({ by, descending }: Sort): string {
  return `${descending ? '-' : ''}${by}`;
}

/** Opaque to clients and safe in a URL; `parseCursor` reads it. It says which order it belongs to. */
export function printCursor(key: Keyset, sort?: Sort): string {
  return Buffer.from(JSON.stringify([key.at, key.id, ...(sort ? [printSort(sort)] : [])])).toString('base64url');
}

const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,6})?(?:Z|\+00:00)$/;

/**
 * @returns undefined where the text is no cursor of ours, or one of another order: what it names goes into a query,
 * where a day that is none would be an error.
 */
export function parseCursor(text: string, sort?: Sort): Keyset | undefined {
  const [at, id, order, ...rest] = parts(Buffer.from(text, 'base64url').toString('utf8'));
  if (typeof at !== 'string' || typeof id !== 'string' || !isUuid(id) || rest.length > 0) return undefined;
  if (order !== (sort && printSort(sort))) return undefined;
  return (sort === undefined || isTime(sort.by) ? existsAsTime(at, sort) : isText(at)) ? { at, id } : undefined;
}

function parts(text: string): unknown[] {
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) && JSON.stringify(parsed) === text ? parsed : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

/** Fields that are times have names that end so: `createdAt`. All others are texts. */
function isTime(by: string): boolean {
  return by.endsWith('At');
}

function existsAsTime(at: string, sort: Sort | undefined): boolean {
  if (sort !== undefined && at === 'infinity') return true;
  const [, seconds] = TIME.exec(at) ?? [];
  const time = Date.parse(`${seconds}Z`);
  return seconds !== undefined && time > 0 && new Date(time).toISOString().startsWith(seconds);
}

/** As PostgreSQL can hold it. */
function isText(value: string): boolean {
  return !/\p{Surrogate}|\0/u.test(value);
}

/**
 * The cursor of a list that was read one row further than its page: where the next page begins, in the form that
 * `parseTargetCursor` and `parseEntryCursor` read.
 *
 * @returns undefined where the page is the last one.
 */
export function cursorAfter<R>(rows: readonly R[], pageSize: number, key: (row: R) => string): string | undefined {
  const last = rows[pageSize - 1];
  return last === undefined || rows.length <= pageSize ? undefined : Buffer.from(key(last)).toString('base64url');
}

/** @returns undefined where the text is no cursor of this list. */
export function parseTargetCursor(cursor: string): string | undefined {
  const decoded = Buffer.from(cursor, 'base64url').toString('utf8');
  return isUuid(decoded) ? decoded.toLowerCase() : undefined;
}

/**
 * An entry's number in the order of the history; it grows only. @returns undefined where the text is no cursor of ours
 */
export function parseEntryCursor(cursor: string): number | undefined {
  const decoded = Buffer.from(cursor, 'base64url').toString('utf8');
  return /^\d{1,15}$/.test(decoded) ? Number(decoded) : undefined;
}
