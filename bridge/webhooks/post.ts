import { createHmac } from 'node:crypto';
import { request as overHttp } from 'node:http';
import { request as overTls } from 'node:https';
import { isIP } from 'node:net';
import type { Attempted } from '../../store/history/webhook-sending.js';
import { isPrivate, PrivateAddress, publicLookup } from './addresses.js';

/** From the name to the status: who needs longer answers first and works afterwards. */
const DEADLINE_MS = 10_000;
const MAX_ERROR_LENGTH = 300;

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
 * `t=<unix seconds>,v1=<hex HMAC-SHA-256 over "t.body">`: the time is signed, so that an old delivery cannot be played
 * again as a new one.
 */
export function signature(secret: string, body: string, now: number): string {
  const t = Math.floor(now / 1_000);
  return `t=${t},v1=${createHmac('sha256', secret).update(`${t}.${body}`).digest('hex')}`;
}

/**
 * One attempt. Any 2xx is a success; nothing else is, and no redirect is followed. What the receiver says beyond its
 * status is not read.
 * @returns undefined where `signal` ended it: then it did not happen, and is made again.
 */
export async function post(what: Post, allowPrivate: boolean, signal: AbortSignal): Promise<Attempted | undefined> {
  const url = new URL(what.url);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  try {
    // A literal address is resolved by nobody.
    if (!allowPrivate && isIP(host) !== 0 && isPrivate(host)) throw new PrivateAddress(host);
    const status = await statusOf(what, url, allowPrivate, AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]));
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

function statusOf(what: Post, url: URL, allowPrivate: boolean, signal: AbortSignal): Promise<number> {
  const body = Buffer.from(what.body);
  const headers = {
    'content-type': 'application/json',
    'content-length': body.length,
    'user-agent': 'Slipway',
    'slipway-event': what.event,
    'slipway-delivery': what.id,
    'slipway-signature': signature(what.secret, what.body, what.now),
  };
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? overTls : overHttp;
    // A connection of its own each: its address is looked at each time.
    const request = send(url, {
      method: 'POST',
      headers,
      agent: false,
      signal,
      ...(allowPrivate ? {} : { lookup: publicLookup }),
    });
    request.once('response', (response) => {
      resolve(response.statusCode ?? 0);
      response.destroy();
    });
    request.on('error', reject);
    request.end(body);
  });
}

function inWords(error: Error): string {
  if (error.name === 'TimeoutError' || error.name === 'AbortError')
    return `it did not answer within ${DEADLINE_MS / 1_000} s`;
  return error.message === '' ? String((error as NodeJS.ErrnoException).code ?? error.name) : error.message;
}
