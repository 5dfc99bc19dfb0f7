import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A TCP proxy to a real server that can be cut. */
export class TcpProxy {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private cut = false;

  constructor(private readonly to: URL) {
    this.server = createServer((from) => {
      if (this.cut) return void from.destroy();
      const onward = connect(Number(this.to.port), this.to.hostname);
      for (const socket of [from, onward]) {
        this.sockets.add(socket);
        socket.once('close', () => this.sockets.delete(socket)).on('error', () => socket.destroy());
      }
      from.pipe(onward).pipe(from);
    });
  }

  /** @returns the address of the server, by way of this proxy */
  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    const url = new URL(this.to);
    url.hostname = '127.0.0.1';
    url.port = String((this.server.address() as AddressInfo).port);
    return url.href;
  }

  /** While it is cut nothing passes, and no connection is taken. */
  set isCut(cut: boolean) {
    this.cut = cut;
    if (cut) for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.isCut = true;
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}
