import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { migrate } from '../../store/db/migrate.js';
import { ApiProcess } from '../api/api-process.js';
import { until } from '../support/until.js';
import { BridgeProcess } from './bridge-process.js';

const temporal = { address: process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']!, namespace: 'default' };
/** A schema of an earlier version. */
const OLDER = '0034-who-said-it';
const MS = 60_000;
let api: ApiProcess;
let bridge: BridgeProcess;
let orchestrator: ChildProcess;
let said = '';

const url = () => api.database.url;
const schemaOf = async () =>
  (
    (await (await api.fetch('GET', '/health/ready')).json()) as {
      dependencies: { schema: { status: string; reason?: string } };
    }
  ).dependencies.schema;
const led = async (name: string) =>
  (await api.pool.query('SELECT FROM leases WHERE name = $1 AND expires_at > now()', [name])).rowCount === 1;
const works = () =>
  until(
    'each process works',
    async () =>
      (await api.fetch('GET', '/v1/firmwares')).status === 200 && (await led('bridge')) && (await led('orchestrator')),
    MS,
  );

beforeAll(async () => {
  api = await ApiProcess.prepare('schema-of-processes', {}, OLDER);
  await api.listen();
  // It leads without a broker, too.
  bridge = await new BridgeProcess({ databaseUrl: url(), mqttPort: 1, temporal }).start();
  orchestrator = spawn(process.execPath, ['dist/workers/orchestrator.js'], {
    env: {
      ...process.env,
      DATABASE_URL: url(),
      TEMPORAL_ADDRESS: temporal.address,
      SLIPWAY_DATA_DIR: `${api.folder}/${randomUUID()}`,
    },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  orchestrator.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
}, MS);
afterAll(async () => {
  const ended = once(orchestrator, 'exit');
  orchestrator.kill('SIGKILL');
  await Promise.all([ended, bridge.end()]);
  await api.remove();
}, MS);

describe('Processes of one version', () => {
  it('do no work on an older schema, say what to do, and begin when it is brought up to date', async () => {
    const reason = /^the database schema is too old for this version: it ends with "0034-who-said-it" and lacks/;
    await until('the API says so', async () => reason.test((await schemaOf()).reason ?? ''), MS);
    await until('the orchestrator says so', () => said.includes('schema is too old for this version'), MS);
    await until('the bridge says so', () => bridge.said('schema is too old for this version'), MS);
    expect((await api.fetch('GET', '/v1/firmwares')).status).toBe(503);
    // No longer than the lease of one that would have begun.
    expect([await led('bridge'), await led('orchestrator')]).toEqual([false, false]);
    await migrate(url());
    await works();
    expect(await schemaOf()).toEqual({ status: 'up' });
  }, 180_000);

  it('go on, and start, on a newer schema that only added', async () => {
    await api.pool.query(`INSERT INTO kysely_migration VALUES ('9998-later', now()::text)`);
    await api.end();
    await api.listen();
    await works();
    expect(await schemaOf()).toEqual({ status: 'up' });
  }, 180_000);

  it('step back from one that removed what they use, and say so, until it fits again', async () => {
    await works();
    await api.pool.query(`INSERT INTO schema_needs VALUES ('9998-later', '9997-before', 'the column z is gone')`);
    const reason = 'the database schema is too new for this version: by "9998-later" the column z is gone';
    await until('the API is not ready', async () => (await schemaOf()).reason?.startsWith(reason), MS);
    expect((await api.fetch('GET', '/v1/firmwares')).status).toBe(503);
    await until('the bridge leads no longer', async () => !(await led('bridge')), MS);
    await until('no orchestrator answers', async () => !(await led('orchestrator')), MS);
    await until('the bridge says so', () => bridge.said('schema is too new for this version'), MS);
    await api.pool.query('DELETE FROM schema_needs');
    await works();
  }, 180_000);
});
