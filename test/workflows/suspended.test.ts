import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { NativeConnection, Worker } from '@temporalio/worker';
import { createActivities } from '../../activities/index.js';
import { openTemporal } from '../../adapters/engine/temporal.js';
import type { Engine } from '../../adapters/engine/port.js';
import { createOrchestrator } from '../../adapters/engine/worker.js';
import { sendProcesses } from '../../bridge/outbound/send-processes.js';
import { createLog } from '../../runtime/log.js';
import { readInstallation, report, type InstallationView } from '../../store/commands/create-installation.js';
import { changeTenant } from '../../store/commands/tenants.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { until } from '../support/all-in-one.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';

const TENANT = 'acme';
const TASK_QUEUE = `suspended-tenant-${process.pid}`;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let facts: Facts;
let engine: Engine;
let orchestrator: { worker: Worker; connection: NativeConnection };
let running: Promise<void>;
let sender: Promise<void>;
let ending = false;
beforeAll(async () => {
  const connection = { address: process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']! };
  database = await createTestDatabase('processes of a suspended tenant');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
  facts = await new Facts(pool, TENANT).begin();
  engine = openTemporal({ connection, namespace: 'default', taskQueue: TASK_QUEUE });
  orchestrator = await createOrchestrator({
    connection,
    namespace: 'default',
    activities: createActivities({ pool, now: Date.now }),
    log: createLog('test', 'error'),
    failed: () => undefined,
    taskQueue: TASK_QUEUE,
    bundle: 'dist/workflow-bundle.js',
  });
  running = orchestrator.worker.run();
  sender = (async () => {
    while (!ending)
      if ((await sendProcesses(pool, engine, Date.now)) === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  })();
});
afterAll(async () => {
  ending = true;
  await sender;
  orchestrator.worker.shutdown();
  await running;
  await Promise.all([orchestrator.connection.close(), engine.close()]);
  await pool.end();
  await database.drop();
});

const see = async (one: InstallationView) =>
  (await asTenant(pool, TENANT, (tx) => readInstallation(tx, TENANT, one.deviceId, one.id)))!;
const becomes = (one: InstallationView, state: string) =>
  until(`it is ${state}`, async () => (await see(one)).state === state, 20_000);
const turns = (state: 'active' | 'suspended') => asService(pool, (tx) => changeTenant(tx, TENANT, { state }));

it('The processes of a suspended tenant finish what was offered, begin nothing, and go on by themselves', async () => {
  const device = await facts.device();
  const first = await facts.install(device, await facts.firmware('1', '1.1.0'));
  await becomes(first, 'delivered');
  const second = await facts.install(device, await facts.firmware('2', '1.2.0'));
  await becomes(second, 'queued');
  await turns('suspended');
  const elsewhere = await facts.install(await facts.device(), await facts.firmware('3', '1.3.0'));
  await becomes(elsewhere, 'queued');
  const by = { kind: 'device' as const, node: device };
  await asService(pool, (tx) =>
    report(tx, TENANT, { deviceId: device, installationId: first.id, event: { type: 'installed' }, by }, Date.now()),
  );
  await becomes(first, 'installed');
  for (const one of [second, elsewhere])
    expect(await see(one)).toMatchObject({
      state: 'queued',
      waitingOn: expect.stringMatching(/^Waiting for its tenant, which is suspended, to be active again, since 20/),
    });
  await turns('active');
  await becomes(second, 'delivered');
  await becomes(elsewhere, 'delivered');
}, 90_000);
