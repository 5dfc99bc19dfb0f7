import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openPool, type Pool } from '../../store/db/pool.js';
import { createTestDatabase } from '../support/database.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { startApi, type ApiUnderTest } from './api-under-test.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let proxy: TcpProxy;
let pool: Pool;
let api: ApiUnderTest;
beforeAll(async () => {
  database = await createTestDatabase('api_database_away');
  proxy = new TcpProxy(new URL(database.url));
  pool = openPool({ databaseUrl: await proxy.open(), name: 'away-test', max: 4 });
  api = await startApi('api_database_away_own', { services: { pool } });
  // The key was written to the API's own database; the app under test asks the one behind the proxy.
  await pool.query(
    `INSERT INTO api_keys (tenant_id, name, principal, role, secret_hash) VALUES ('default', 'test', 'key:test', 'owner', sha256($1))`,
    [Buffer.from(api.token)],
  );
});
afterAll(async () => {
  await api.close();
  await pool.end();
  await proxy.close();
  await database.drop();
});

describe('with the database away', () => {
  it('requests are answered 503 with Retry-After, and succeed as soon as it is back', async () => {
    expect((await api.call('GET', '/v1/devices')).status).toBe(200);
    proxy.isCut = true;
    for (const [method, path, body] of [
      ['GET', '/v1/devices'],
      ['POST', '/v1/device-types', { name: 'x' }],
    ] as const) {
      const reply = await api.call(method, path, body);
      expect([reply.status, reply.body.errorCode, reply.headers.get('retry-after')]).toEqual([
        503,
        'SERVICE_UNAVAILABLE',
        '2',
      ]);
      expect(JSON.stringify(reply.body)).not.toMatch(/ECONN|127\.0\.0\.1|terminated/);
    }
    const ready = await api.call('GET', '/health/ready');
    expect([ready.status, ready.body.dependencies.database.status]).toEqual([503, 'down']);
    // Only the database knows who holds a lease: without it nothing is known of them.
    for (const part of ['bridge', 'orchestrator'])
      expect(ready.body.dependencies[part]).toEqual({
        status: 'not known',
        reason: 'only the database knows, and that is not up',
      });
    expect((await api.call('GET', '/health/live')).status).toBe(200);
    expect((await api.call('GET', '/metrics')).body).toContain('slipway_database_up 0');
    proxy.isCut = false;
    expect((await api.call('GET', '/v1/devices')).status).toBe(200);
  });
});
