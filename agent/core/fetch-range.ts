import { interceptors, type Dispatcher } from 'undici';
import { codeOf, messageOf } from './write-file.js';

export type Piece = Buffer;

/** The file did not come. `passing` = it may come in a moment: a broken line, a server that starts. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
  constructor(
    message: string,
    readonly passing: boolean,
    /** What was fetched before does not belong to what the server has now. */
    readonly outdated = false,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Milliseconds without a byte until a connection counts as broken: longer than a slow radio's gap, far below a download's deadline. */
const SILENCE_MS = 30_000;
/** A disk store answers itself, an S3 store sends on once; more is a circle. */
const REDIRECTIONS = 3;

interface Wanted {
  readonly url: string;
  readonly from: number;
  /** Strong, of the version whose first `from` bytes are there. */
  readonly etag: string | undefined;
  readonly size: number;
  readonly dispatcher: Dispatcher;
  readonly signal: AbortSignal;
}

/**
 * Asks for a file from `from` on (RFC 9110 §14). `start` says where the answer begins: 0 where the server has another version by now
 * (If-Range) or knows no ranges.
 * @throws UnreachableError, also from `pieces`
 */
export async function fetchFrom({ url, from, etag, size, dispatcher, signal }: Wanted): Promise<{ start: number; etag: string | undefined; pieces: AsyncIterable<Piece> }> {
  const response = await answered(url, signal, dispatcher.compose(interceptors.redirect({ maxRedirections: REDIRECTIONS })), {
    'accept-encoding': 'identity',
    ...(from > 0 && { range: `bytes=${from}-` }),
    ...(from > 0 && etag !== undefined && { 'if-range': etag }),
  });
  const refuse = async (message: string, passing: boolean, outdated = false) => {
    await response.body.dump();
    throw new UnreachableError(message, passing, outdated);
  };
  const { statusCode, headers } = response;
  if (statusCode === 206) {
    const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(String(headers['content-range'])) ?? [];
    if (Number(start) !== from || (total !== '*' && Number(total) !== size)) await refuse(`the server answered bytes ${from}- of ${size} with "${String(headers['content-range'])}"`, true, true);
  } else if (statusCode === 416) {
    await refuse(`the server has no bytes from ${from} on`, true, true);
  } else if (statusCode !== 200) {
    await refuse(`the server answered ${statusCode}`, statusCode >= 500 || statusCode === 408 || statusCode === 429);
  }
  const found = headers['etag'];
  // A weak one promises the same meaning, not the same bytes: it is no use with ranges.
  return { start: statusCode === 206 ? from : 0, etag: typeof found === 'string' && !found.startsWith('W/') ? found : undefined, pieces: pieces(response.body) };
}

async function answered(url: string, signal: AbortSignal, dispatcher: Dispatcher, headers: Record<string, string>): Promise<Dispatcher.ResponseData> {
  try {
    const { origin, pathname, search } = new URL(url);
    return await dispatcher.request({ origin, path: pathname + search, method: 'GET', headers, signal, headersTimeout: SILENCE_MS, bodyTimeout: SILENCE_MS });
  } catch (error) {
    signal.throwIfAborted();
    throw new UnreachableError(`the server could not be reached: ${messageOf(error)}`, codeOf(error) !== 'ERR_INVALID_URL', false, { cause: error });
  }
}

async function* pieces(body: AsyncIterable<Buffer>): AsyncIterable<Piece> {
  const iterator = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await nextOf(iterator);
      if (done === true) return;
      yield value;
    }
  } finally {
    // Whoever stops reading early closes the connection: the rest would be sent for nothing.
    await iterator.return?.();
  }
}

async function nextOf(iterator: AsyncIterator<Buffer>): Promise<IteratorResult<Buffer>> {
  try {
    return await iterator.next();
  } catch (error) {
    throw new UnreachableError(`the connection broke: ${messageOf(error)}`, true, false, { cause: error });
  }
}
