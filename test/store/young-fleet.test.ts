import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createInstallationActivities } from '../../activities/installation.js';
import { watched, type Touched } from '../../bench/rollout/touched.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { reachOf } from '../../store/fleet/gateways.js';
import { readProcesses, readSlots } from '../../store/installations/to-send.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';

const DEVICES = 2_000;
/**
 * Rows of tables that it may read and write, for one installation. Walking the fleet once would be forty times as many.
 */
const MOST = 50;

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let facts: Facts;
let touched: Touched[];
let eyes: Pool;
beforeAll(async () => {
  database = await createTestDatabase('young fleet');
  pool = openPool({ databaseUrl: database.url, name: 'test', max: 2 });
  facts = await new Facts(pool).begin();
  // As after a minute of a fleet's life: thousands of rows, of which PostgreSQL has no statistics yet.
  for (const table of ['devices', 'installations', 'device_slots', 'device_types', 'firmwares', 'outbox'])
    await facts.sql(`ALTER TABLE ${table} SET (autovacuum_enabled = off)`);
  const firmware = await facts.firmware('a');
  await facts.sql(
    `INSERT INTO devices (tenant_id, id, device_type_id, name) SELECT 'default', gen_random_uuid(), $1, 'device ' || n FROM generate_series(1, ${DEVICES}) AS n`,
    [facts.deviceTypeId],
  );
  await facts.sql(
    `INSERT INTO installations (tenant_id, id, device_id, firmware_id, slot, state, gate, priority, policy, sha256, due_at, requested_at, requested_by, state_since)
     SELECT i.tenant_id, gen_random_uuid(), d.id, i.firmware_id, i.slot, i.state, i.gate, i.priority, i.policy, i.sha256, i.due_at, i.requested_at, i.requested_by, i.state_since
     FROM devices d, installations i WHERE i.id = $1 AND d.id <> i.device_id`,
    [(await facts.install(await facts.device(), firmware)).id],
  );
}, 120_000);
beforeEach(() => {
  touched = [];
  eyes = watched(pool, touched);
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const one = async () =>
  (
    await facts.sql<{ tenantId: string; deviceId: string; installationId: string }>(
      `SELECT tenant_id AS "tenantId", device_id AS "deviceId", id AS "installationId" FROM installations WHERE state = 'scheduled' ORDER BY id LIMIT 1`,
    )
  )[0]!;
const rows = () => touched.reduce((sum, { rows: some }) => sum + some, 0);

describe(`With ${DEVICES} devices that PostgreSQL has no statistics of`, () => {
  it('a process that begins touches its own rows and no others', async () => {
    const offer = await createInstallationActivities({ pool: eyes, now: Date.now }).makeOffer(await one());
    expect(offer.status.stage).toBe('download');
    expect(touched.length).toBeGreaterThan(4);
    expect({ rows: rows(), of: touched.filter(({ rows: some }) => some > 10) }).toEqual({
      rows: expect.any(Number),
      of: [],
    });
    expect(rows()).toBeLessThan(MOST);
  });

  it('so does a sender that brings a process or a document up to date', async () => {
    const { tenantId, deviceId, installationId } = await one();
    expect((await asService(eyes, (tx) => readProcesses(tx, [{ tenantId, subject: installationId }]))).size).toBe(1);
    expect(
      (await asService(eyes, (tx) => readSlots(tx, [{ tenantId, subject: deviceId, detail: 'firmware' }]))).size,
    ).toBe(1);
    expect(rows()).toBeGreaterThan(2);
    expect(rows()).toBeLessThan(MOST);
  });

  it('so does the API, for each device', async () => {
    const devices = await facts.sql<{ tenantId: string; deviceId: string }>(
      `SELECT tenant_id AS "tenantId", id AS "deviceId" FROM devices ORDER BY id`,
    );
    for (const device of [devices[0]!, devices[DEVICES / 2]!, devices[DEVICES - 1]!]) {
      touched.length = 0;
      expect((await asTenant(eyes, device.tenantId, (tx) => reachOf(tx, [device]))).size).toBe(1);
      expect({ rows: rows(), of: touched.filter(({ rows: some }) => some > 10) }).toEqual({
        rows: expect.any(Number),
        of: [],
      });
      expect(rows()).toBeGreaterThan(0);
      expect(rows()).toBeLessThan(MOST);
    }
  });
});
