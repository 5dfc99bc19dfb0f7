import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { findKey } from '../../store/db/api-keys.js';
import { openPool, servedBy, type Pool } from '../../store/db/pool.js';
import {
  LOGINS,
  makeLogins,
  processLogins,
  softness,
  type Login,
  type ProcessLogin,
} from '../../store/db/process-logins.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let owner: Pool;
let logins: ProcessLogin[];
const pools: Pool[] = [];
const poolOf = (login: Login): Pool => {
  const pool = openPool({ databaseUrl: logins.find((one) => one.login === login)!.url, name: `as-${login}` });
  pools.push(pool);
  return pool;
};

beforeAll(async () => {
  database = await createTestDatabase('process logins');
  owner = openPool({ databaseUrl: database.url, name: 'test' });
  logins = processLogins(database.url, () => randomBytes(32).toString('base64url'));
  await makeLogins(database.url, logins);
  await (await new Facts(owner, 'acme').begin()).device();
});
afterAll(async () => {
  await Promise.all([...pools, owner].map((pool) => pool.end()));
  const admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  for (const { url } of logins) {
    const role = pg.escapeIdentifier(new URL(url).username);
    await admin.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
  await admin.end();
  await database.drop();
});

const refused = (pool: Pool, statement: string) =>
  asTenant(pool, 'default', async (tx) => {
    await tx.query('RESET ROLE');
    await tx.query(statement);
  }).then(
    () => 'it may',
    (error: { code?: string }) => error.code,
  );

describe('A transaction of the API that resets its role', () => {
  it('gets the login of the API, which is no superuser and sees no other tenant', async () => {
    const seen = await asTenant(poolOf('api'), 'default', async (tx) => {
      await tx.query('RESET ROLE');
      const { rows } = await tx.query<{ is_super: string; devices: string }>(
        `SELECT current_setting('is_superuser') AS is_super, (SELECT count(*) FROM devices) AS devices`,
      );
      return rows[0];
    });
    expect(seen).toEqual({ is_super: 'off', devices: '0' });
    expect((await owner.query('SELECT FROM devices')).rowCount).toBe(1);
  });

  it.each([
    ['cannot become the service', 'SET ROLE slipway_worker'],
    ['cannot become the owner', 'SET ROLE slipway'],
    ['cannot take another login', "SET SESSION AUTHORIZATION 'slipway_worker'"],
    ['cannot read the key of the links', 'SELECT value FROM service_keys'],
    ['cannot run programs', "COPY (SELECT 1) TO PROGRAM 'true'"],
    ['cannot read files', "SELECT pg_read_file('PG_VERSION')"],
    ['cannot turn the walls off', 'ALTER TABLE devices DISABLE ROW LEVEL SECURITY'],
    ['cannot make a role', 'CREATE ROLE another'],
  ])('%s', async (_, statement) => {
    expect(['42501', '22023']).toContain(await refused(poolOf('api'), statement));
  });

  it('could not read the key of the links without that, either', async () => {
    const read = asTenant(owner, 'default', (tx) => tx.query('SELECT value FROM service_keys'));
    await expect(read).rejects.toMatchObject({ code: '42501' });
  });
});

describe('The login of a process', () => {
  it.each(LOGINS)('can take its own role and no other: %s', async (login) => {
    const [own, other] =
      login === 'api' ? ['slipway_api', 'slipway_worker'] : (['slipway_worker', 'slipway_api'] as const);
    const pool = poolOf(login);
    await pool.query(`BEGIN; SET LOCAL ROLE ${own}; SELECT FROM devices; COMMIT`);
    await expect(pool.query(`SET ROLE ${other}`)).rejects.toMatchObject({ code: '42501' });
  });

  it('of the API has its work as the service done on another pool', async () => {
    const [api, service] = [poolOf('api'), poolOf('service')];
    await expect(findKey(api, randomBytes(32))).rejects.toMatchObject({ code: '42501' });
    servedBy(api, service);
    expect(await findKey(api, randomBytes(32))).toBeUndefined();
    expect((await asService(api, (tx) => tx.query('SELECT FROM devices'))).rowCount).toBe(1);
    expect(await softness(api)).toBeUndefined();
  });

  it('counts as soft where it can become more: the owner, and one that may be the service', async () => {
    expect(await softness(owner)).toMatch(/^the second wall between tenants is soft: /);
    expect(await softness(poolOf('bridge'))).toMatch(/soft/);
  });

  it('is made again with another password, and works with that one alone', async () => {
    const again = processLogins(database.url, () => randomBytes(32).toString('base64url'));
    await makeLogins(database.url, again);
    const [old] = logins;
    const before = openPool({ databaseUrl: old!.url, name: 'before' });
    await expect(before.query('SELECT')).rejects.toMatchObject({ code: '28P01' });
    await before.end();
    logins = again;
    await poolOf('api').query('SELECT');
  });
});
