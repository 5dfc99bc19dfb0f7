import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { NativeConnection, Worker } from '@temporalio/worker';
import { startEmbeddedBroker, type EmbeddedBroker } from '../../adapters/broker/embedded.js';
import { parseUsername } from '../../protocol/mqtt/access.js';
import { readInstallation } from '../../store/commands/create-installation.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { readServiceId } from '../../store/db/service-id.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { createLog } from '../../runtime/log.js';
import { createActivities } from '../../activities/index.js';
import { createOrchestrator } from '../../adapters/engine/worker.js';
import { taskQueueOf } from '../../workflows/messages.js';
import { HandMadeDevice } from '../bridge/hand-made-device.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';
import { registerNamespace } from '../support/namespace.js';
import { until } from '../support/until.js';
import { BridgeProcess } from './bridge-process.js';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined };
const namespace = `bridges-${randomUUID()}`;
const address = process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']!;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let facts: Facts;
let broker: EmbeddedBroker;
let orchestrator: { worker: Worker; connection: NativeConnection };
let running: Promise<void>;
const bridges: BridgeProcess[] = [];
const devices: HandMadeDevice[] = [];
let contents = 0;

beforeAll(async () => {
  database = await createTestDatabase('bridges');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
  facts = await new Facts(pool).begin();
  broker = await startEmbeddedBroker({
    host: '127.0.0.1',
    port: 0,
    log: silent,
    authenticate: async (username) => {
      const node = parseUsername(username);
      return { identity: node ? { kind: 'device', ...node } : { kind: 'service' } };
    },
  });
  await registerNamespace(namespace);
  orchestrator = await createOrchestrator({
    connection: { address },
    namespace,
    activities: createActivities({ pool, now: Date.now }),
    log: createLog('test', 'fatal'),
    taskQueue: taskQueueOf(await asService(pool, readServiceId)),
    bundle: 'dist/workflow-bundle.js',
  });
  running = orchestrator.worker.run();
}, 60_000);
afterEach(async () => {
  await Promise.all(devices.splice(0).map((device) => device.end()));
  await Promise.all(bridges.splice(0).map((bridge) => bridge.end()));
  await facts.sql('DELETE FROM leases');
});
afterAll(async () => {
  orchestrator.worker.shutdown();
  await running;
  await orchestrator.connection.close();
  await broker.close();
  await pool.end();
  await database.drop();
}, 60_000);

async function bridge(): Promise<BridgeProcess> {
  const one = new BridgeProcess({ databaseUrl: database.url, mqttPort: broker.port, temporal: { address, namespace } });
  bridges.push(one);
  return one.start();
}
async function device(): Promise<HandMadeDevice> {
  const one = new HandMadeDevice(`mqtt://127.0.0.1:${broker.port}`, 'default', await facts.device());
  devices.push(one);
  return one.connect();
}
const installing = async (id: string) => facts.install(id, await facts.firmware(((contents += 1) % 16).toString(16)));
const see = (one: { deviceId: string; id: string }) =>
  asTenant(pool, 'default', (tx) => readInstallation(tx, 'default', one.deviceId, one.id));

describe('Two bridges on one database, one Temporal and one broker', () => {
  it('D14 the standby takes over in under 10 s when the leader is killed: reports are taken, receipts and documents sent', async () => {
    const leader = await bridge();
    await leader.leads();
    const standby = await bridge();
    await standby.standsBy();
    const working = await device();
    const installation = await installing(working.id);
    const document = await working.desired();
    const waiting = await device();

    leader.signal('SIGKILL');
    const killed = Date.now();
    const receipt = await working.status(document, 'installed');
    const next = await installing(waiting.id);
    expect(await working.ack(receipt)).toMatchObject({ result: 'ok' });
    expect(await waiting.desired()).toMatchObject({ installationId: next.id });
    expect(await see(installation)).toMatchObject({ state: 'installed' });
    await standby.leads();
    expect(standby.ledAt - killed).toBeLessThan(10_000);
  }, 60_000);

  it('D13 a leader that was stopped for 8 s writes nothing and publishes nothing when it continues', async () => {
    const stale = await bridge();
    await stale.leads();
    const standby = await bridge();
    await standby.standsBy();
    const fleet = await Promise.all(Array.from({ length: 20 }, () => device()));
    const installations = await Promise.all(fleet.map((one) => installing(one.id)));
    // Stopped in the middle of it: documents are being published, and reports come in.
    await fleet[0]!.desired();
    stale.signal('SIGSTOP');
    const stopped = Date.now();
    await standby.leads();
    for (const one of fleet) await one.status(await one.desired(), 'downloading');
    await until('the standby has recorded it', async () =>
      (await Promise.all(installations.map(see))).every((one) => one?.state === 'downloading'),
    );
    await until('8 s have passed', () => Date.now() - stopped >= 8_000);
    const before = stale.heard();
    expect([before.written.length, before.published.length].every((count) => count > 0)).toBe(true);

    stale.listenAnew();
    stale.signal('SIGCONT');
    await stale.lost();
    for (const one of fleet) await one.ack(await one.status(await one.desired(), 'installed'));
    expect(stale.heard()).toEqual({ written: [], published: [] });
    expect(standby.isLeading()).toBe(true);
    const ended = await Promise.all(installations.map(see));
    expect(ended.map((one) => one?.history.map((entry) => entry.event))).toEqual(
      ended.map(() => ['requested', 'delivered', 'downloading', 'installed']),
    );
  }, 90_000);

  it('D14 a leader that gets SIGTERM releases the lease: the standby takes over at once', async () => {
    const leader = await bridge();
    await leader.leads();
    const standby = await bridge();
    await standby.standsBy();
    await leader.stop();
    const given = Date.now();
    await standby.leads();
    // A lease that is not renewed any more would last for 5 s.
    expect(standby.ledAt - given).toBeLessThan(4_000);
  }, 60_000);
});
