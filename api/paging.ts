import { DomainError, type ErrorCode } from '../domain/errors.js';
import { DEFAULT_PAGE_SIZE, MAX_OFFSET_ROWS } from '../protocol/http/envelope.js';
import { parseCursor, type PageRequest } from '../store/page.js';
import type { Answer } from './route.js';

/** Of a query made by `listQuery`. @throws DomainError (validation) where page and cursor do not fit (specs/rest-api.md, Conventions). */
export function toPageRequest(query: { page?: number | undefined; pageSize: number; cursor?: string | undefined }, code: ErrorCode): PageRequest {
  const { page, pageSize, cursor } = query;
  if (cursor === undefined) {
    if ((page ?? 0) * pageSize >= MAX_OFFSET_ROWS) throw refuse(code, '/query/page', `reaches beyond ${MAX_OFFSET_ROWS} rows; read on with cursor, which meta.nextCursor of each page names`);
    return { page: page ?? 0, pageSize };
  }
  if (page !== undefined) throw refuse(code, '/query/page', 'excludes cursor; send one of them');
  if (!parseCursor(cursor)) throw refuse(code, '/query/cursor', 'is no cursor of this service; send meta.nextCursor of the page before as it is');
  return { page: 0, pageSize, cursor };
}

function refuse(code: ErrorCode, pointer: string, detail: string): DomainError {
  return new DomainError(code, `${pointer.slice('/query/'.length)} ${detail}`, { errors: [{ pointer, detail }] });
}

/** A list that is short by its nature, in the contract's envelope: one page that holds all of it. */
export function wholeList(items: readonly unknown[]): Answer {
  return { status: 200, body: { data: items, meta: { page: 0, pageSize: Math.max(DEFAULT_PAGE_SIZE, items.length) } } };
}
