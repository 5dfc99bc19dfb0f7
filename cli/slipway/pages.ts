import type { PageMeta } from '../../client/index.js';

/** A page as every list answers it. */
export interface PageOf<T> {
  readonly data: readonly T[];
  readonly meta: Pick<PageMeta, 'nextCursor'>;
}

/** The most that the API gives in one page of whole things. */
const PAGE_SIZE = 100;

/**
 * Reads a list to its end, or to `limit` things, page by page.
 * @param read one page: the size that is wanted, and where it begins
 */
export async function allOf<T>(
  read: (page: { pageSize: number; cursor?: string }) => Promise<PageOf<T>>,
  limit = Number.MAX_SAFE_INTEGER,
  pageSize = PAGE_SIZE,
): Promise<T[]> {
  const all: T[] = [];
  for (let cursor: string | undefined; all.length < limit;) {
    const { data, meta } = await read({
      pageSize: Math.min(pageSize, limit - all.length),
      ...(cursor === undefined ? {} : { cursor }),
    });
    all.push(...data);
    cursor = meta.nextCursor;
    if (cursor === undefined) break;
  }
  return all;
}
