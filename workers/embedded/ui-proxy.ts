import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Where the page of the engine listens, and where people reach it; both without TLS. */
export interface UiProxyOptions {
  /** Of the page itself: an address that no page of another site can guess. */
  readonly upstream: { readonly host: string; readonly port: number };
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
}

/** A running proxy; `end` closes it with every connection. */
export interface UiProxy {
  readonly url: string;
  end(): Promise<void>;
}

/**
 * Stands before the page of the embedded engine, which takes any `Host` and has no login. A page of another site that
 * the user of this machine has open could reach it: by a name of its own that it has lead to loopback, or by requests
 * from the browser. This lets through what comes under the names of loopback, and from no other site: only a link
 * that a person follows.
 */
export async function startUiProxy({ upstream, host, port }: UiProxyOptions): Promise<UiProxy> {
  const names = () => {
    const own = (server.address() as AddressInfo).port;
    return new Set([`127.0.0.1:${own}`, `localhost:${own}`]);
  };
  const server = createServer((incoming, outgoing) => {
    const refusal = refused(incoming, names());
    if (refusal === undefined) return forward(incoming, outgoing, upstream);
    incoming.resume();
    outgoing.writeHead(403, { 'Content-Type': 'text/plain; charset=utf-8' }).end(`${refusal}\n`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, resolve);
  });
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    end: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** @returns why the request is refused, in a sentence. */
function refused({ headers, method }: IncomingMessage, names: ReadonlySet<string>): string | undefined {
  if (!names.has((headers.host ?? '').toLowerCase()))
    return 'This page is reached as 127.0.0.1 or localhost only. A proxy in front of it sends that as Host.';
  const { origin, 'sec-fetch-site': site, 'sec-fetch-mode': mode } = headers;
  const isOwn = origin === undefined || names.has(origin.replace(/^http:\/\//, ''));
  const isFollowed = method === 'GET' && mode === 'navigate' && headers['sec-fetch-dest'] === 'document';
  if (isOwn && (site === undefined || site === 'same-origin' || site === 'none' || isFollowed)) return undefined;
  return 'A page of another site may not use this one.';
}

function forward(incoming: IncomingMessage, outgoing: ServerResponse, upstream: UiProxyOptions['upstream']): void {
  const headers = { ...incoming.headers, host: `${upstream.host}:${upstream.port}` };
  delete headers.origin;
  delete headers.referer;
  const onward = request({ ...upstream, method: incoming.method, path: incoming.url, headers, agent: false });
  onward.on('response', (answer) => {
    // In no frame: a click on another site must not be one here.
    outgoing.writeHead(answer.statusCode ?? 502, {
      ...answer.headers,
      'content-security-policy': "frame-ancestors 'none'",
      'x-frame-options': 'DENY',
    });
    answer.on('error', () => outgoing.destroy()).pipe(outgoing);
  });
  onward.on('error', () => {
    if (outgoing.headersSent) outgoing.destroy();
    else
      outgoing
        .writeHead(502, { 'Content-Type': 'text/plain; charset=utf-8' })
        .end('The page of the engine does not answer.\n');
  });
  outgoing.on('close', () => onward.destroy());
  incoming.on('error', () => onward.destroy()).pipe(onward);
}
