import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { BlockList, isIPv6, type Socket } from 'node:net';
import { DomainError } from '../../domain/errors.js';
import { Shares } from '../../domain/rates.js';
import type { Limited } from './limited.js';
import { networkOf } from './rates.js';

/** An upload is judged over this time: a radio link may be silent for a while. */
const WINDOW_MS = 60_000;
const LOOKS = 12;

/** What strangers and uploads may cost a listener. Infinity = no limit. */
export interface EdgeLimits {
  readonly connectionsPerAddress: number;
  /** Of TLS, in a minute; those of ten seconds may come at once. */
  readonly handshakesPerAddress: number;
  /** Bytes in a second; 0 = no limit. */
  readonly uploadBytesPerSecond: number;
  /** For tests. */
  readonly uploadWindowMs?: number;
  /** Balancers: their connections are those of many. */
  readonly trustedProxies?: readonly string[];
}

/**
 * Lets a connection reach the server only where its address has room for one more: before anything of it is read, and
 * before a handshake is paid for.
 */
export function admitConnections(server: Server, limits: EdgeLimits, isTls: boolean, limited: Limited): void {
  const open = new Map<string, number>();
  const handshakes = new Shares(limits.handshakesPerAddress);
  const balancers = blockListOf(limits.trustedProxies ?? []);
  const why = (key: string): string | undefined => {
    if ((open.get(key) ?? 0) >= limits.connectionsPerAddress)
      return `${limits.connectionsPerAddress} connections of one address are open: a further one was closed`;
    if (isTls && handshakes.take(key, performance.now()) > 0)
      return `more than ${limits.handshakesPerAddress} handshakes a minute begin at one address: one was refused`;
    return undefined;
  };
  // The server's own listeners read at once, or begin a handshake: they are asked last.
  const takes = server.listeners('connection') as ((socket: Socket) => void)[];
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const key = networkOf(address);
    if (!balancers.check(plain(address), isIPv6(plain(address)) ? 'ipv6' : 'ipv4')) {
      const refused = why(key);
      if (refused !== undefined) {
        limited.note('connections', refused, { from: address });
        return void socket.destroy();
      }
      open.set(key, (open.get(key) ?? 0) + 1);
      socket.once('close', () => {
        const left = (open.get(key) ?? 1) - 1;
        if (left > 0) open.set(key, left);
        else open.delete(key);
      });
    }
    for (const take of takes) take.call(server, socket);
  });
}

const plain = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');

function blockListOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

interface Upload {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Bytes of its connection at the last looks, the oldest first. */
  seen: number[];
}

/**
 * Ends uploads that move slower than the limit over a minute: each would hold a connection, and a temporary file, as
 * long as its client likes. Time in which this side did not read does not count.
 * @param end answers 408 where no answer began, and closes the connection.
 */
export function endSlowUploads(
  server: Server,
  { uploadBytesPerSecond: least, uploadWindowMs = WINDOW_MS }: EdgeLimits,
  limited: Limited,
  end: (socket: Socket, response: ServerResponse, refusal: DomainError) => void,
): void {
  if (least === 0) return;
  const uploads = new Set<Upload>();
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (request.complete) return;
    const upload = { request, response, seen: [] };
    uploads.add(upload);
    const forget = () => uploads.delete(upload);
    request.once('end', forget).once('close', forget);
  });
  const look = (): void => {
    for (const upload of uploads) {
      const { request, response } = upload;
      // What arrived and was not taken yet: it is this side that is slow.
      if (request.readableLength > 0 || request.complete) upload.seen = [];
      upload.seen.push(request.socket.bytesRead);
      const [first = 0] = upload.seen;
      if (upload.seen.length <= LOOKS) continue;
      upload.seen.shift();
      if (request.socket.bytesRead - first >= (least * uploadWindowMs) / 1_000) continue;
      uploads.delete(upload);
      const sentence = `the body came slower than ${least} bytes a second`;
      limited.note('slow_upload', `an upload was ended: ${sentence}`, { from: request.socket.remoteAddress });
      end(request.socket, response, new DomainError('REQUEST_TIMEOUT', sentence));
    }
  };
  const timer = setInterval(look, uploadWindowMs / LOOKS).unref();
  server.once('close', () => clearInterval(timer));
}
