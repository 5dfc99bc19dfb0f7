import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Headers are a few hundred bytes: whoever needs longer for them is holding the connection, not using it. */
const HEADERS_TIMEOUT_MS = 15_000;
/** Filters are comma lists of ids, and several of them fit into one line; node's own 16 KiB do not hold what the contract allows. */
const MAX_HEADER_BYTES = 64 * 1024;
/** A connection on which nothing moves at all. Uploads of any length may take any time, as long as they move. */
const IDLE_TIMEOUT_MS = 120_000;
/** Longer than load balancers keep theirs (60 s), so that none of them reuses a connection which is closing here. */
const KEEP_ALIVE_MS = 65_000;
/** What is being answered gets this long; a download that is cut off resumes. Shorter than the process has for its shutdown (10 s). */
const DRAIN_MS = 6_000;

export interface HttpListener {
  port: number;
  server: Server;
  /** Takes no new connection, lets what is under way end, and closes the rest. */
  close(): Promise<void>;
}

/** Opens the port before there is anything to answer with: the links that are given away name it. @throws the system's error where the port is taken. */
export async function listen(host: string, port: number): Promise<HttpListener & { answerWith(handler: RequestListener): void }> {
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: 0, keepAliveTimeout: KEEP_ALIVE_MS });
  server.setTimeout(IDLE_TIMEOUT_MS);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    server,
    answerWith: (handler) => void server.on('request', handler),
    close: () => drain(server),
  };
}

/** `close` of node waits for connections that are kept alive between two requests: they are closed as soon as they are idle. */
async function drain(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await closed;
  clearInterval(idle);
  clearTimeout(cut);
}
