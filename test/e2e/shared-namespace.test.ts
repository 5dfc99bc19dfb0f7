import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { startEmbeddedBroker, type EmbeddedBroker } from '../../adapters/broker/embedded.js';
import { readInstallation, type InstallationView } from '../../store/commands/create-installation.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';
import { EARLIER_TASK_QUEUE, EDITION } from '../../workflows/messages.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';
import { registerNamespace } from '../support/namespace.js';
import { until } from '../support/until.js';
import { BridgeProcess } from './bridge-process.js';

const address = process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']!;
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined };
const namespace = `shared-${randomUUID()}`;
const WAVE = 20;

/** An orchestrator as it runs in production, of the service that has this database. */
class Orchestrator {
  private readonly child: ChildProcess;
  log = '';

  constructor(databaseUrl: string) {
    this.child = spawn(process.execPath, ['dist/workers/orchestrator.js'], {
      env: {
        ...process.env,
        DATABASE_URL: databaseUrl,
        TEMPORAL_ADDRESS: address,
        TEMPORAL_NAMESPACE: namespace,
        SLIPWAY_LOG_LEVEL: 'info',
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.child.stderr?.on('data', (chunk: Buffer) => (this.log += chunk.toString()));
  }

  says(what: RegExp, withinMs = 60_000): Promise<boolean> {
    return until(`the orchestrator says ${what.source}`, () => what.test(this.log), withinMs);
  }

  async end(): Promise<number | null> {
    const ended = new Promise<number | null>((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    return ended;
  }
}

let own: TestDatabase;
let foreign: TestDatabase;
let pool: Pool;
let facts: Facts;
let broker: EmbeddedBroker;
let bridge: BridgeProcess;
let client: Client;
let ours: Orchestrator;
let theirs: Orchestrator;

beforeAll(async () => {
  await registerNamespace(namespace);
  [own, foreign] = await Promise.all([createTestDatabase('own service'), createTestDatabase('foreign service')]);
  pool = openPool({ databaseUrl: own.url, name: 'test' });
  facts = await new Facts(pool).begin();
  client = new Client({ connection: await Connection.connect({ address }), namespace });
  broker = await startEmbeddedBroker({
    host: '127.0.0.1',
    port: 0,
    log: silent,
    authenticate: async () => ({ identity: { kind: 'service' } }),
  });
  ours = new Orchestrator(own.url);
  theirs = new Orchestrator(foreign.url);
  bridge = new BridgeProcess({ databaseUrl: own.url, mqttPort: broker.port, temporal: { address, namespace } });
  await bridge.start();
  await Promise.all([ours.says(/runs installations/), theirs.says(/runs installations/), bridge.leads(60_000)]);
}, 120_000);
afterAll(async () => {
  await Promise.all([ours.end(), theirs.end(), bridge.end()]);
  await Promise.all([broker.close(), client.connection.close(), pool.end()]);
  await Promise.all([own.drop(), foreign.drop()]);
}, 60_000);

const see = (one: InstallationView) =>
  asTenant(pool, 'default', async (tx) => (await readInstallation(tx, 'default', one.deviceId, one.id))!);
const count = async (query: string) => (await client.workflow.count(query)).count;

describe('Two services of Slipway on one namespace of Temporal', () => {
  it('take none of each other’s tasks: every process of a wave runs once, and none ends', async () => {
    const firmware = await facts.firmware('a');
    const wave: InstallationView[] = [];
    for (let i = 0; i < WAVE; i += 1) wave.push(await facts.install(await facts.device(), firmware));
    await until(
      'every device has its offer',
      async () => (await Promise.all(wave.map(see))).every(({ state }) => state === 'delivered'),
      60_000,
    );
    // Of what a foreign one takes the device is not known there: its process would have ended.
    expect(await count(`ExecutionStatus = 'Running'`)).toBe(WAVE);
    expect(await count(`ExecutionStatus != 'Running'`)).toBe(0);
  }, 120_000);

  it('serve the queue that both had before for as long as a process of their own is on it', async () => {
    const one = await facts.install(await facts.device(), await facts.firmware('b'), { notBefore: Date.now() + 3.6e6 });
    await until('its process runs', async () => (await count(`WorkflowId = 'installation-${one.id}'`)) === 1);
    const handle = client.workflow.getHandle(`installation-${one.id}`);
    await handle.terminate('as it was begun by the version before');
    const ref = { tenantId: 'default', deviceId: one.deviceId, installationId: one.id, edition: EDITION };
    await client.workflow.start('installation', {
      workflowId: `installation-${one.id}`,
      taskQueue: EARLIER_TASK_QUEUE,
      args: [ref],
    });
    await ours.says(/their queue is served, too/);
    await until('its first step was taken', async () => {
      const { events } = await handle.fetchHistory();
      return events?.some((event) => event.markerRecordedEventAttributes) === true;
    });
    await handle.terminate('it has ended');
    await ours.says(/is served no longer/);
    expect(theirs.log).not.toMatch(/their queue is served/);
  }, 120_000);
});
