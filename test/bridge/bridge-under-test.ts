import { randomUUID } from 'node:crypto';
import type { NativeConnection, Worker } from '@temporalio/worker';
import { startEmbeddedBroker, type EmbeddedBroker } from '../../adapters/broker/embedded.js';
import type { Engine } from '../../adapters/engine/port.js';
import { openTemporal } from '../../adapters/engine/temporal.js';
import { Leadership } from '../../bridge/leader/leadership.js';
import { connectMqtt } from '../../bridge/mqtt/connection.js';
import { LeaderTasks } from '../../bridge/leader/leader-tasks.js';
import { parseUsername } from '../../protocol/mqtt/access.js';
import { readDiagnostics, type ReadDiagnostic } from '../../store/fleet/diagnostics-read.js';
import { readInstallation, type InstallationView } from '../../store/commands/create-installation.js';
import { Listener } from '../../store/outbox/listen.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';
import { createLog } from '../../runtime/log.js';
import { createActivities } from '../../activities/index.js';
import { createOrchestrator } from '../../adapters/engine/worker.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';
import { until } from '../support/until.js';
import { HandMadeDevice } from './hand-made-device.js';

const SERVICE = { username: 'slipway', password: 'service' };
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined };

/**
 * PostgreSQL, Temporal with our workflows, the embedded broker, and the bridge in this process: all real, each suite
 * its own. Any device comes in with the password `secret`: who may is the broker's business and tested there.
 */
export class BridgeUnderTest {
  readonly counted = new Map<string, number>();
  /** How far ahead the bridge's clock is. Milliseconds. */
  aheadMs = 0;
  facts!: Facts;
  pool!: Pool;
  broker!: EmbeddedBroker;
  private database!: Awaited<ReturnType<typeof createTestDatabase>>;
  private engine!: Engine;
  readonly taskQueue: string;
  private orchestrator!: { worker: Worker; connection: NativeConnection };
  private running!: Promise<void>;
  private leadership: Leadership | undefined;
  private term: LeaderTasks | undefined;
  private listener!: Listener;
  private contents = 0;
  private readonly devices: HandMadeDevice[] = [];
  readonly log = createLog('test', process.env['SLIPWAY_LOG_LEVEL'] ?? 'fatal');

  constructor(
    private readonly title: string,
    private readonly compareEveryMs = 5 * 60_000,
  ) {
    this.taskQueue = `${title}-${randomUUID()}`;
  }

  async start(): Promise<void> {
    this.database = await createTestDatabase(this.title);
    this.pool = openPool({ databaseUrl: this.database.url, name: 'test' });
    this.facts = await new Facts(this.pool).begin();
    await this.startBroker();
    const connection = { address: process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']! };
    const { taskQueue } = this;
    this.engine = openTemporal({ connection, namespace: 'default', taskQueue });
    this.orchestrator = await createOrchestrator({
      connection,
      namespace: 'default',
      activities: createActivities({ pool: this.pool, now: Date.now }),
      log: this.log,
      taskQueue,
      bundle: 'dist/workflow-bundle.js',
    });
    this.running = this.orchestrator.worker.run();
    this.listener = new Listener(
      this.database.url,
      () => this.term?.wake(),
      () => undefined,
    );
    this.lead();
  }

  async end(): Promise<void> {
    await Promise.all(this.devices.map((device) => device.end()));
    await this.stepDown();
    await this.listener.end();
    this.orchestrator.worker.shutdown();
    await this.running;
    await Promise.all([this.orchestrator.connection.close(), this.engine.close()]);
    await this.broker.close();
    await this.pool.end();
    await this.database.drop();
  }

  get databaseUrl(): string {
    return this.database.url;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.broker.port}`;
  }

  /** Everything that it retains is gone with it; a new one listens at the same place. */
  async restartBroker(): Promise<void> {
    const { port } = this.broker;
    await this.broker.close();
    await this.startBroker(port);
  }

  /** The bridge of this process leads, or stands by. */
  lead(): void {
    const connect = (clientId: string, clean: boolean) =>
      connectMqtt({
        url: this.url,
        clientId,
        clean,
        keepaliveSeconds: 10,
        connectTimeoutMs: 5_000,
        maxPacketSize: 1024 * 1024,
        ...SERVICE,
      });
    this.leadership = new Leadership(
      this.pool,
      'bridge',
      randomUUID(),
      (guard) => {
        this.term = new LeaderTasks(
          {
            pool: this.pool,
            engine: this.engine,
            administration: null,
            log: this.log,
            now: () => Date.now() + this.aheadMs,
            lookForSilenceEveryMs: 500,
            compareEveryMs: this.compareEveryMs,
            connect: () => connect('bridge', false),
            connectBeside: () => connect('bridge-comparison', true),
            downloadUrl: (tenantId, installationId) =>
              `http://127.0.0.1/download/installations/${tenantId}/${installationId}?sig=x`,
            counted: (outcome, reason, count) =>
              this.counted.set(reason || outcome, (this.counted.get(reason || outcome) ?? 0) + count),
          },
          guard,
        );
        return this.term;
      },
      this.log,
    );
  }

  async stepDown(): Promise<void> {
    await this.leadership?.end();
    this.leadership = undefined;
  }

  /** Connected, with the subscription of a device or gateway. Without one it knows only what it is sent later. */
  async device(id: string): Promise<HandMadeDevice> {
    const device = new HandMadeDevice(this.url, this.facts.tenantId, id);
    this.devices.push(device);
    return device.connect();
  }

  /** A device that is not connected yet. */
  strange(id: string): HandMadeDevice {
    const device = new HandMadeDevice(this.url, this.facts.tenantId, id);
    this.devices.push(device);
    return device;
  }

  /**
   * A new content for each, so that no slot holds it already. @returns the row, and the SHA-256 that its content has.
   */
  async installing(deviceId: string, more: Parameters<Facts['install']>[2] = {}): Promise<InstallationView> {
    this.contents = (this.contents + 1) % 15;
    return this.facts.install(deviceId, await this.facts.firmware((this.contents + 1).toString(16)), more);
  }

  see(one: { deviceId: string; id: string }): Promise<InstallationView> {
    return asTenant(
      this.pool,
      this.facts.tenantId,
      async (tx) => (await readInstallation(tx, this.facts.tenantId, one.deviceId, one.id))!,
    );
  }

  becomes(one: { deviceId: string; id: string }, state: string, withinMs?: number): Promise<InstallationView> {
    return until(
      `the installation is ${state}`,
      async () => {
        const view = await this.see(one);
        return view.state === state ? view : undefined;
      },
      withinMs,
    );
  }

  diagnostics(deviceId: string): Promise<ReadDiagnostic[]> {
    return asTenant(this.pool, this.facts.tenantId, (tx) => readDiagnostics(tx, this.facts.tenantId, deviceId));
  }

  diagnosed(deviceId: string, reason: string): Promise<ReadDiagnostic> {
    return until(`a diagnostics entry "${reason}"`, async () =>
      (await this.diagnostics(deviceId)).find((one) => one.reason === reason),
    );
  }

  private async startBroker(port = 0): Promise<void> {
    this.broker = await startEmbeddedBroker({
      host: '127.0.0.1',
      port,
      log: silent,
      authenticate: async (username, password) => {
        if (username === SERVICE.username)
          return password === SERVICE.password ? { identity: { kind: 'service' } } : null;
        const node = parseUsername(username);
        return node && password === 'secret' ? { identity: { kind: 'device', ...node } } : null;
      },
    });
  }
}
