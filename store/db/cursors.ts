import { isUuid } from '../../domain/uuid.js';

/** The keyset is (time, id), both descending: stable under inserts, and answered by an index at any depth. */
export interface Keyset {
  at: string;
  id: string;
}

/** Opaque to clients and safe in a URL; `parseCursor` reads it. */
export function printCursor(key: Keyset): string {
  return Buffer.from(JSON.stringify([key.at, key.id])).toString('base64url');
}

/**
 * @returns undefined where the text is no cursor of ours: what it names goes into a query, where a day that is none
 * would be an error.
 */
export function parseCursor(text: string): Keyset | undefined {
  const decoded = Buffer.from(text, 'base64url').toString('utf8');
  const match =
    /^\["((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,6})?(?:Z|\+00:00))","([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})"\]$/.exec(
      decoded,
    );
  const [, at, seconds, id] = match ?? [];
  if (at === undefined || seconds === undefined || id === undefined) return undefined;
  const time = Date.parse(`${seconds}Z`);
  const exists = !Number.isNaN(time) && time > 0 && new Date(time).toISOString().startsWith(seconds);
  return exists ? { at, id } : undefined;
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
