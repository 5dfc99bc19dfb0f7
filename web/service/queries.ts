import {
  keepPreviousData,
  QueryClient,
  useInfiniteQuery,
  useMutation,
  useQuery,
  type InfiniteData,
  type UseMutationResult,
  type UseQueryResult,
} from '@tanstack/react-query';
import { useMemo, useSyncExternalStore } from 'react';
import { lacking, type Permission } from '../../domain/permissions.js';
import { call, Refused, withQuery, type Call } from './request.js';
import { currentReach, onReach, type Reach } from './reach.js';
import { currentSession, onSession, type Session } from './session.js';
import type { Me, One, Page, PageMeta } from './types.js';

/** A 4xx is an answer and not tried again; anything else passes, and is asked once more. */
const TRIES = 2;

/** The cache of all answers. What happens in the fleet makes them old (live/fresh.ts), not the clock. */
export const answers = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      gcTime: 5 * 60_000,
      refetchOnWindowFocus: true,
      retry: (failures, error) =>
        failures < TRIES && !(error instanceof Refused && error.status >= 400 && error.status < 500),
      retryDelay: (failures) => 500 * 2 ** failures,
      networkMode: 'always',
    },
    mutations: { retry: false, networkMode: 'always' },
  },
});

/** What an answer is about: an event about one of them makes it old. */
export type Topic =
  | 'devices'
  | 'installations'
  | 'rollouts'
  | 'summary'
  | 'events'
  // No event names these: they become old by what one does on a page.
  | 'firmwares'
  | 'associations'
  | 'device types'
  | 'api keys'
  | 'webhooks'
  | 'deliveries'
  | 'templates'
  | 'tenants'
  | 'settings'
  | 'enrolments'
  | 'certificates'
  | `firmware:${string}`
  | `device:${string}`
  | `installation:${string}`
  | `rollout:${string}`;

/** How an answer is asked for. */
export interface Asking {
  /** Absent = it never becomes old by events. */
  readonly about?: readonly Topic[];
  readonly enabled?: boolean;
  /** For what no event tells: milliseconds, 10,000 or more. */
  readonly everyMs?: number;
  /** Whether the answer before stays while another one is on its way, such as of a list whose filter changed. */
  readonly keep?: boolean;
}

/** Asks the API, and asks again when something happened that the answer is about. */
export function useApi<T>(
  path: string,
  { about = [], enabled = true, everyMs, keep }: Asking = {},
): UseQueryResult<T, Error> {
  return useQuery<T>({
    queryKey: [path],
    queryFn: ({ signal }) => call<T>(path, { signal }),
    meta: { about },
    enabled,
    ...(everyMs === undefined ? {} : { refetchInterval: everyMs }),
    ...(keep === true ? { placeholderData: keepPreviousData } : {}),
  });
}

/** A list that is read page by page. */
export interface Listed<T> {
  /** The rows of all pages that were asked for; undefined before the first one is there. */
  readonly data: { readonly rows: readonly T[]; readonly meta: PageMeta } | undefined;
  readonly error: Error | null;
  readonly refetch: () => unknown;
  readonly isRefetching: boolean;
  /** Asks for the next page; absent where there is none. */
  readonly more: (() => void) | undefined;
  readonly isMoreOnItsWay: boolean;
}

const ROWS_OF_A_PAGE = 50;

/** Asks for a list whose next page is found by a cursor. What was there stays while a filter changes. */
export function useList<T>(
  path: string,
  query: Readonly<Record<string, string | undefined>> = {},
  { about = [], enabled = true, everyMs }: Asking = {},
): Listed<T> {
  const of = withQuery(path, query);
  const asked = useInfiniteQuery<Page<T>, Error, InfiniteData<Page<T>, string>, readonly unknown[], string>({
    queryKey: ['list', of],
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) =>
      call<Page<T>>(withQuery(path, { ...query, pageSize: ROWS_OF_A_PAGE, cursor: pageParam }), { signal }),
    getNextPageParam: ({ meta }) => meta.nextCursor,
    placeholderData: keepPreviousData,
    meta: { about },
    enabled,
    ...(everyMs === undefined ? {} : { refetchInterval: everyMs }),
  });
  const { data: loaded, error, refetch, isRefetching, hasNextPage, fetchNextPage, isFetchingNextPage } = asked;
  const data = useMemo(() => {
    const meta = loaded?.pages[0]?.meta;
    return loaded && meta && { rows: loaded.pages.flatMap((page) => page.data), meta };
  }, [loaded]);
  return {
    data,
    error,
    refetch,
    isRefetching: isRefetching && !isFetchingNextPage,
    more: hasNextPage ? () => void fetchNextPage() : undefined,
    isMoreOnItsWay: isFetchingNextPage,
  };
}

/** Changes something. What is about one of `about` is asked for again after it, whether or not it worked. */
export function useChange<T, V = void>(
  request: (variables: V) => { readonly path: string } & Call,
  about: readonly Topic[] = [],
): UseMutationResult<T, Error, V> {
  return useMutation<T, Error, V>({
    mutationFn: (variables) => {
      const { path, ...rest } = request(variables);
      return call<T>(path, rest);
    },
    onSettled: () => refresh(about),
  });
}

/** Makes answers about these old: those on the page are asked for at once. */
export async function refresh(topics: readonly Topic[]): Promise<void> {
  if (topics.length === 0) return;
  const wanted = new Set<unknown>(topics);
  await answers.invalidateQueries({
    predicate: ({ meta }) =>
      Array.isArray(meta?.['about']) && meta['about'].some((topic: unknown) => wanted.has(topic)),
  });
}

/** The session, as it changes. */
export function useSession(): Session {
  return useSyncExternalStore(onSession, currentSession);
}

/** Whether the service answers, as it changes. */
export function useReach(): Reach {
  return useSyncExternalStore(onReach, currentReach);
}

/** Who is signed in. */
export function useMe(): Me | undefined {
  const session = useSession();
  return useApi<One<Me>>('/v1/me', { enabled: session.state === 'in' }).data?.data;
}

/** Why the operator may not do it, in words; undefined where it is allowed, or not known yet. */
export function useWhyNot(...wanted: readonly Permission[]): string | undefined {
  const me = useMe();
  const missing = me && lacking(me.permissions, wanted);
  return missing && `It needs the permission ${missing}, which ${me.name} does not have.`;
}
