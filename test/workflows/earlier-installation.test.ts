import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import type { NativeConnection, Worker } from '@temporalio/worker';
import { createActivities } from '../../activities/index.js';
import { createOrchestrator } from '../../adapters/engine/worker.js';
import { DEFAULT_POLICY } from '../../domain/installation/policy.js';
import { statusOf, type ProcessSignal } from '../../domain/installation/process-status.js';
import { createLog } from '../../runtime/log.js';
import { report, type InstallationView } from '../../store/commands/create-installation.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asService } from '../../store/db/transaction.js';
import { readProcesses } from '../../store/installations/to-send.js';
import { installationWorkflowId } from '../../workflows/messages.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';
import { until } from '../support/until.js';

const TASK_QUEUE = `earlier-installation-${process.pid}`;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let facts: Facts;
let client: Client;
let orchestrator: { worker: Worker; connection: NativeConnection };
let running: Promise<void>;

beforeAll(async () => {
  const connection = { address: process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']! };
  database = await createTestDatabase('earlier installation');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
  facts = await new Facts(pool).begin();
  client = new Client({ connection: await Connection.connect(connection) });
  orchestrator = await createOrchestrator({
    connection,
    namespace: 'default',
    activities: createActivities({ pool, now: Date.now }),
    log: createLog('test', 'error'),
    taskQueue: TASK_QUEUE,
    bundle: 'dist/workflow-bundle.js',
  });
  running = orchestrator.worker.run();
});
afterAll(async () => {
  orchestrator.worker.shutdown();
  await running;
  await Promise.all([orchestrator.connection.close(), client.connection.close()]);
  await pool.end();
  await database.drop();
});

const handle = (one: InstallationView) => client.workflow.getHandle(installationWorkflowId(one.id));
const row = (one: InstallationView) =>
  asService(
    pool,
    async (tx) => (await readProcesses(tx, [{ tenantId: 'default', subject: one.id }])).get(one.id)!.installation,
  );
/** As an earlier version started it, and signalled it by the name of why. */
async function started(edition?: 2): Promise<InstallationView> {
  const one = await facts.install(await facts.device(), await facts.firmware('a'), { policy: DEFAULT_POLICY });
  const ref = { tenantId: 'default', deviceId: one.deviceId, installationId: one.id };
  await client.workflow.start('installation', {
    workflowId: installationWorkflowId(one.id),
    taskQueue: TASK_QUEUE,
    args: [edition === undefined ? ref : { ...ref, edition }],
  });
  await until('offered', async () => (await row(one)).state === 'delivered', 20_000);
  return one;
}
const signal = async (one: InstallationView, name: ProcessSignal) =>
  handle(one).signal(name, statusOf(await row(one), {}, Date.now()));
const says = (one: InstallationView, type: 'downloaded' | 'installed' | 'rejected') =>
  asService(pool, (tx) =>
    report(
      tx,
      'default',
      { deviceId: one.deviceId, installationId: one.id, event: { type }, by: { kind: 'device', node: one.deviceId } },
      Date.now(),
    ),
  );
const activities = async (one: InstallationView) =>
  ((await handle(one).fetchHistory()).events ?? []).flatMap((event) => {
    const data = event.markerRecordedEventAttributes?.details?.['data']?.payloads?.[0]?.data;
    return data ? [(JSON.parse(new TextDecoder().decode(data)) as { activity_type: string }).activity_type] : [];
  });

describe('The process of an installation that an earlier version started', () => {
  it.each([
    ['the first edition', undefined, ['notify', 'conclude']],
    ['the second edition', 2 as const, ['notify']],
  ])('accepts signals of both versions, and ends as before: %s', async (_, edition, called) => {
    const one = await started(edition);
    await says(one, 'downloaded');
    await signal(one, 'downloaded');
    await says(one, 'rejected');
    await handle(one).signal('status', { because: 'ended', status: statusOf(await row(one), {}, Date.now()) });
    expect(await handle(one).result()).toEqual({ state: 'rejected', attempt: 1 });
    expect(await activities(one)).toEqual(called);
  });

  it('takes the steps of today when its history is long', async () => {
    const one = await started(2);
    const first = (await handle(one).describe()).runId;
    await until(
      'a new run',
      async () => {
        await Promise.all(Array.from({ length: 100 }, () => signal(one, 'moved')));
        return (await handle(one).describe()).runId !== first;
      },
      90_000,
    );
    await says(one, 'installed');
    await handle(one).signal('status', { because: 'ended', status: statusOf(await row(one), {}, Date.now()) });
    expect(await handle(one).result()).toEqual({ state: 'installed', attempt: 1 });
    expect(await activities(one)).toEqual(['makeOffer']);
  }, 120_000);
});
