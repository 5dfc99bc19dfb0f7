import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { Server as NetServer, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SecureContextOptions } from 'node:tls';
import { DomainError } from '../../domain/errors.js';
import { admitConnections, endSlowUploads, type EdgeLimits } from './edge.js';
import { toProblem } from './errors.js';
import { Limited } from './limited.js';

/**
 * Filters are comma lists of ids, and several of them fit into one line; node's own 16 KiB do not hold what the
 * contract allows.
 */
const MAX_HEADER_BYTES = 64 * 1024;
/** A connection on which nothing moves at all. Uploads of any length may take any time, as long as they move. */
const IDLE_TIMEOUT_MS = 120_000;
/** Longer than load balancers keep theirs (60 s), so that none of them reuses a connection which is closing here. */
const KEEP_ALIVE_MS = 65_000;
/**
 * What is being answered gets this long; a download that is cut off resumes. Shorter than the process has for its
 * shutdown (10 s).
 */
const DRAIN_MS = 6_000;

/**
 * Between the last accepted connection and the end of those that are idle: a request whose bytes have arrived, and were
 * not read yet, looks idle to node. On a busy machine that is a second's worth of them.
 */
const UNREAD_MS = 500;

/**
 * A request that was answered before its body was there: a client that sends fast reads the answer when it is done. One
 * that lets its body drip would hold the connection for as long as it likes.
 */
const LINGER_MS = 10_000;

/** How often node looks for connections whose headers are late. Its own 30 s would be twice their time. */
const LOOK_EVERY_MS = 2_000;

/** What clients may cost a listener (runtime/edge-settings.ts). Times are milliseconds. */
export interface ListenerLimits extends EdgeLimits {
  readonly headersTimeoutMs: number;
  /** For a handshake of TLS: it costs this process more than the client. */
  readonly handshakeTimeoutMs: number;
  /** For the rest of a body whose request was answered already. */
  readonly lingerMs?: number;
}

/** Where nothing is set: as the settings have it by default, without limits for each address. */
const LIMITS: ListenerLimits = {
  connectionsPerAddress: Infinity,
  handshakesPerAddress: Infinity,
  uploadBytesPerSecond: 100,
  headersTimeoutMs: 15_000,
  handshakeTimeoutMs: 10_000,
};

/** A server that listens; `port` is the one that it has got. */
export interface HttpListener {
  port: number;
  server: Server;
  /** From now on each answer closes its connection: the next request of a client comes over a new one. */
  sendAway(): void;
  /** Takes no new connection, lets what is under way end, and closes the rest. */
  close(): Promise<void>;
}

const OPTIONS = {
  maxHeaderSize: MAX_HEADER_BYTES,
  connectionsCheckingInterval: LOOK_EVERY_MS,
  requestTimeout: 0,
  keepAliveTimeout: KEEP_ALIVE_MS,
};
/** A device may show a certificate; the routes that go by it judge it. */
const ASKED = { requestCert: true, rejectUnauthorized: false };
type Answering = { answerWith(handler: RequestListener): void };

/**
 * Opens the port before there is anything to answer with: the links that are given away name it. @throws the system's
 * error where the port is taken.
 */
export function listen(
  host: string,
  port: number,
  given: Partial<ListenerLimits> = {},
  limited = new Limited(undefined),
): Promise<HttpListener & Answering> {
  const limits = { ...LIMITS, ...given };
  const server = createServer({ ...OPTIONS, headersTimeout: limits.headersTimeoutMs });
  admitConnections(server, limits, false, limited);
  return open(server, host, port, limits, limited);
}

/**
 * The same with TLS. `renew` takes another certificate for the connections to come: those that are open go on as they
 * began, so that no download is cut.
 */
export async function listenWithTls(
  host: string,
  port: number,
  context: SecureContextOptions,
  given: Partial<ListenerLimits> = {},
  limited = new Limited(undefined),
): Promise<HttpListener & Answering & { renew(context: SecureContextOptions): void }> {
  const limits = { ...LIMITS, ...given };
  const server: TlsServer = createTlsServer({
    ...OPTIONS,
    ...context,
    ...ASKED,
    headersTimeout: limits.headersTimeoutMs,
    handshakeTimeout: limits.handshakeTimeoutMs,
  });
  admitConnections(server, limits, true, limited);
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code !== 'ERR_TLS_HANDSHAKE_TIMEOUT') return;
    const sentence = `a connection was closed: its handshake took over ${limits.handshakeTimeoutMs / 1_000} s`;
    limited.note('handshake', sentence, { from: socket.remoteAddress });
  });
  const listener = await open(server, host, port, limits, limited);
  return { ...listener, renew: (next) => server.setSecureContext(next) };
}

async function open(
  server: Server,
  host: string,
  port: number,
  limits: ListenerLimits,
  limited: Limited,
): Promise<HttpListener & Answering> {
  server.setTimeout(IDLE_TIMEOUT_MS);
  answerWhatIsNoHttp(server, limits, limited);
  endWhatDrips(server, limits.lingerMs ?? LINGER_MS);
  endSlowUploads(server, limits, limited, (socket, response, refusal) =>
    response.headersSent ? void socket.destroy() : lastAnswer(socket, refusal),
  );
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
    sendAway: () => sendAway(server),
    close: () => drain(server),
  };
}

/**
 * A client that keeps its connection would send its next request into the end of this process. Told with the answer
 * before, it goes elsewhere.
 */
function sendAway(server: Server): void {
  server.prependListener('request', (_request, response) => response.setHeader('Connection', 'close'));
}

/** A refusal is written while the body is still on its way: what comes of it is thrown away, for so long. */
function endWhatDrips(server: Server, lingerMs: number): void {
  server.on('request', (request, response) =>
    response.once('finish', () => {
      if (request.complete) return;
      const { socket } = request;
      const cut = setTimeout(() => socket.destroy(), lingerMs);
      // The connection goes on to other requests: nothing of this one stays with it.
      const settle = (): void => {
        clearTimeout(cut);
        socket.off('close', settle);
      };
      request.once('end', settle).once('close', () => request.complete && settle());
      socket.once('close', settle);
    }),
  );
}

/**
 * `close` of node waits for connections that are kept alive between two requests: they are closed as soon as they are
 * idle.
 */
async function drain(server: Server): Promise<void> {
  sendAway(server);
  // Only this one: `close` of an HTTP server ends idle connections at once.
  const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()));
  await Promise.race([closed, sleep(UNREAD_MS)]);
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await closed;
  clearInterval(idle);
  clearTimeout(cut);
}

/**
 * What node's parser refuses never becomes a request. Node itself would answer with a bare status line; here it gets
 * the envelope as everything else does. Where an answer is on its way already, another one would end up in the middle
 * of it: then the connection closes.
 */
function answerWhatIsNoHttp(server: Server, { headersTimeoutMs }: ListenerLimits, limited: Limited): void {
  const answering = new WeakMap<Duplex, ServerResponse>();
  server.on('request', (request, response) => {
    answering.set(request.socket, response);
    response.once('close', () => answering.delete(request.socket));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    // Node tells faults of TLS here, too: an answer behind a handshake that never ends would wait for ever.
    const isOfHttp = error.code?.startsWith('HPE_') === true || error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
    if (!isOfHttp || !socket.writable || answering.get(socket)?.headersSent) return void socket.destroy();
    const refusal = refusalOf(error.code, headersTimeoutMs);
    if (refusal.code === 'REQUEST_TIMEOUT')
      limited.note('headers', `a connection was closed: ${refusal.detail}`, { from: socket.remoteAddress });
    lastAnswer(socket, refusal);
  });
}

/** Past node's own answer: for what is no request, or will never be a whole one. */
function lastAnswer(socket: Socket, refusal: DomainError): void {
  const body = JSON.stringify(toProblem(refusal, '/'));
  socket.end(
    `HTTP/1.1 ${refusal.status} ${REASONS[refusal.status] ?? 'Bad Request'}\r\nConnection: close\r\nCache-Control: no-store\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

const REASONS: Readonly<Record<number, string>> = { 408: 'Request Timeout', 431: 'Request Header Fields Too Large' };

/** By the codes of node's parser. */
function refusalOf(code: string | undefined, headersTimeoutMs: number): DomainError {
  if (code === 'HPE_HEADER_OVERFLOW')
    return new DomainError(
      'REQUEST_HEADERS_TOO_LARGE',
      `the path, its query and the headers have more than ${MAX_HEADER_BYTES} bytes; ask with shorter lists`,
    );
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new DomainError('REQUEST_TIMEOUT', `the headers did not arrive within ${headersTimeoutMs / 1000} s`);
  return new DomainError('REQUEST_VALIDATION', 'this is not an HTTP/1.1 request');
}
