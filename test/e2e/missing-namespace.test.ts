import { spawn, type ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openPool, type Pool } from '../../store/db/pool.js';
import { readHeldLeases } from '../../store/db/vitals.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { until } from '../support/until.js';

let database: TestDatabase;
let pool: Pool;
let child: ChildProcess;
let log = '';
beforeAll(async () => {
  database = await createTestDatabase('missing namespace');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
  child = spawn(process.execPath, ['dist/workers/orchestrator.js'], {
    env: {
      ...process.env,
      DATABASE_URL: database.url,
      TEMPORAL_ADDRESS: process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']!,
      TEMPORAL_NAMESPACE: 'nowhere',
      SLIPWAY_LOG_LEVEL: 'info',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
});
afterAll(async () => {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
  await pool.end();
  await database.drop();
});

describe('An orchestrator whose namespace is missing', () => {
  it('tries again and again, and never holds the lease by which health knows it', async () => {
    const held = new Set<string>();
    const tries = () => (log.match(/does not answer; trying again/g) ?? []).length;
    await until(
      'three tries',
      async () => {
        for (const name of await readHeldLeases(pool)) held.add(name);
        return tries() >= 3;
      },
      60_000,
    );
    expect([...held]).toEqual([]);
  }, 90_000);
});
