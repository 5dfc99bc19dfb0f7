import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sweepResults } from '../../store/jobs/results.js';
import { until } from '../support/until.js';
import { startApi, type ApiUnderTest, type Client } from './api-under-test.js';

const HOUR = 3_600_000;
const LINES = { 'content-type': 'application/x-ndjson' };
let api: ApiUnderTest;
let type: string;
/** How far the clock of the service is ahead. */
let ahead = 0;
beforeAll(async () => {
  api = await startApi('job results', { services: { now: () => Date.now() + ahead } });
  type = (await api.call('POST', '/v1/device-types', { name: 'Switch', slots: {} })).body.data.id as string;
}, 60_000);
afterAll(() => api.close());

interface Made {
  line: number;
  deviceId: string;
  username: string;
  password: string;
}

const device = (name: string, more: object = {}, info: object = {}) => ({
  info: { name, deviceTypeId: type, ...info },
  ...more,
});

/** The id of a job that waits for its turn. */
async function asked(rows: readonly object[], query = '', client: Client = api): Promise<string> {
  const file = rows.map((row) => JSON.stringify(row)).join('\n');
  const reply = await client.call('POST', `/v1/devices/import?credentials=password${query}`, file, LINES);
  expect([reply.status, reply.body]).toMatchObject([202, {}]);
  return reply.body.data.id as string;
}

/** The id of a job that was done. */
async function imported(rows: readonly object[], query = '', client: Client = api): Promise<string> {
  const id = await asked(rows, query, client);
  const runner = api.startRunner();
  await until('the job ends', async () => (await client.call('GET', `/v1/jobs/${id}`)).body.data.endedAt !== null);
  await runner.end();
  return id;
}

async function passwordsOf(id: string, client: Client = api): Promise<Made[]> {
  const { status, body } = await client.call('GET', `/v1/jobs/${id}/result`);
  expect(status).toBe(200);
  return String(body)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Made);
}

describe('An import with credentials', () => {
  it('makes a password for each device that connects itself, and only its hash stays known', async () => {
    const gateway = randomUUID();
    const id = await imported([
      device('gateway', { id: gateway }),
      device('child', {}, { connectedBy: gateway }),
      device('alone', {}, { aliases: ['alone'] }),
    ]);
    expect((await api.call('GET', `/v1/jobs/${id}`)).body.data).toMatchObject({
      state: 'done',
      done: 3,
      resultUntil: expect.any(String),
    });
    const passwords = await passwordsOf(id);
    expect(passwords.map(({ line }) => line)).toEqual([1, 3]);
    expect(passwords[0]).toMatchObject({ deviceId: gateway, username: `default/${gateway}` });
    for (const { deviceId, password, username } of passwords) {
      const { rows } = await api.pool.query<{ secret_hash: Buffer; username: string }>(
        'SELECT secret_hash, username FROM device_credentials WHERE device_id = $1',
        [deviceId],
      );
      expect(rows).toEqual([{ secret_hash: createHash('sha256').update(password).digest(), username }]);
      const { rows: kept } = await api.pool.query<{ sealed: Buffer }>('SELECT sealed FROM job_results');
      expect(kept.length).toBeGreaterThan(0);
      for (const { sealed } of kept) expect(sealed.includes(password)).toBe(false);
    }
  });

  it('gives no second password to a device that has one', async () => {
    await imported([device('once', {}, { aliases: ['once'] })]);
    const again = [device('once more', {}, { aliases: ['once'] }), device('new', {}, { aliases: ['new'] })];
    expect((await passwordsOf(await imported(again, '&onConflict=update'))).map(({ line }) => line)).toEqual([2]);
    expect(await passwordsOf(await imported(again, '&onConflict=skip'))).toEqual([]);
  });

  it('makes no password in a dry run, nor of a file with a fault', async () => {
    const dry = await imported([device('dry')], '&dryRun=true');
    expect((await api.call('GET', `/v1/jobs/${dry}/result`)).body).toMatchObject({
      errorCode: 'JOB_RESULT_NOT_FOUND',
    });
    const faulty = await imported([device('good'), device('')]);
    expect(await passwordsOf(faulty)).toEqual([]);
  });

  it('needs the permission to make passwords', async () => {
    const client = await api.as({ permissions: ['devices_base_data:read', 'devices_base_data:write'] });
    const rows = JSON.stringify(device('a'));
    const { status, body } = await client.call('POST', '/v1/devices/import?credentials=password', rows, LINES);
    expect([status, body.permission]).toEqual([403, 'device_certificates:write']);
    expect((await client.call('POST', '/v1/devices/import', rows, LINES)).status).toBe(202);
  });
});

describe('The result of a job', () => {
  it('is there from the end of the job on', async () => {
    const id = await asked([device('later')]);
    for (const method of ['GET', 'DELETE'])
      expect((await api.call(method, `/v1/jobs/${id}/result`)).body).toMatchObject({ errorCode: 'JOB_STATE' });
    expect((await api.call('GET', `/v1/jobs/${id}`)).body.data).toMatchObject({ resultUntil: null });
    await api.call('POST', `/v1/jobs/${id}/cancel`);
  });

  it('is read and deleted by its maker only, not by an owner either', async () => {
    const maker = await api.as({ role: 'writer' });
    const id = await imported([device('mine')], '', maker);
    for (const method of ['GET', 'DELETE']) {
      const { status, body } = await api.call(method, `/v1/jobs/${id}/result`);
      expect([status, body.errorCode]).toEqual([404, 'JOB_RESULT_NOT_FOUND']);
      const other = await api.as({ role: 'writer' });
      expect((await other.call(method, `/v1/jobs/${id}/result`)).body.errorCode).toBe('JOB_NOT_FOUND');
    }
    expect(await passwordsOf(id, maker)).toHaveLength(1);
  });

  it('is deleted for good when its maker says so, and later reads say when', async () => {
    const id = await imported([device('deleted')]);
    expect((await api.call('DELETE', `/v1/jobs/${id}/result`)).status).toBe(204);
    expect((await api.pool.query('SELECT FROM job_results WHERE job_id = $1', [id])).rowCount).toBe(0);
    for (const method of ['GET', 'DELETE']) {
      const { status, body } = await api.call(method, `/v1/jobs/${id}/result`);
      expect([status, body.errorCode]).toEqual([410, 'JOB_RESULT_GONE']);
      expect(body.errorMessage).toMatch(/^its maker deleted the result at \d{4}-/);
    }
    expect((await api.call('GET', `/v1/jobs/${id}`)).body.data).toMatchObject({ resultUntil: null });
  });

  it('expires after an hour, and is removed', async () => {
    const id = await imported([device('old')]);
    expect(await passwordsOf(id)).toHaveLength(1);
    ahead += HOUR;
    const { status, body } = await api.call('GET', `/v1/jobs/${id}/result`);
    expect([status, body.errorCode]).toEqual([410, 'JOB_RESULT_GONE']);
    expect(body.errorMessage).toMatch(/^the result expired at \d{4}-/);
    expect(await sweepResults(api.pool, Date.now() + ahead)).toBeGreaterThan(0);
    expect((await api.pool.query('SELECT FROM job_results WHERE job_id = $1', [id])).rowCount).toBe(0);
  });

  it('stays closed in another row than its own', async () => {
    const [one, other] = [await imported([device('one')]), await imported([device('other')])];
    await api.pool.query(
      'UPDATE job_results SET sealed = (SELECT sealed FROM job_results WHERE job_id = $1) WHERE job_id = $2',
      [one, other],
    );
    expect((await api.call('GET', `/v1/jobs/${other}/result`)).body).toMatchObject({ errorCode: 'JOB_RESULT_GONE' });
    expect(await passwordsOf(one)).toHaveLength(1);
  });
});
