import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('tenants');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

describe('The isolation of tenants', () => {
  it('covers every table with a tenant: row-level security is on, and forced', async () => {
    const { rows } = await pool.query(
      `SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
       WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND NOT (c.relrowsecurity AND c.relforcerowsecurity)`,
    );
    expect(rows).toEqual([]);
  });

  it("shows a tenant none of another's rows, even where a statement forgets to name the tenant", async () => {
    const [ours, theirs] = [await new Facts(pool, 'ours').begin(), await new Facts(pool, 'theirs').begin()];
    await theirs.install(await theirs.device(), await theirs.firmware('a'));
    for (const table of [
      'firmwares',
      'device_types',
      'devices',
      'installations',
      'history',
      'outbox',
      'device_credentials',
      'firmware_associations',
    ]) {
      const seen = await asTenant(pool, 'ours', (tx) =>
        tx.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table} WHERE tenant_id = 'theirs'`),
      );
      expect([table, seen.rows[0]?.n]).toEqual([table, 0]);
    }
    expect(ours.deviceTypeId).not.toBe(theirs.deviceTypeId);
  });

  it('lets no transaction write a row into another tenant, nor refer to one', async () => {
    const theirs = await new Facts(pool, 'third').begin();
    await expect(
      asTenant(pool, 'ours', (tx) =>
        tx.query(`INSERT INTO device_types (tenant_id, id, name) VALUES ('third', gen_random_uuid(), 'x')`),
      ),
    ).rejects.toMatchObject({ code: '42501' });
    await expect(
      asTenant(pool, 'ours', (tx) =>
        tx.query(
          `INSERT INTO devices (tenant_id, id, device_type_id, name) VALUES ('ours', gen_random_uuid(), $1, 'x')`,
          [theirs.deviceTypeId],
        ),
      ),
    ).rejects.toMatchObject({ code: '23503' });
  });

  it('leaves nothing of a tenant on the connection that goes back to the pool', async () => {
    await asTenant(pool, 'ours', (tx) => tx.query('SELECT 1'));
    const { rows } = await pool.query(`SELECT current_user AS role, current_setting('slipway.tenant', true) AS tenant`);
    expect(rows[0].role).not.toBe('slipway_api');
    expect(rows[0].tenant || '').toBe('');
  });
});
