import type { IncomingMessage } from 'node:http';
import { httpGet } from './http-get.js';
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

/**
 * Milliseconds without a byte until a connection counts as broken: longer than a slow radio's gap, far below a
 * download's deadline.
 */
const SILENCE_MS = 30_000;
/** A disk store answers itself, an S3 store sends on once; more is a circle. */
const REDIRECTIONS = 3;

interface Wanted {
  readonly url: string;
  readonly from: number;
  /** Strong, of the version whose first `from` bytes are there. */
  readonly etag: string | undefined;
  readonly size: number;
  readonly signal: AbortSignal;
  /** Milliseconds; the default is that of a device in the field. */
  readonly silence?: number;
}

/**
 * Asks for a file from `from` on (RFC 9110 §14). `start` says where the answer begins: 0 where the server has another
 * version by now (If-Range) or knows no ranges.
 * @throws UnreachableError, also from `pieces`
 */
export async function fetchFrom({
  url,
  from,
  etag,
  size,
  signal,
  silence = SILENCE_MS,
}: Wanted): Promise<{ start: number; etag: string | undefined; pieces: AsyncIterable<Piece> }> {
  const response = await answered(url, signal, silence, {
    'accept-encoding': 'identity',
    ...(from > 0 && { range: `bytes=${from}-` }),
    ...(from > 0 && etag !== undefined && { 'if-range': etag }),
  });
  const refuse = (message: string, passing: boolean, outdated = false): never => {
    response.destroy();
    throw new UnreachableError(message, passing, outdated);
  };
  const { statusCode = 0, headers } = response;
  if (statusCode === 206) {
    const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(String(headers['content-range'])) ?? [];
    if (Number(start) !== from || (total !== '*' && Number(total) !== size))
      refuse(`the server answered bytes ${from}- of ${size} with "${String(headers['content-range'])}"`, true, true);
  } else if (statusCode === 416) {
    refuse(`the server has no bytes from ${from} on`, true, true);
  } else if (statusCode !== 200) {
    refuse(`the server answered ${statusCode}`, statusCode >= 500 || statusCode === 408 || statusCode === 429);
  }
  const found = headers['etag'];
  // A weak one promises the same meaning, not the same bytes: it is no use with ranges.
  return {
    start: statusCode === 206 ? from : 0,
    etag: typeof found === 'string' && !found.startsWith('W/') ? found : undefined,
    pieces: pieces(response, silence),
  };
}

/** Another try will end as this one: the document itself is wrong. */
const WRONG_ADDRESS: readonly (string | undefined)[] = ['ERR_INVALID_URL', 'ERR_INVALID_PROTOCOL'];

async function answered(
  url: string,
  signal: AbortSignal,
  silence: number,
  headers: Record<string, string>,
): Promise<IncomingMessage> {
  try {
    return await httpGet(url, { headers, signal, silence, redirections: REDIRECTIONS });
  } catch (error) {
    signal.throwIfAborted();
    throw new UnreachableError(
      `the server could not be reached: ${messageOf(error)}`,
      !WRONG_ADDRESS.includes(codeOf(error)),
      false,
      { cause: error },
    );
  }
}

async function* pieces(body: IncomingMessage, silence: number): AsyncIterable<Piece> {
  const iterator = (body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  try {
    for (;;) {
      // Only while something is awaited: a device that takes its time with a piece is not a server that is silent.
      const timer = setTimeout(() => body.destroy(new Error(`no byte for ${silence} ms`)), silence);
      const { done, value } = await nextOf(iterator).finally(() => clearTimeout(timer));
      if (done === true) return;
      yield value;
    }
  } finally {
    // A reader that stops early closes the connection: the rest would be sent for nothing.
    body.destroy();
  }
}

async function nextOf(iterator: AsyncIterator<Buffer>): Promise<IteratorResult<Buffer>> {
  try {
    return await iterator.next();
  } catch (error) {
    throw new UnreachableError(`the connection broke: ${messageOf(error)}`, true, false, { cause: error });
  }
}
