import { createClient, createConfig, type Client } from './generated/client/index.js';
import type { ClientOptions, Problem } from './generated/types.gen.js';

/** Where a Slipway is, and who asks. */
export interface Connection {
  /** Its address: `https://slipway.example.com`. A path behind it is kept, a slash at its end is not. */
  readonly url: string;
  /** An API key, or a token of the identity provider; a function is asked before each request. */
  readonly token?: string | (() => string | undefined | Promise<string | undefined>);
  /** Sends requests; `globalThis.fetch` where it is absent. */
  readonly fetch?: typeof fetch;
  /** What each request carries besides, such as `User-Agent`. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * A request that did not work. With `status` 0 there was no answer: `cause` says why. Otherwise `message` is the
 * sentence of the API, `problem` the whole answer (docs/errors.md), and `code` its `errorCode`.
 */
export class SlipwayError extends Error {
  override readonly name = 'SlipwayError';

  constructor(
    /** Of the answer; 0 = there was none. */
    readonly status: number,
    /** `errorCode` of the answer; '' where it came from a proxy, or there was none. */
    readonly code: Problem['errorCode'] | '',
    message: string,
    readonly problem: Partial<Problem>,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/**
 * A client for the functions of this package: `await listDevices({ client })`. They answer with the body, and throw a
 * SlipwayError where the answer is not 2xx.
 */
export function connect({ url, token, headers = {}, ...options }: Connection): Client {
  const client = createClient(
    createConfig<ClientOptions>({
      baseUrl: url.replace(/\/+$/, ''),
      throwOnError: true,
      headers,
      // Lists of values are comma lists (docs/contracts/rest-api.md, "Conventions").
      querySerializer: { array: { explode: false, style: 'form' } },
      ...(token === undefined ? {} : { auth: typeof token === 'string' ? token : async () => token() }),
      ...(options.fetch === undefined ? {} : { fetch: options.fetch }),
    }),
  );
  client.interceptors.error.use((error, response) => refusal(error, response));
  return client;
}

/** @param error the body of the answer, parsed where it is JSON; without an answer, what `fetch` threw */
export function refusal(error: unknown, response: Response | undefined): SlipwayError {
  if (response === undefined) {
    const reason = reasonOf(error);
    return new SlipwayError(0, '', reason, {}, { cause: error });
  }
  const problem = (typeof error === 'object' && error !== null ? error : {}) as Partial<Problem>;
  const { errorCode = '', errorMessage = `the answer was ${response.status} ${response.statusText}`.trim() } = problem;
  return new SlipwayError(response.status, errorCode, errorMessage, problem);
}

/** `fetch failed` says nothing; what lies below it does. */
function reasonOf(error: unknown): string {
  const { message, cause, errors } = Object(error) as { message?: string; cause?: unknown; errors?: unknown[] };
  if (errors?.[0] !== undefined) return reasonOf(errors[0]);
  return cause === undefined ? (message ?? String(error)) : reasonOf(cause);
}
