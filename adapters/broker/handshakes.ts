import type { Socket } from 'node:net';
import { Shares } from '../../domain/rates.js';
import { addressKey } from './addresses.js';
import { createServer, type SecureContextOptions, type Server } from 'node:tls';

/** A handshake costs this process more than the client. */
export interface HandshakeLimits {
  /** Who has not ended it by then goes. */
  readonly timeoutMs: number;
  /** Of one address in a minute; those of ten seconds may come at once. Infinity = no limit. */
  readonly perMinute: number;
}

/**
 * A device may show a certificate; one with a password shows none. It is judged at CONNECT, by its fingerprint and its
 * authority, so that no handshake is refused here.
 */
const ASKED = { requestCert: true, rejectUnauthorized: false };

/**
 * TLS before MQTT. A connection is counted by its address before its handshake begins, so that the server of `node:tls`
 * does not listen itself: it is given the sockets that were counted. Sessions are resumed by tickets (RFC 8446 §2.2): a
 * fleet that comes back at once costs half as much.
 */
export class Handshakes {
  private readonly server: Server;
  /** What ends the counting of a connection as a stranger, by its other end. */
  private readonly counted = new Map<string, () => void>();
  private readonly rate: Shares;

  /**
   * @param take is called with each connection whose handshake has ended well.
   * @param limited is called where a limit ended one.
   */
  constructor(
    context: SecureContextOptions,
    { timeoutMs, perMinute }: HandshakeLimits,
    take: (socket: Socket, left: () => void) => void,
    log: { debug(facts: object, message: string): void },
    private readonly limited: (socket: Socket, sentence: string) => void,
  ) {
    this.rate = new Shares(perMinute);
    this.server = createServer({ ...context, ...ASKED, handshakeTimeout: timeoutMs }, (socket) => {
      const left = this.counted.get(otherEnd(socket));
      if (left) take(socket, left);
      else socket.destroy(); // it closed in this very moment
    });
    this.server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      if (error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') limited(socket, `a handshake took over ${timeoutMs / 1_000} s`);
      log.debug({ from: socket.remoteAddress, err: error }, 'a handshake failed');
      socket.destroy();
    });
  }

  begin(socket: Socket, left: () => void): void {
    if (this.rate.take(addressKey(socket.remoteAddress), performance.now()) > 0) {
      this.limited(socket, 'too many handshakes begin at its address');
      return void socket.destroy();
    }
    const key = otherEnd(socket);
    this.counted.set(key, left);
    socket.once('close', () => this.counted.get(key) === left && this.counted.delete(key));
    this.server.emit('connection', socket);
  }

  /** For handshakes to come. */
  renew(context: SecureContextOptions): void {
    this.server.setSecureContext(context);
  }
}

const otherEnd = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
