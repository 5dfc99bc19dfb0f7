/** Offset paging for short lists, keyset paging for long ones (specs/rest-api.md, Conventions). */
export interface PageRequest {
  page: number;
  pageSize: number;
  /** Opaque: what `nextCursor` of the page before said. Excludes `page`. */
  cursor?: string;
}

export interface Page<T> {
  items: T[];
  nextCursor: string | undefined;
}

/** The keyset is (time, id), both descending: stable under inserts, and answered by an index at any depth. */
export interface Keyset {
  at: string;
  id: string;
}

export function printCursor(key: Keyset): string {
  return Buffer.from(JSON.stringify([key.at, key.id])).toString('base64url');
}

/** @returns undefined where the text is no cursor of ours. */
export function parseCursor(text: string): Keyset | undefined {
  const decoded = Buffer.from(text, 'base64url').toString('utf8');
  const match = /^\["(\d{4}-\d\d-\d\dT[\d:.]{1,20}(?:Z|\+00:00))","([0-9a-f-]{36})"\]$/.exec(decoded);
  return match ? { at: match[1]!, id: match[2]! } : undefined;
}
