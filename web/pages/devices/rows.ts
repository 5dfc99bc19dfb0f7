import { useInfiniteQuery, type InfiniteData } from '@tanstack/react-query';
import { useEffect, useMemo } from 'react';
import { onEvents } from '../../live/fresh.js';
import { answers } from '../../service/queries.js';
import { call, withQuery } from '../../service/request.js';
import type { FullRow, Page, PageMeta } from '../../service/types.js';

const FIELDS = 'id,name,online,versions,installation';
/** 100,000 devices are 100 requests. */
const PAGE_SIZE = 1_000;
/** Rows that changed are asked for together. */
const PATCH_MS = 2_000;
/** As many ids as an address holds. */
const PATCHED_AT_ONCE = 150;

/** How often each value is found among the devices that match. */
export type Facets = Readonly<Record<string, readonly { readonly value: string | null; readonly count: number }[]>>;
/** A row of the list. */
export type Row = FullRow;
type RowPage = Page<Row, PageMeta & { readonly facets?: Facets }>;
type Rows = InfiniteData<RowPage, string>;

/** What facets are counted. */
export const FACETS = ['online', 'deviceType', 'tag', 'slot.firmware.version'] as const;

/** The devices that match, page after page as one scrolls, each row fresh while it is loaded. */
export function useRows(filter: string, sort: string) {
  const key = useMemo(() => ['device rows', filter, sort], [filter, sort]);
  const query = useInfiniteQuery<RowPage, Error, Rows, readonly unknown[], string>({
    queryKey: key,
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) =>
      call<RowPage>(
        withQuery('/v1/devices', {
          fields: FIELDS,
          pageSize: PAGE_SIZE,
          filter,
          sort,
          cursor: pageParam,
          facets: pageParam === '' ? FACETS.join(',') : undefined,
        }),
        { signal },
      ),
    getNextPageParam: ({ meta }) => meta.nextCursor,
    staleTime: Infinity,
    placeholderData: (before) => before,
  });
  useEffect(() => patchByEvents(key), [key]);
  const rows = useMemo(() => query.data?.pages.flatMap(({ data }) => data) ?? [], [query.data]);
  return { query, rows, meta: query.data?.pages[0]?.meta };
}

/** Asks for the rows that something happened to, and puts them where they are: nothing moves under the pointer. */
function patchByEvents(key: readonly unknown[]): () => void {
  const changed = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const patch = async (): Promise<void> => {
    timer = undefined;
    const loaded = answers.getQueryData<Rows>(key);
    const there = new Set(loaded?.pages.flatMap(({ data }) => data.map(({ id }) => id)));
    const ids = [...changed].filter((id) => there.has(id)).slice(0, PATCHED_AT_ONCE);
    changed.clear();
    if (ids.length === 0) return;
    const path = withQuery('/v1/devices', { fields: FIELDS, pageSize: PAGE_SIZE, deviceId: ids.join(',') });
    const fresh = new Map((await call<RowPage>(path)).data.map((row) => [row.id, row]));
    answers.setQueryData<Rows>(
      key,
      (before) =>
        before && {
          ...before,
          pages: before.pages.map((page) => ({ ...page, data: page.data.map((row) => fresh.get(row.id) ?? row) })),
        },
    );
  };
  const end = onEvents((events) => {
    for (const { deviceId } of events) if (deviceId !== undefined) changed.add(deviceId);
    // A fault is said by the line about the service; the next event tries again.
    if (changed.size > 0) timer ??= setTimeout(() => void patch().catch(console.warn), PATCH_MS);
  });
  return () => {
    end();
    clearTimeout(timer);
  };
}
