import { DomainError, type ErrorCode } from '../../domain/errors.js';
import { MAX_OFFSET_ROWS } from '../../protocol/http/envelope.js';
import { type PageRequest } from '../../store/db/page.js';
import type { Answer } from './route.js';
import { parseCursor } from '../../store/db/cursors.js';

/**
 * Of a query made by `listQuery`. @throws DomainError (validation) where page and cursor do not fit
 * (docs/contracts/rest-api.md, "Conventions").
 */
export function toPageRequest(
  query: { page?: number | undefined; pageSize: number; cursor?: string | undefined },
  code: ErrorCode,
): PageRequest {
  const { page, pageSize, cursor } = query;
  if (cursor === undefined) {
    if ((page ?? 0) * pageSize >= MAX_OFFSET_ROWS)
      throw refuse(
        code,
        '/query/page',
        `reaches beyond ${MAX_OFFSET_ROWS} rows; read on with cursor, which meta.nextCursor of each page names`,
      );
    return { page: page ?? 0, pageSize };
  }
  if (page !== undefined) throw refuse(code, '/query/page', 'excludes cursor; send one of them');
  if (!parseCursor(cursor))
    throw refuse(
      code,
      '/query/cursor',
      'is not a cursor of this service; send meta.nextCursor of the page before as it is',
    );
  return { page: 0, pageSize, cursor };
}

/** Of a long list that is read by cursor only; `parse` knows its cursors. @throws DomainError (validation) */
export function keysetOf(
  { pageSize, cursor }: { pageSize: number; cursor?: string | undefined },
  parse: (cursor: string) => unknown,
  code: ErrorCode,
): { pageSize: number; cursor?: string } {
  if (cursor === undefined) return { pageSize };
  if (parse(cursor) === undefined)
    throw refuse(
      code,
      '/query/cursor',
      'is not a cursor of this list; send meta.nextCursor of the page before as it is',
    );
  return { pageSize, cursor };
}

function refuse(code: ErrorCode, pointer: string, detail: string): DomainError {
  return new DomainError(code, `${pointer.slice('/query/'.length)} ${detail}`, { errors: [{ pointer, detail }] });
}

/** One page of a list that was read as a whole, because it is short by its nature. */
export function pageOfShortList(
  items: readonly unknown[],
  { page, pageSize }: { page: number; pageSize: number },
): Answer {
  return { status: 200, body: { data: items.slice(page * pageSize, (page + 1) * pageSize), meta: { page, pageSize } } };
}
