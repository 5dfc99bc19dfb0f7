import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { pipeline } from 'node:stream';

/**
 * What stands before several APIs: each request goes to the next of them in turn, and past one that takes no
 * connection. What broke off in the middle is not tried again here: whether it was done, only its sender can find out.
 */
export class Balancer {
  private readonly server = createServer((from, to) => void this.pass(from, to));
  private turn = 0;
  /** How many requests each of them has answered, in their order. */
  readonly answered: number[];

  /**
   * @param ports of the APIs on loopback; undefined = not known at the moment, or to be left alone
   * @param told of each request that was answered with 5xx (`status`), or broke off (`status` is undefined)
   */
  constructor(
    private readonly ports: readonly (() => number | undefined)[],
    private readonly told: (path: string, status?: number) => void = () => undefined,
  ) {
    this.answered = ports.map(() => 0);
  }

  /** @returns the address under which operators and devices find the APIs. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve, reject) => this.server.once('error', reject).listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  private async pass(from: IncomingMessage, to: ServerResponse): Promise<void> {
    const first = (this.turn += 1);
    for (let tried = 0; tried < this.ports.length; tried += 1) {
      const index = (first + tried) % this.ports.length;
      const port = this.ports[index]!();
      const socket = port === undefined ? undefined : await opened(port);
      if (socket) return this.carry(from, to, socket, index);
    }
    this.told(from.url ?? '', 503);
    to.writeHead(503).end();
  }

  private carry(from: IncomingMessage, to: ServerResponse, socket: Socket, index: number): void {
    const broke = () => void to.destroy();
    const onward = request({
      createConnection: () => socket,
      method: from.method,
      path: from.url,
      headers: { ...from.headers, connection: 'close' },
    });
    onward.on('response', (answer) => {
      this.answered[index]! += 1;
      delete answer.headers.connection; // which is about this connection, and not about the one of the client
      if (answer.statusCode! >= 500) this.told(from.url ?? '', answer.statusCode);
      to.writeHead(answer.statusCode!, answer.headers);
      pipeline(answer, to, (error) => error && broke());
    });
    onward.on('error', () => {
      // One whose client has gone is not the API's.
      if (!to.destroyed) this.told(from.url ?? '');
      broke();
    });
    pipeline(from, onward, (error) => error && broke());
  }
}

/** undefined where no process listens. */
function opened(port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(socket)).once('error', () => resolve(undefined));
  });
}
