import { currentSession, expire } from './session.js';
import { lost, reached } from './reach.js';
import type { Page } from './types.js';

/** One fault of a request: a JSON pointer into it, and what is wrong there. */
export interface FieldFault {
  readonly pointer: string;
  readonly detail: string;
  /** Of a filter: the place of the fault, counted from 0. */
  readonly position?: number;
}

/** What the service answered in place of what was asked for (docs/errors.md). `status` 0: it was not reached. */
export class Refused extends Error {
  override readonly name = 'Refused';
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly faults: readonly FieldFault[],
    /** The permission that was missing, where that was the reason. */
    readonly needs: string | undefined,
    /** Seconds after which to ask again, where the service said so. */
    readonly retryAfter: number | undefined,
  ) {
    super(message);
  }
}

/** A call of the API. `body` is sent as JSON, `raw` as it is. */
export interface Call {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Calls the API as the operator who is signed in. @throws Refused for every answer but 2xx, and where there is none */
export async function call<T>(path: string, { method = 'GET', body, headers, signal }: Call = {}): Promise<T> {
  const session = currentSession();
  const token = session.state === 'in' ? session.token : undefined;
  const response = await reach(path, {
    method,
    headers: {
      Accept: 'application/json',
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      ...(body === undefined
        ? {}
        : { 'Content-Type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal ? { signal } : {}),
  });
  if (response.ok) return (response.status === 204 ? undefined : await response.json()) as T;
  const refused = await refusalOf(response);
  if (response.status === 401 && token !== undefined) expire(token, refused.message);
  throw refused;
}

/** A whole list, page after page by its cursor. For lists that are short by their nature. @throws Refused */
export async function callAll<T>(path: string, signal: AbortSignal): Promise<readonly T[]> {
  const all: T[] = [];
  let cursor: string | undefined = '';
  while (cursor !== undefined) {
    const page: Page<T> = await call<Page<T>>(withQuery(path, { pageSize: 100, cursor }), { signal });
    all.push(...page.data);
    cursor = page.meta.nextCursor;
  }
  return all;
}

async function reach(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    lost();
    throw new Refused(0, 'UNREACHABLE', 'The service does not answer.', [], undefined, undefined);
  }
  reached();
  return response;
}

async function refusalOf(response: Response): Promise<Refused> {
  return refusal(response, await response.text(), response.headers.get('Retry-After'));
}

/**
 * What an answer says; a proxy in between may answer with a page of its own.
 * @param text its body
 * @param retryAfter its header of that name
 */
export function refusal(
  { status, statusText }: { readonly status: number; readonly statusText: string },
  text: string,
  retryAfter: string | null,
): Refused {
  const problem = parsed(text);
  const seconds = Number(retryAfter);
  return new Refused(
    status,
    problem?.errorCode ?? 'UNKNOWN',
    problem?.errorMessage ?? `The service answered ${status} ${statusText}.`.trim(),
    problem?.errors ?? [],
    problem?.permission,
    seconds > 0 ? seconds : undefined,
  );
}

interface Problem {
  readonly errorCode: string;
  readonly errorMessage: string;
  readonly errors?: readonly FieldFault[];
  readonly permission?: string;
}

function parsed(text: string): Problem | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const value = JSON.parse(text) as Partial<Problem>;
    return value.errorCode === undefined ? undefined : (value as Problem);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** What is wrong with one member of a request, to stand at its field. @param pointer such as `/name` */
export function faultAt(error: Error | null | undefined, pointer: string): string | undefined {
  if (!(error instanceof Refused)) return undefined;
  return error.faults.find((fault) => fault.pointer === pointer)?.detail;
}

/** The query of a URL, with what is empty left out. */
export function withQuery(
  path: string,
  query: Readonly<Record<string, string | number | boolean | undefined>>,
): string {
  const parts = Object.entries(query).filter(([, value]) => value !== undefined && value !== '' && value !== false);
  if (parts.length === 0) return path;
  return `${path}?${new URLSearchParams(parts.map(([name, value]) => [name, String(value)])).toString()}`;
}
