import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import type { NativeConnection, Worker } from '@temporalio/worker';
import mqtt from 'mqtt';
import { createActivities } from '../../activities/index.js';
import { startEmbeddedBroker, type EmbeddedBroker } from '../../adapters/broker/embedded.js';
import { createOrchestrator } from '../../adapters/engine/worker.js';
import { newRollout } from '../../protocol/http/rollout-plan.js';
import { toPlan } from '../../protocol/http/to-plan.js';
import { parseUsername } from '../../protocol/mqtt/access.js';
import { DESIRED_FILTER, desiredTopic } from '../../protocol/mqtt/topics.js';
import { createLog } from '../../runtime/log.js';
import { createKey } from '../../store/commands/api-keys.js';
import { beginRemovalOfTenant } from '../../store/commands/remove-tenant.js';
import { commandRollout } from '../../store/commands/rollout-commands.js';
import { createRollout } from '../../store/commands/rollouts.js';
import { changeTenant } from '../../store/commands/tenants.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { readServiceId } from '../../store/db/service-id.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { taskQueueOf } from '../../workflows/messages.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';
import { registerNamespace } from '../support/namespace.js';
import { until } from '../support/until.js';
import { BridgeProcess } from './bridge-process.js';

const TENANT = 'acme';
/** Pages of a hundred: enough that a process can be killed between them. */
const DEVICES = 1_200;
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined };
const namespace = `removed-tenant-${randomUUID()}`;
const address = process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']!;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let broker: EmbeddedBroker;
let orchestrator: { worker: Worker; connection: NativeConnection };
let running: Promise<void>;
let connection: Connection;
const bridges: BridgeProcess[] = [];
beforeAll(async () => {
  database = await createTestDatabase('removed tenant');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
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
  connection = await Connection.connect({ address });
}, 60_000);
afterAll(async () => {
  await Promise.all(bridges.map((bridge) => bridge.end()));
  orchestrator.worker.shutdown();
  await running;
  await Promise.all([orchestrator.connection.close(), connection.close()]);
  await broker.close();
  await pool.end();
  await database.drop();
}, 60_000);

async function bridge(): Promise<BridgeProcess> {
  const one = new BridgeProcess({ databaseUrl: database.url, mqttPort: broker.port, temporal: { address, namespace } });
  bridges.push(one);
  return one.start();
}

/** How many rows each table that names tenants has of this one. */
async function rowsOf(tenant: string): Promise<Record<string, number>> {
  const { rows: tables } = await pool.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
     WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND NOT a.attisdropped ORDER BY 1`,
  );
  const counts: Record<string, number> = {};
  for (const { name } of tables) {
    const { rows } = await pool.query<{ count: string }>(`SELECT count(*) FROM ${name} WHERE tenant_id = $1`, [tenant]);
    counts[name] = Number(rows[0]!.count);
  }
  return counts;
}
const devicesLeft = async () => (await rowsOf(TENANT))['devices']!;

/** What the broker retains of the tenant: it sends what it retains in the order in which that came, a marker last. */
async function retained(): Promise<string[]> {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${broker.port}`, {
    username: 'slipway',
    password: 'x',
    reconnectPeriod: 0,
  });
  const topics = new Set<string>();
  const marker = desiredTopic({ tenant: 'marker', node: randomUUID(), device: randomUUID() }, 'firmware');
  client.on('message', (topic, payload, { retain }) => retain && payload.length > 0 && topics.add(topic));
  try {
    await client.publishAsync(marker, '{}', { qos: 1, retain: true });
    await client.subscribeAsync(DESIRED_FILTER, { qos: 1 });
    await until('the marker comes', () => topics.has(marker), 5_000);
    await client.publishAsync(marker, '', { qos: 1, retain: true });
  } finally {
    await client.endAsync(true);
  }
  return [...topics].filter((topic) => topic.split('/').includes(TENANT));
}

type Ids = [string, string, string, string, string];

/** Something in every table that names tenants; a rollout runs, and its devices were offered its firmware. */
async function filled(): Promise<Record<'rolloutId' | 'installationId' | 'sha256' | 'shared' | 'piece', string>> {
  const facts = await new Facts(pool, TENANT).begin();
  const [firmware, other] = [await facts.firmware('ab'), await facts.firmware('cd')];
  const neighbours = await new Facts(pool).begin();
  await neighbours.firmware('cd');
  await neighbours.device();
  const gateway = await facts.device(undefined, true, ['front']);
  const first = await facts.device(gateway);
  await facts.hello(first, { firmware: { version: '0.9.0', sha256: 'e'.repeat(64) } });
  await facts.sql(
    `INSERT INTO devices (tenant_id, id, name, device_type_id)
     SELECT tenant_id, gen_random_uuid(), 'many', device_type_id
     FROM devices, generate_series(3, ${DEVICES}) WHERE id = $1`,
    [first],
  );
  const body = newRollout.parse({
    name: 'r',
    steps: [{ slot: 'firmware', firmwareId: firmware }],
    targets: { deviceIds: [first, gateway] },
    groups: [{ name: 'all' }],
    pace: { offline: 'offer' },
  });
  const { id: rolloutId } = await asTenant(pool, TENANT, (tx) =>
    createRollout(tx, TENANT, { ...toPlan(body), createdBy: 'key:ann' }, Date.now()),
  );
  const ann = { id: 'key:ann', mayApprove: true };
  await asTenant(pool, TENANT, (tx) => commandRollout(tx, TENANT, rolloutId, ann, { do: 'start' }, Date.now()));
  const { id: installationId } = await facts.install(gateway, other, { slot: 'bootloader' });
  await asService(pool, (tx) =>
    createKey(
      tx,
      { tenantId: TENANT, by: 'x', permissions: ['firmware:read'] },
      {
        name: 'k',
        permissions: ['firmware:read'],
      },
      Date.now(),
    ),
  );
  const [hook, job, gone, upload, piece] = Array.from({ length: 5 }, () => randomUUID()) as Ids;
  for (const [text, ...more] of [
    [`INSERT INTO audit_rotations (tenant_id, note) VALUES ($1, 'n')`],
    [
      `INSERT INTO device_certificates (tenant_id, id, device_id, cert, fingerprint, status) VALUES ($1, gen_random_uuid(), $2, 'c', 'f', 'valid')`,
      first,
    ],
    [
      `INSERT INTO device_diagnostics (tenant_id, device_id, at, reason, detail) VALUES ($1, $2, now(), 'r', 'd')`,
      first,
    ],
    [
      `INSERT INTO idempotency_keys (tenant_id, key, fingerprint, status, body, created_at) VALUES ($1, 'k', '\\x00', 201, '{}', now())`,
    ],
    [
      `INSERT INTO jobs (tenant_id, id, kind, state, spec, created_by, created_at) VALUES ($1, $2, 'bulk', 'done', '{}', 'key:x', now())`,
      job,
    ],
    [`INSERT INTO job_lines (tenant_id, job_id, line) VALUES ($1, $2, 1)`, job],
    [`INSERT INTO job_results (tenant_id, job_id, line, sealed) VALUES ($1, $2, 1, '\\x00')`, job],
    [
      `INSERT INTO rollout_templates (tenant_id, id, plan, created_by, created_at) VALUES ($1, gen_random_uuid(), '{}', 'key:x', now())`,
    ],
    [
      `INSERT INTO firmware_uploads (tenant_id, id, firmware_id, length, created_at, expires_at) SELECT $1, $2, $3, 1, now(), now() + interval '1 day'`,
      upload,
      firmware,
    ],
    [
      `INSERT INTO firmware_upload_pieces (tenant_id, upload_id, at, size, name) VALUES ($1, $2, 0, 1, $3)`,
      upload,
      piece,
    ],
    [`INSERT INTO hawkbit_counters (tenant_id, last) VALUES ($1, 1)`],
    [
      `INSERT INTO hawkbit_actions (tenant_id, number, device_id, installation_id, attempt) SELECT tenant_id, 1, device_id, id, 1 FROM installations WHERE tenant_id = $1 AND id = $2`,
      installationId,
    ],
    [`INSERT INTO hawkbit_devices (tenant_id, device_id) VALUES ($1, $2)`, first],
    [`INSERT INTO hawkbit_settings (tenant_id) VALUES ($1)`],
    [
      `INSERT INTO enrolment_tokens (tenant_id, id, name, device_type_id, uses, approval, secret_hash, expires_at, created_at, created_by) SELECT tenant_id, gen_random_uuid(), 'x', device_type_id, 1, 'auto', '\\x00', now(), now(), 'x' FROM devices WHERE tenant_id = $1 AND id = $2`,
      first,
    ],
    [
      `INSERT INTO enrolments (tenant_id, id, serial, device_type_id, state, created_at, created_by) SELECT tenant_id, gen_random_uuid(), 'x', device_type_id, 'pending', now(), 'x' FROM devices WHERE tenant_id = $1 AND id = $2`,
      first,
    ],
    [`INSERT INTO rollout_leftovers (tenant_id, rollout_id) VALUES ($1, $2)`, gone],
    [`INSERT INTO webhook_leftovers (tenant_id, webhook_id) VALUES ($1, $2)`, gone],
    [
      `INSERT INTO rollout_targets (tenant_id, rollout_id, device_id, rank, admissible) VALUES ($1, $2, $2, $2, false)`,
      gone,
    ],
    [`INSERT INTO rollout_sweeps (tenant_id, rollout_id) VALUES ($1, $2)`, rolloutId],
    [`INSERT INTO rollout_series (tenant_id, rollout_id, position, at) VALUES ($1, $2, 0, now())`, rolloutId],
    [
      `INSERT INTO webhooks (tenant_id, id, url, secret, position, created_by, created_at, updated_at) VALUES ($1, $2, 'https://127.0.0.1:1/', 's', 1000000, 'key:x', now(), now())`,
      hook,
    ],
    [
      `INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, number, event, due_at, created_at) VALUES ($1, gen_random_uuid(), $2, 1, 'slot', now() + interval '1 day', now())`,
      hook,
    ],
  ] as const)
    await facts.sql(text, [TENANT, ...more]);
  return { rolloutId, installationId, sha256: 'ab'.repeat(32), shared: 'cd'.repeat(32), piece };
}

it('A tenant that is removed in the middle of a rollout goes whole, also where the leader is killed', async () => {
  const { rolloutId, installationId, sha256, shared, piece } = await filled();
  const client = new Client({ connection, namespace });
  const [leader, heir] = [await bridge(), await bridge()];
  await until('one leads', () => leader.isLeading() || heir.isLeading(), 20_000);
  await until('devices were offered something', async () => (await retained()).length > 0, 60_000);
  await until('the tree has grown', async () => (await rowsOf(TENANT))['history_tiles']! > 0, 20_000);
  await until('the rollout has begun', async () => (await rowsOf(TENANT))['rollout_starts']! > 0, 20_000);
  await pool.query(
    `INSERT INTO history_dropped (tenant_id, number, hash) VALUES ($1, 1, decode(repeat('00', 32), 'hex'))`,
    [TENANT],
  );
  // What is to be told passes by, and what deleted rollouts left is tidied up: all else has rows.
  const before = await rowsOf(TENANT);
  const passing = ['outbox', 'rollout_leftovers', 'webhook_leftovers'];
  expect(Object.entries(before).filter(([table, count]) => count === 0 && !passing.includes(table))).toEqual([]);
  const neighbours = async () => {
    const rows = await rowsOf('default');
    // These grow a moment after the history.
    delete rows['history_tiles'];
    return rows;
  };
  const neighbour = await neighbours();

  await expect(asService(pool, (tx) => beginRemovalOfTenant(tx, TENANT))).rejects.toMatchObject({
    code: 'TENANT_STATE',
  });
  await asService(pool, (tx) => changeTenant(tx, TENANT, { state: 'suspended' }));
  await asService(pool, (tx) => beginRemovalOfTenant(tx, TENANT));
  await until('some devices are gone', async () => (await devicesLeft()) < before['devices']!, 30_000);
  const [first, second] = leader.isLeading() ? [leader, heir] : [heir, leader];
  first.signal('SIGKILL');
  const left = await devicesLeft();
  expect(left).toBeGreaterThan(0);
  await until('another one goes on', async () => second.isLeading() && (await devicesLeft()) < left, 60_000);
  await until(
    'it is gone',
    async () => (await pool.query('SELECT FROM tenants WHERE id = $1', [TENANT])).rowCount === 0,
    60_000,
  );

  expect(Object.entries(await rowsOf(TENANT)).filter(([, count]) => count > 0)).toEqual([]);
  expect(await neighbours()).toEqual({ ...neighbour, history: neighbour['history']! + 1 });
  const { rows: told } = await pool.query<{ data: object }>(
    `SELECT data FROM history WHERE tenant_id = 'default' AND event = 'audit'`,
  );
  expect(told.map(({ data }) => data)).toMatchObject([
    { action: 'tenant.delete', actor: 'service', resource: { type: 'tenant', id: TENANT } },
  ]);
  await until('the broker retains nothing of it', async () => (await retained()).length === 0, 20_000);
  const { rows: removable } = await pool.query<{ sha256: string }>('SELECT sha256 FROM removable_contents ORDER BY 1');
  expect(removable.map((row) => row.sha256)).toEqual([sha256, shared].sort());
  expect((await pool.query('SELECT name FROM removable_pieces')).rows).toEqual([{ name: piece }]);
  for (const id of [`rollout-${rolloutId}`, `installation-${installationId}`])
    await until(
      `${id} has ended`,
      async () => (await client.workflow.getHandle(id).describe()).status.name !== 'RUNNING',
      20_000,
    );
}, 240_000);
