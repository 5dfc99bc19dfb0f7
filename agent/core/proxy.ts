import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** The variables as they are written by curl and others: the small ones win. */
type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Which proxy stands between here and an address, as the environment says: `HTTPS_PROXY`, `HTTP_PROXY`, and `NO_PROXY`,
 * a list of hosts (each with its subdomains, perhaps with a port) or `*`.
 * @returns undefined = none
 * @throws where the variable is no URL
 */
export function proxyFor(url: URL, env: Environment = process.env): URL | undefined {
  const isSecure = url.protocol === 'https:';
  const address = isSecure ? (env['https_proxy'] ?? env['HTTPS_PROXY']) : (env['http_proxy'] ?? env['HTTP_PROXY']);
  if (!address || isExcepted(url, env['no_proxy'] ?? env['NO_PROXY'] ?? '')) return undefined;
  return new URL(address.includes('://') ? address : `http://${address}`);
}

function isExcepted({ hostname, port, protocol }: URL, list: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const actualPort = port || (protocol === 'https:' ? '443' : '80');
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((entry) => {
      if (entry === '*') return true;
      const [, name = '', onlyPort] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(entry.replace(/^\*?\./, '')) ?? [];
      // An IPv6 address without brackets is all colons.
      if (entry.replace(/^\[|\]$/g, '') === host) return true;
      return (onlyPort === undefined || onlyPort === actualPort) && (host === name || host.endsWith(`.${name}`));
    });
}

/**
 * How a request reaches an address through a proxy: plain HTTP is asked of the proxy itself (RFC 9112 §3.2.2), for
 * HTTPS it makes a tunnel (RFC 9110 §9.3.6), so that it sees neither the link nor the file.
 * @param how `silence`: until the proxy has made the tunnel, milliseconds
 * @returns what the request needs in addition
 */
export async function throughProxy(
  proxy: URL,
  url: URL,
  how: { readonly signal: AbortSignal; readonly silence: number },
): Promise<RequestOptions> {
  const authorization = authorizationOf(proxy);
  if (url.protocol === 'https:') {
    const socket = await tunnel(proxy, url, authorization, how);
    return { createConnection: () => connectTls({ socket, servername: url.hostname }) };
  }
  return {
    ...addressOf(proxy),
    path: url.href,
    agent: false,
    headers: { host: url.host, ...authorization },
  };
}

function tunnel(
  proxy: URL,
  url: URL,
  authorization: Record<string, string>,
  { signal, silence }: { signal: AbortSignal; silence: number },
): Promise<Socket> {
  const target = `${url.hostname}:${url.port || '443'}`;
  return new Promise((resolve, reject) => {
    const request = (proxy.protocol === 'https:' ? httpsRequest : httpRequest)({
      ...addressOf(proxy),
      method: 'CONNECT',
      path: target,
      headers: { host: target, ...authorization },
      agent: false,
      signal,
    });
    const timer = setTimeout(() => request.destroy(new Error(`no answer of the proxy for ${silence} ms`)), silence);
    request.on('connect', ({ statusCode }, socket: Socket) => {
      if (statusCode === 200) return resolve(socket);
      socket.destroy();
      reject(new Error(`the proxy answered ${statusCode}`));
    });
    request.on('response', (response) => {
      response.destroy();
      reject(new Error(`the proxy answered ${response.statusCode}`));
    });
    request.on('error', reject);
    request.on('close', () => clearTimeout(timer));
    request.end();
  });
}

function addressOf({ protocol, hostname, port }: URL): RequestOptions {
  return { protocol, hostname: hostname.replace(/^\[|\]$/g, ''), port: port || (protocol === 'https:' ? 443 : 80) };
}

function authorizationOf({ username, password }: URL): Record<string, string> {
  if (username === '') return {};
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(login).toString('base64')}` };
}
