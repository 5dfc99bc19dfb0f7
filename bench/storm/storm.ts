import net from 'node:net';
import { generate, parser } from 'mqtt-packet';

/**
 * Devices that all connect at the same moment, and nothing more than that: a socket and a parser each, so that one
 * process can be many thousands. Each subscribes, says hello, and has been greeted when an answer came.
 */
export class Storm {
  /** CONNACKs that let a device in. */
  connected = 0;
  /** Devices that were answered on their own topic. */
  greeted = 0;
  /** Connections that ended, or were not let in, before `end`. */
  failed = 0;
  private readonly sockets: net.Socket[];

  /** @param tenant of the names; the password is `secret` */
  constructor(
    private readonly port: number,
    count: number,
    private readonly tenant = 'default',
  ) {
    this.sockets = Array.from({ length: count }, (_, n) => this.connect(`d-${n}`));
  }

  end(): void {
    for (const socket of this.sockets) {
      socket.removeAllListeners('close');
      socket.destroy();
    }
  }

  private connect(node: string): net.Socket {
    const socket = net.connect(this.port, '127.0.0.1');
    const topics = `slipway/v1/${this.tenant}/${node}/${node}`;
    const reader = parser().on('packet', (packet) => {
      if (packet.cmd === 'connack') {
        if (packet.returnCode !== 0) return void socket.destroy();
        this.connected += 1;
        socket.write(
          generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `${topics}/down/#`, qos: 1 }] }),
        );
      }
      if (packet.cmd === 'suback')
        socket.write(
          generate({
            cmd: 'publish',
            topic: `${topics}/up/hello`,
            payload: JSON.stringify({ v: 1, msgId: node }),
            qos: 1,
            messageId: 2,
            dup: false,
            retain: false,
          }),
        );
      if (packet.cmd === 'publish') this.greeted += 1;
    });
    socket.on('connect', () =>
      socket.write(
        generate({
          cmd: 'connect',
          protocolId: 'MQTT',
          protocolVersion: 4,
          clientId: node,
          keepalive: 600,
          clean: true,
          username: `${this.tenant}/${node}`,
          password: Buffer.from('secret'),
        }),
      ),
    );
    socket.on('data', (chunk: Buffer) => void reader.parse(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => (this.failed += 1));
    return socket;
  }
}
