import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { createInstallationActivities } from '../../activities/installation.js';
import type { Engine } from '../../adapters/engine/port.js';
import { openTemporal } from '../../adapters/engine/temporal.js';
import { StartThrottle } from '../../bridge/outbound/start-throttle.js';
import { sendProcesses } from '../../bridge/outbound/send-processes.js';
import { StatusRefreshLimiter } from '../../bridge/outbound/status-refresh-limiter.js';
import type { InstallationView } from '../../store/commands/create-installation.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { installationWorkflowId } from '../../workflows/messages.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';

const AT_ONCE = 64;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let facts: Facts;
let engine: Engine;
let throttle: StartThrottle;

beforeAll(async () => {
  database = await createTestDatabase('beginnings');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
  facts = await new Facts(pool).begin();
  // No worker serves this queue: no process takes its first step by itself.
  engine = openTemporal({
    connection: { address: process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']! },
    namespace: 'default',
    taskQueue: `beginnings-${process.pid}`,
  });
});
afterAll(async () => {
  await engine.close();
  await pool.end();
  await database.drop();
});

const ref = (one: InstallationView) => ({ tenantId: 'default', deviceId: one.deviceId, installationId: one.id });
/** Rounds until nothing is left that may be sent now. @returns how many processes have been started in all. */
async function send(): Promise<number> {
  while ((await sendProcesses(pool, engine, Date.now, undefined, new StatusRefreshLimiter(), throttle)) > 0);
  return (
    await pool.query<{ started: number }>(
      'SELECT count(*)::integer AS started FROM installations WHERE process_started_at IS NOT NULL',
    )
  ).rows[0]!.started;
}

describe('Processes that begin', () => {
  it('O12 are started as fast as they take their first steps; signals to running processes do not wait for them', async () => {
    throttle = new StartThrottle();
    const firmware = await facts.firmware('a');
    const all: InstallationView[] = [];
    for (let count = 0; count < AT_ONCE + 8; count += 1)
      all.push(await facts.install(await facts.device(), firmware, {}));
    expect(await send()).toBe(AT_ONCE);

    // Three are offered to their devices: as many may begin.
    const activities = createInstallationActivities({ pool, now: Date.now });
    const offered = await Promise.all(all.slice(0, 3).map((one) => activities.makeOffer(ref(one))));
    expect(offered).toMatchObject([{ decision: 'offered' }, { decision: 'offered' }, { decision: 'offered' }]);
    expect(await send()).toBe(AT_ONCE + 3);

    // One that runs has news, behind five that were marked long before: its mark is gone, theirs are not.
    await pool.query(`INSERT INTO outbox (receiver, tenant_id, subject) VALUES ('workflow', 'default', $1)`, [
      all[0]!.id,
    ]);
    expect(await send()).toBe(AT_ONCE + 3);
    expect((await pool.query('SELECT is_start FROM outbox WHERE receiver = $1', ['workflow'])).rows).toEqual(
      Array.from({ length: 5 }, () => ({ is_start: true })),
    );

    // Where no worker is, or a row shows no first step, the others do not wait for ever.
    await pool.query(
      `UPDATE installations SET process_started_at = now() - interval '6 seconds' WHERE process_started_at IS NOT NULL`,
    );
    expect(await send()).toBe(AT_ONCE + 8);
  });

  it('that are to begin later make room within a second or two', async () => {
    throttle = new StartThrottle();
    await pool.query('UPDATE installations SET process_started_at = NULL; DELETE FROM outbox');
    const firmware = await facts.firmware('b');
    for (let count = 0; count < AT_ONCE + 1; count += 1)
      await facts.install(await facts.device(), firmware, { notBefore: Date.now() + 3_600_000 });
    expect(await send()).toBe(AT_ONCE);
    await pool.query(
      `UPDATE installations SET process_started_at = now() - interval '1.1 seconds' WHERE process_started_at IS NOT NULL`,
    );
    expect(await send()).toBe(AT_ONCE + 1);
  });

  it('are started again where they vanished when they are due, and cost the engine nothing where there is nothing to say', async () => {
    throttle = new StartThrottle();
    const one = await facts.install(await facts.device(), await facts.firmware('b'), {});
    await send();
    await createInstallationActivities({ pool, now: Date.now }).makeOffer(ref(one));
    await send();
    const connection = await Connection.connect({ address: process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']! });
    const handle = new Client({ connection }).workflow.getHandle(installationWorkflowId(one.id));
    try {
      await handle.terminate('as an engineer does it');
      const mark = () =>
        pool.query(`INSERT INTO outbox (receiver, tenant_id, subject) VALUES ('workflow', 'default', $1)`, [one.id]);
      await mark();
      await send();
      expect((await handle.describe()).status.name).toBe('TERMINATED');
      await pool.query(`UPDATE installations SET due_at = now() - interval '1 second' WHERE id = $1`, [one.id]);
      await mark();
      await send();
      expect((await handle.describe()).status.name).toBe('RUNNING');
    } finally {
      await connection.close();
    }
  });
});
