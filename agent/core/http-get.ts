import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { proxyFor, throughProxy } from './proxy.js';

interface Asked {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** How often the server may send on to another address. */
  readonly redirections: number;
  /** Until the headers come, milliseconds, for each address. */
  readonly silence: number;
}

/**
 * Node's own client, because undici 7 throws out of reach of any `catch` where a server hangs up behind a body that is
 * read slowly (nodejs/undici#5360). A connection for each request: a device downloads rarely, and a kept one may have
 * died unnoticed. Proxies stand in the environment (proxy.ts).
 *
 * @returns the answer; its body is neither read nor bounded in time
 * @throws what the system or URL says, AbortError
 */
export async function httpGet(address: string, asked: Asked): Promise<IncomingMessage> {
  let url = new URL(address);
  for (let left = asked.redirections; ; left -= 1) {
    const response = await getOnce(url, asked);
    const {
      statusCode = 0,
      headers: { location },
    } = response;
    if (![301, 302, 303, 307, 308].includes(statusCode) || location === undefined || left === 0) return response;
    response.destroy();
    url = new URL(location, url);
  }
}

async function getOnce(url: URL, { headers, signal, silence }: Asked): Promise<IncomingMessage> {
  const proxy = proxyFor(url);
  const by = proxy ? await throughProxy(proxy, url, { signal, silence }) : { agent: false as const };
  const request = by.protocol === 'https:' || url.protocol === 'https:' ? httpsRequest : httpRequest;
  return sent(request(url, { signal, ...by, headers: { ...headers, ...by.headers } }), silence);
}

function sent(request: ClientRequest, silence: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => request.destroy(new Error(`no answer for ${silence} ms`)), silence);
    request.on('response', (response) => {
      clearTimeout(timer);
      resolve(response);
    });
    // Stays when the answer is there: what breaks later comes here too, and is reported to the reader of the body.
    request.on('error', reject);
    request.on('close', () => clearTimeout(timer));
    request.end();
  });
}
