import type { IncomingMessage } from 'node:http';
import { httpGet } from './http-get.js';
import { codeOf, messageOf } from './write-file.js';

/** Bytes as they arrived, of any length. */
export type Piece = Buffer;

interface UnreachableFacts extends ErrorOptions {
  readonly retryAfterMs?: number | undefined;
  /** What the server has is another file than the document's. */
  readonly isWrongFile?: boolean;
}

/** The file did not come. `passing` = it may come in a moment: a broken line, a server that starts. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
  constructor(
    message: string,
    readonly passing: boolean,
    /** What was fetched before does not belong to what the server has now. */
    readonly outdated = false,
    private readonly facts: UnreachableFacts = {},
  ) {
    super(message, facts);
  }

  /** The server said when to come again: in so many milliseconds. */
  get retryAfterMs(): number | undefined {
    return this.facts.retryAfterMs;
  }

  /** How it is reported where it stays like this (docs/contracts/device-mqtt.md, "Error codes"). */
  get code(): 'DOWNLOAD_FAILED' | 'HASH_MISMATCH' {
    return this.facts.isWrongFile === true ? 'HASH_MISMATCH' : 'DOWNLOAD_FAILED';
  }
}

/**
 * Milliseconds without a byte until a connection counts as broken: longer than a slow radio's gap, far below a
 * download's deadline.
 */
const SILENCE_MS = 30_000;
/**
 * What comes slower than this is begun again: a connection may be stuck in a queue or behind a dying router, and the
 * next one is not. 100 bytes a second are a third of the slowest satellite link, and a new connection costs a minute's
 * bytes at most, because it goes on where this one was.
 */
const SLOWEST: Pace = { bytes: 6_000, inMs: 60_000 };
/** A server that asks for more than this is mistaken, or means a deadline that the service keeps anyway. */
const LONGEST_RETRY_AFTER_MS = 3_600_000;
/** A disk store answers itself, an S3 store sends on once; more is a circle. */
const REDIRECTIONS = 3;

/** At least so many bytes in so many milliseconds, of the time in which bytes are waited for. */
export interface Pace {
  readonly bytes: number;
  readonly inMs: number;
}

interface Wanted {
  readonly url: string;
  readonly from: number;
  /** Strong, of the version whose first `from` bytes are there. */
  readonly etag: string | undefined;
  readonly size: number;
  readonly signal: AbortSignal;
  /** Milliseconds; the default is that of a device in the field. */
  readonly silence?: number;
  readonly slowest?: Pace;
}

interface Answer {
  readonly start: number;
  readonly etag: string | undefined;
  /** The server itself marks the end of the file: where `pieces` end without an error, that was all of it. */
  readonly isWhole: boolean;
  readonly pieces: AsyncIterable<Piece>;
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
  slowest = SLOWEST,
}: Wanted): Promise<Answer> {
  const response = await answered(url, signal, silence, {
    'accept-encoding': 'identity',
    ...(from > 0 && { range: `bytes=${from}-` }),
    ...(from > 0 && etag !== undefined && { 'if-range': etag }),
  });
  const refuse = (message: string, passing: boolean, outdated = false, facts: UnreachableFacts = {}): never => {
    response.destroy();
    throw new UnreachableError(message, passing, outdated, facts);
  };
  const { statusCode = 0, headers } = response;
  if (statusCode === 206) {
    const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(String(headers['content-range'])) ?? [];
    if (Number(start) !== from || (total !== '*' && Number(total) !== size))
      refuse(`the server answered bytes ${from}- of ${size} with "${String(headers['content-range'])}"`, true, true);
  } else if (statusCode === 416) {
    refuse(`the server has no bytes from ${from} on`, true, true);
  } else if (statusCode !== 200) {
    const isPassing = statusCode >= 500 || statusCode === 408 || statusCode === 429;
    refuse(`the server answered ${statusCode}`, isPassing, false, { retryAfterMs: retryAfterOf(headers) });
  }
  const length = Number(headers['content-length'] ?? NaN);
  // The page of a captive portal, an error page, another version: none of its bytes may be mixed with the right ones.
  if (statusCode === 200 && Number.isInteger(length) && length !== size)
    refuse(`the server's file has ${length} bytes instead of ${size}`, true, true, { isWrongFile: true });
  const found = headers['etag'];
  // A weak one promises the same meaning, not the same bytes: it is no use with ranges.
  return {
    start: statusCode === 206 ? from : 0,
    etag: typeof found === 'string' && !found.startsWith('W/') ? found : undefined,
    isWhole: statusCode === 200 && headers['transfer-encoding'] !== undefined,
    pieces: pieces(response, silence, slowest),
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

/** RFC 9110 §10.2.3: seconds, or a date, which is read by the server's own clock. @returns milliseconds */
function retryAfterOf(headers: IncomingMessage['headers']): number | undefined {
  const text = headers['retry-after']?.trim();
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.parse(headers['date'] ?? '');
  return Number.isNaN(ms) ? undefined : Math.min(LONGEST_RETRY_AFTER_MS, Math.max(0, ms));
}

async function* pieces(body: IncomingMessage, silence: number, slowest: Pace): AsyncIterable<Piece> {
  const iterator = (body as AsyncIterable<Buffer, undefined>)[Symbol.asyncIterator]();
  let window = { bytes: 0, ms: 0 };
  try {
    for (;;) {
      const asked = performance.now();
      // Only while something is awaited: a device that takes its time with a piece is not a server that is silent.
      const timer = setTimeout(() => body.destroy(new Error(`no byte for ${silence} ms`)), silence);
      const { done, value } = await nextOf(iterator).finally(() => clearTimeout(timer));
      if (done === true) return;
      window = { bytes: window.bytes + value.length, ms: window.ms + performance.now() - asked };
      if (window.ms >= slowest.inMs) {
        if (window.bytes < slowest.bytes)
          throw new UnreachableError(`only ${window.bytes} bytes came in ${Math.round(window.ms / 1_000)} s`, true);
        window = { bytes: 0, ms: 0 };
      }
      yield value;
    }
  } finally {
    // A reader that stops early closes the connection: the rest would be sent for nothing.
    body.destroy();
  }
}

async function nextOf(iterator: AsyncIterator<Buffer, undefined>): Promise<IteratorResult<Buffer, undefined>> {
  try {
    return await iterator.next();
  } catch (error) {
    throw new UnreachableError(`the connection broke: ${messageOf(error)}`, true, false, { cause: error });
  }
}
