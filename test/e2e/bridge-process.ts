import { spawn, type ChildProcess } from 'node:child_process';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { parser } from 'mqtt-packet';
import { until } from '../support/until.js';

const MAIN = fileURLToPath(new URL('../../dist/workers/bridge.js', import.meta.url));

/** Everything that passes on the way from one process to one server, as it passes. */
class TcpProxy {
  private readonly sockets = new Set<net.Socket>();
  private readonly server: net.Server;

  constructor(to: { host: string; port: number }, listen: (from: net.Socket) => void) {
    this.server = net.createServer((from) => {
      const onward = net.connect(to.port, to.host);
      listen(from);
      for (const [one, other] of [
        [from, onward],
        [onward, from],
      ] as const) {
        this.sockets.add(one);
        one.pipe(other).on('error', () => other.destroy());
        one.on('error', () => other.destroy()).on('close', () => (this.sockets.delete(one), other.destroy()));
      }
    });
  }

  async open(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return (this.server.address() as net.AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

export interface Surroundings {
  databaseUrl: string;
  mqttPort: number;
  temporal: { address: string; namespace: string };
  /** Variables beyond these. */
  env?: Record<string, string>;
}

/**
 * A bridge as it runs in production: a process of its own, whose words to PostgreSQL and to the broker pass by here.
 */
export class BridgeProcess {
  private child: ChildProcess | undefined;
  private log = '';
  private heardSince = 0;
  /** Statements that change something, but the lease's own; and messages. Since `listenAnew`. */
  private readonly written: { at: number; text: string }[] = [];
  private readonly published: { at: number; topic: string }[] = [];
  private readonly proxies: TcpProxy[] = [];

  constructor(private readonly around: Surroundings) {}

  async start(): Promise<this> {
    const database = new URL(this.around.databaseUrl);
    const toDatabase = new TcpProxy({ host: database.hostname, port: Number(database.port) }, (from) =>
      from.on('data', (chunk: Buffer) => this.hearStatements(chunk)),
    );
    const toBroker = new TcpProxy({ host: '127.0.0.1', port: this.around.mqttPort }, (from) => {
      const packets = parser({ protocolVersion: 4 });
      packets.on(
        'packet',
        (packet) => packet.cmd === 'publish' && this.published.push({ at: Date.now(), topic: packet.topic }),
      );
      from.on('data', (chunk: Buffer) => void packets.parse(chunk));
    });
    this.proxies.push(toDatabase, toBroker);
    database.host = `127.0.0.1:${await toDatabase.open()}`;
    const env = {
      ...process.env,
      DATABASE_URL: database.href,
      MQTT_URL: `mqtt://127.0.0.1:${await toBroker.open()}`,
      MQTT_USERNAME: 'slipway',
      MQTT_PASSWORD: 'service',
      TEMPORAL_ADDRESS: this.around.temporal.address,
      TEMPORAL_NAMESPACE: this.around.temporal.namespace,
      SLIPWAY_LOG_LEVEL: 'info',
      ...this.around.env,
    };
    this.child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.child.stderr?.on('data', (chunk: Buffer) => (this.log += chunk.toString()));
    return this;
  }

  leads(withinMs = 20_000): Promise<boolean> {
    return until(
      'it leads, and is connected',
      () => this.isLeading() && /connected to the broker/.test(this.log),
      withinMs,
    );
  }

  standsBy(): Promise<boolean> {
    return until('it stands by', () => /stands by for/.test(this.log), 20_000);
  }

  /** Whether its log has these words. */
  said(words: string): boolean {
    return this.log.includes(words);
  }

  isLeading(): boolean {
    return (
      (this.log.match(/leads \\"bridge\\"/g) ?? []).length >
      (this.log.match(/leads \\"bridge\\" no longer/g) ?? []).length * 2
    );
  }

  /** When it took the lease and was connected, by its own log: on a busy machine this side may see it late. */
  get ledAt(): number {
    const [line] = this.log.split('\n').filter((one) => /connected to the broker/.test(one));
    return Date.parse((JSON.parse(line!) as { time: string }).time);
  }

  lost(): Promise<boolean> {
    return until('it knows that it leads no longer', () => /leads \\"bridge\\" no longer/.test(this.log));
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    this.child?.kill(signal);
  }

  listenAnew(): void {
    this.heardSince = Date.now();
  }

  /** What it has written and published since then. */
  heard(): { written: string[]; published: string[] } {
    const since = <T extends { at: number }>(all: readonly T[]) => all.filter((one) => one.at >= this.heardSince);
    return {
      written: since(this.written).map((one) => one.text),
      published: since(this.published).map((one) => one.topic),
    };
  }

  /** SIGTERM, and waits for its end. */
  stop(): Promise<void> {
    return this.exits('SIGTERM');
  }

  async end(): Promise<void> {
    await this.exits('SIGKILL');
    await Promise.all(this.proxies.map((proxy) => proxy.close()));
  }

  private async exits(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    await ended;
  }

  private hearStatements(chunk: Buffer): void {
    for (const [statement] of chunk
      .toString('latin1')
      .matchAll(/(INSERT INTO|UPDATE|DELETE FROM) (?!leases|counters|OF |SKIP)[a-z_]+/g))
      this.written.push({ at: Date.now(), text: statement });
  }
}
