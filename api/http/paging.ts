import { DomainError, type ErrorCode } from '../../domain/errors.js';
import { MAX_OFFSET_ROWS } from '../../protocol/http/envelope.js';
import { parseCursor, printSort } from '../../store/db/cursors.js';
import { type PageRequest, type Sort } from '../../store/db/page.js';
import { metaOf, type Answer } from './route.js';

/**
 * Of a query made by `listQuery`. @throws DomainError (validation) where page and cursor do not fit
 * (docs/contracts/rest-api.md, "Conventions").
 */
export function toPageRequest(
  query: {
    page?: number | undefined;
    pageSize: number;
    cursor?: string | undefined;
    sort?: string | undefined;
    since?: string | undefined;
    until?: string | undefined;
  },
  code: ErrorCode,
): PageRequest {
  const { page, pageSize, cursor, since, until } = query;
  const sort = query.sort === undefined ? undefined : readSort(query.sort);
  const wanted = {
    ...(sort === undefined ? {} : { sort }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  };
  if (cursor === undefined) {
    if ((page ?? 0) * pageSize >= MAX_OFFSET_ROWS)
      throw refuse(
        code,
        '/query/page',
        `reaches beyond ${MAX_OFFSET_ROWS} rows; read on with cursor, which meta.nextCursor of each page names`,
      );
    return { page: page ?? 0, pageSize, ...wanted };
  }
  if (page !== undefined) throw refuse(code, '/query/page', 'excludes cursor; send one of them');
  if (!parseCursor(cursor, sort))
    throw refuse(
      code,
      '/query/cursor',
      `is not a cursor of this list ${sort ? `sorted by ${printSort(sort)}` : 'in its own order'}; send meta.nextCursor of the page before as it is, with the same sort`,
    );
  return { page: 0, pageSize, cursor, ...wanted };
}

/** Which ones a list has stands in its schema: `name`, and `-name` for the other direction. */
function readSort(text: string): Sort {
  const descending = text.startsWith('-');
  return { by: descending ? text.slice(1) : text, descending };
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
  const data = items.slice(page * pageSize, (page + 1) * pageSize);
  const total = { items: items.length, exact: true };
  return { status: 200, body: { data, meta: metaOf({ nextCursor: undefined, total }, { page, pageSize }) } };
}
