import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { createInstallationActivities } from '../../activities/installation.js';
import type { Engine } from '../../adapters/engine/port.js';
import { openTemporal } from '../../adapters/engine/temporal.js';
import { StartThrottle } from '../../bridge/outbound/start-throttle.js';
import { sendProcesses } from '../../bridge/outbound/send-processes.js';
import { StatusRefreshLimiter } from '../../bridge/outbound/status-refresh-limiter.js';
import { report, type InstallationView } from '../../store/commands/create-installation.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asService } from '../../store/db/transaction.js';
import { record } from '../../store/record.js';
import { installationWorkflowId } from '../../workflows/messages.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';

const DAY = 24 * 3_600_000;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let facts: Facts;
let engine: Engine;
let client: Client;
/** The clock of the bridge and of the reports. */
let now = Date.now();
const [limiter, throttle] = [new StatusRefreshLimiter(), new StartThrottle()];

beforeAll(async () => {
  const connection = { address: process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']! };
  database = await createTestDatabase('flapping device');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
  facts = await new Facts(pool).begin();
  // No worker serves this queue: what is signalled stays in the history, one event each.
  engine = openTemporal({ connection, namespace: 'default', taskQueue: `flapping-${process.pid}` });
  client = new Client({ connection: await Connection.connect(connection) });
});
afterAll(async () => {
  await Promise.all([engine.close(), client.connection.close()]);
  await pool.end();
  await database.drop();
});

/** The sender's rounds, until nothing is left that is due by the test's clock. */
async function send(): Promise<void> {
  await pool.query(`UPDATE outbox SET due_at = now() WHERE due_at <= $1`, [new Date(now)]);
  while ((await sendProcesses(pool, engine, () => now, undefined, limiter, throttle)) > 0);
}
const says = (one: InstallationView, type: 'downloaded' | 'rebooting' | 'downloading' | 'installed', seq: number) =>
  asService(pool, (tx) =>
    report(
      tx,
      'default',
      {
        deviceId: one.deviceId,
        installationId: one.id,
        event: { type, attempt: 1, seq },
        by: { kind: 'device', node: one.deviceId },
      },
      now,
    ),
  );
async function flaps(one: InstallationView, times: number): Promise<void> {
  for (let flip = 0; flip < times; flip += 1) {
    now += 15_000;
    const online = flip % 2 === 0;
    const from = { kind: 'service' } as const;
    const who = { tenantId: 'default', deviceId: one.deviceId, from };
    const session = online ? randomUUID() : await lastSession(one);
    await asService(pool, (tx) => record(tx, [{ ...who, kind: 'presence', online, session }], now));
    now += 15_000;
    await send();
  }
}
const lastSession = async (one: InstallationView) =>
  (await facts.sql<{ session: string }>('SELECT session FROM devices WHERE id = $1', [one.deviceId]))[0]!.session;
const signals = async (one: InstallationView) =>
  ((await client.workflow.getHandle(installationWorkflowId(one.id)).fetchHistory()).events ?? []).flatMap((event) => {
    const data = event.workflowExecutionSignaledEventAttributes?.input?.payloads?.[0]?.data;
    return data ? [(JSON.parse(new TextDecoder().decode(data)) as { because: string }).because] : [];
  });

describe('A device whose connection comes and goes', () => {
  it.each([
    ['while it downloads', 'downloading', 'moved'],
    ['while it reboots', 'rebooting', 'downloaded'],
  ] as const)(
    'costs the history of its process a few signals, and a step of it is signalled at once: %s',
    async (_, state, because) => {
      now = Date.now();
      const timeouts = { offer: DAY, download: DAY, install: DAY, confirm: DAY };
      const one = await facts.install(await facts.device(), await facts.firmware('a'), { policy: { timeouts } });
      await send();
      const ref = { tenantId: 'default', deviceId: one.deviceId, installationId: one.id };
      await createInstallationActivities({ pool, now: () => now }).makeOffer(ref);
      await says(one, state, 1);
      await send();
      await flaps(one, 100);
      const refreshes = await signals(one);
      expect(refreshes.length).toBeLessThanOrEqual(15);
      expect(refreshes.length).toBeGreaterThanOrEqual(5);
      expect(new Set(refreshes)).toEqual(new Set([because]));
      await says(one, 'installed', 2);
      await send();
      expect((await signals(one)).slice(refreshes.length)).toEqual(['ended']);
    },
    120_000,
  );
});
