import type { Socket } from 'node:net';
import { createServer, type SecureContextOptions, type Server } from 'node:tls';

/** A handshake costs this process more than the client: who does not end it goes. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

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

  /** @param take is called with each connection whose handshake has ended well. */
  constructor(
    context: SecureContextOptions,
    take: (socket: Socket, left: () => void) => void,
    log: { debug(facts: object, message: string): void },
  ) {
    this.server = createServer({ ...context, ...ASKED, handshakeTimeout: HANDSHAKE_TIMEOUT_MS }, (socket) => {
      const left = this.counted.get(otherEnd(socket));
      if (left) take(socket, left);
      else socket.destroy(); // it closed in this very moment
    });
    this.server.on('tlsClientError', (error, socket) => {
      log.debug({ from: socket.remoteAddress, err: error }, 'a handshake failed');
      socket.destroy();
    });
  }

  begin(socket: Socket, left: () => void): void {
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
