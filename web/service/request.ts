import { currentSession, expire } from './session.js';
import { lost, reached } from './reach.js';

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

/** What the answer says; a proxy in between may answer with a page of its own. */
async function refusalOf(response: Response): Promise<Refused> {
  const text = await response.text();
  const problem = parsed(text);
  const seconds = Number(response.headers.get('Retry-After'));
  return new Refused(
    response.status,
    problem?.errorCode ?? 'UNKNOWN',
    problem?.errorMessage ?? `The service answered ${response.status} ${response.statusText}.`.trim(),
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

/** The query of a URL, with what is empty left out. */
export function withQuery(
  path: string,
  query: Readonly<Record<string, string | number | boolean | undefined>>,
): string {
  const parts = Object.entries(query).filter(([, value]) => value !== undefined && value !== '' && value !== false);
  if (parts.length === 0) return path;
  return `${path}?${new URLSearchParams(parts.map(([name, value]) => [name, String(value)])).toString()}`;
}
