import { createServer, connect, type Server, type Socket } from 'node:net';
import mqttPacket, { type Packet } from 'mqtt-packet';

/** How often, per message of a device: 0..1. Cuts are per second and connection. */
export interface Faults {
  readonly duplicate: number;
  readonly delay: number;
  readonly reorder: number;
  readonly cut: number;
}

const LONGEST_DELAY_MS = 400;

/**
 * A terminal report that was acknowledged on `down/ack` with `ok`, as it passed by: what the service has promised to
 * remember.
 */
export interface Promised {
  readonly installationId: string;
  readonly attempt: number;
  readonly state: string;
}

/**
 * A bad network between the devices and the broker: it duplicates (as a client does that saw no PUBACK), delays and
 * reorders what devices publish, and cuts connections. What passes is noted, so that the checker knows what was
 * promised to whom.
 */
export class FaultProxy {
  private readonly server: Server;
  private readonly pairs = new Set<() => void>();
  private readonly said = new Map<string, string>();
  readonly promised: Promised[] = [];
  port = 0;

  constructor(
    private readonly target: () => { host: string; port: number },
    private readonly faults: Faults,
    private readonly random: () => number,
  ) {
    this.server = createServer((socket) => this.carry(socket));
  }

  listen(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(0, '127.0.0.1', () => {
        this.port = (this.server.address() as { port: number }).port;
        resolve(`mqtt://127.0.0.1:${this.port}`);
      });
    });
  }

  async close(): Promise<void> {
    for (const cut of this.pairs) cut();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private carry(device: Socket): void {
    const broker = connect(this.target());
    const cut = () => {
      clearInterval(cutter);
      this.pairs.delete(cut);
      device.destroy();
      broker.destroy();
    };
    const cutter = setInterval(() => this.random() < this.faults.cut && cut(), 1_000);
    this.pairs.add(cut);
    for (const socket of [device, broker]) socket.on('error', cut).on('close', cut);
    this.follow(broker, (packet, bytes) => {
      this.noteReceipt(packet);
      device.write(bytes);
    });
    let held: Buffer | undefined;
    this.follow(device, (packet, bytes) => {
      this.noteReport(packet);
      if (packet.cmd !== 'publish' || packet.qos !== 1) return void broker.write(bytes);
      if (held === undefined && this.random() < this.faults.reorder) {
        held = bytes;
        setTimeout(() => held === bytes && flush(), LONGEST_DELAY_MS);
        return;
      }
      const times = this.random() < this.faults.duplicate ? 2 : 1;
      const send = () => {
        for (let n = 0; n < times && !broker.destroyed; n += 1) broker.write(n === 0 ? bytes : again(packet));
        flush();
      };
      if (this.random() < this.faults.delay) setTimeout(send, this.random() * LONGEST_DELAY_MS);
      else send();
    });
    const flush = () => {
      const bytes = held;
      held = undefined;
      if (bytes && !broker.destroyed) broker.write(bytes);
    };
  }

  private follow(from: Socket, each: (packet: Packet, bytes: Buffer) => void): void {
    const parser = mqttPacket.parser({ protocolVersion: 4 });
    parser.on('packet', (packet) => each(packet, mqttPacket.generate(packet, { protocolVersion: 4 })));
    parser.on('error', () => from.destroy());
    from.on('data', (chunk) => parser.parse(chunk));
  }

  private noteReport(packet: Packet): void {
    if (packet.cmd !== 'publish' || !packet.topic.endsWith('/up/status')) return;
    const { installationId, attempt, seq, state } = JSON.parse(packet.payload.toString()) as {
      installationId: string;
      attempt: number;
      seq: number;
      state: string;
    };
    this.said.set(`${installationId}/${attempt}/${seq}`, state);
  }

  private noteReceipt(packet: Packet): void {
    if (packet.cmd !== 'publish' || !packet.topic.endsWith('/down/ack')) return;
    const receipt = JSON.parse(packet.payload.toString()) as { for: string; result: string };
    const state = this.said.get(receipt.for);
    if (receipt.result !== 'ok' || state === undefined) return;
    const [installationId, attempt] = receipt.for.split('/');
    this.promised.push({ installationId: installationId!, attempt: Number(attempt), state });
  }
}

/** What a client sends that saw no PUBACK: the same message, marked as a repetition. */
function again(packet: Packet): Buffer {
  return mqttPacket.generate({ ...packet, dup: true } as Packet, { protocolVersion: 4 });
}
