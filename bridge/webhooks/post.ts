import { request as overHttp, type IncomingMessage } from 'node:http';
import { request as overTls } from 'node:https';
import { Webhook } from 'standardwebhooks';
import type { Attempted } from '../../store/history/webhook-sending.js';
import { privateLiteral, PrivateAddress, lookupOf } from './addresses.js';

/** From the name to the status: who needs longer answers first and works afterwards. */
const DEADLINE_MS = 10_000;
const MAX_ERROR_LENGTH = 300;

/** One delivery as Standard Webhooks sign it. `id` is the delivery's, the same in each attempt. */
export interface Post {
  readonly url: string;
  readonly secret: string;
  readonly id: string;
  readonly event: string;
  readonly body: string;
  /** Epoch milliseconds. */
  readonly now: number;
}

/**
 * The headers of Standard Webhooks 1.0.0 (github.com/standard-webhooks/standard-webhooks, spec): the id, the time in
 * Unix seconds and the body are signed, so that an old delivery cannot be sent again as a new one.
 */
function signatureHeaders({ secret, id, body, now }: Pick<Post, 'secret' | 'id' | 'body' | 'now'>) {
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now / 1_000)),
    'webhook-signature': new Webhook(keyOf(secret), { format: 'raw' }).sign(id, new Date(now), body),
  };
}

/**
 * `whsec_` and the key in base64. Secrets of webhooks that were made before the signatures followed the standard are
 * base64url without padding: node reads both.
 */
function keyOf(secret: string): Uint8Array {
  return Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
}

/**
 * One attempt. Any 2xx is a success; nothing else is, and no redirect is followed. What the receiver says beyond its
 * status is not read.
 * @returns undefined where `signal` ended it: then it did not happen, and is made again.
 */
export async function post(what: Post, allowPrivate: boolean, signal: AbortSignal): Promise<Attempted | undefined> {
  const url = new URL(what.url);
  try {
    // A literal address is never resolved.
    const literal = privateLiteral(what.url);
    if (!allowPrivate && literal !== undefined) throw new PrivateAddress(literal);
    const status = await statusOf(what, url, allowPrivate, signal);
    if (status >= 200 && status < 300) return { ok: true, status };
    return {
      ok: false,
      status,
      error:
        status >= 300 && status < 400 ? `it answered ${status}; redirects are not followed` : `it answered ${status}`,
    };
  } catch (error) {
    if (signal.aborted) return undefined;
    return { ok: false, status: null, error: inWords(error as Error).slice(0, MAX_ERROR_LENGTH) };
  }
}

/**
 * However the receiver behaves, this ends at the deadline or with the signal, by a timer of its own: a request that was
 * answered with 101, or whose connection is gone, says nothing any more.
 */
function statusOf(what: Post, url: URL, allowPrivate: boolean, signal: AbortSignal): Promise<number> {
  const body = Buffer.from(what.body);
  const headers = {
    'content-type': 'application/json',
    'content-length': body.length,
    'user-agent': 'Slipway',
    'slipway-event': what.event,
    ...signatureHeaders(what),
  };
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? overTls : overHttp;
    // A connection of its own each: its address is looked at each time.
    const request = send(url, {
      method: 'POST',
      headers,
      agent: false,
      lookup: lookupOf({ allowPrivate }),
    });
    const over = (error: Error) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
      reject(error); // does nothing where the status was there before
      request.destroy();
    };
    const timer = setTimeout(() => over(new Error(`it did not answer within ${DEADLINE_MS / 1_000} s`)), DEADLINE_MS);
    const giveUp = () => over(new Error('given up'));
    const answered = ({ statusCode }: IncomingMessage) => {
      resolve(statusCode ?? 0);
      over(new Error('answered'));
    };
    signal.addEventListener('abort', giveUp, { once: true });
    request.once('response', answered);
    // Without a listener a 101 would end in silence.
    request.once('upgrade', (response, socket) => {
      socket.destroy();
      answered(response);
    });
    request.on('error', over);
    request.once('close', () => over(new Error('it closed the connection without an answer')));
    if (signal.aborted) giveUp();
    else request.end(body);
  });
}

function inWords(error: Error): string {
  return error.message === '' ? String((error as NodeJS.ErrnoException).code ?? error.name) : error.message;
}
