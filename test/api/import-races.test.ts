import { request } from 'node:http';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { createDevice } from '../../store/commands/devices.js';
import { asTenant } from '../../store/db/transaction.js';
import { until } from '../support/until.js';
import { startApi, type ApiUnderTest } from './api-under-test.js';

const LINES = { 'content-type': 'application/x-ndjson' };
let api: ApiUnderTest;
let type: string;
const logged: { level: number; msg: string }[] = [];
beforeAll(async () => {
  const sink = new PassThrough().on('data', (line: Buffer) =>
    logged.push(JSON.parse(line.toString()) as (typeof logged)[number]),
  );
  api = await startApi('import races', { runsJobs: true, services: { log: pino({ level: 'warn' }, sink) } });
  type = (await api.call('POST', '/v1/device-types', { name: 'Switch', slots: {} })).body.data.id as string;
}, 60_000);
afterAll(() => api.close());

const device = (name: string, aliases: string[], more: object = {}) => ({
  info: { name, deviceTypeId: type, aliases, ...more },
});
const file = (...rows: object[]): string => rows.map((row) => JSON.stringify(row)).join('\n');

/**
 * Imports a file while another request, which is not at its end, has taken an alias of it. The import meets it when it
 * writes, and waits; then the other request is done.
 */
async function importAgainst(taken: string, rows: readonly object[], onConflict: string) {
  let finish: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (finish = resolve));
  const other = asTenant(api.pool, 'default', async (tx) => {
    await createDevice(tx, 'default', device('faster', [taken]));
    await held;
  });
  const path = `/v1/devices/import?onConflict=${onConflict}`;
  const { id } = (await api.call('POST', path, file(...rows), LINES)).body.data as { id: string };
  await until('the import waits for the other request', async () => {
    const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    return ((await api.pool.query(waiting)).rowCount ?? 0) > 0;
  });
  finish();
  await other;
  return until('the job ends', async () => {
    const { data } = (await api.call('GET', `/v1/jobs/${id}`)).body as { data: Record<string, unknown> };
    return data['endedAt'] !== null && data;
  });
}

const names = async (): Promise<string[]> =>
  ((await api.call('GET', '/v1/devices?pageSize=100&sort=name')).body.data as { info: { name: string } }[]).map(
    ({ info }) => info.name,
  );

describe('An import whose alias another request takes in that moment', () => {
  it.each([
    ['fail', { state: 'failed', done: 0, failed: 1, errors: [{ line: 2 }] }, ['faster']],
    ['skip', { state: 'done', done: 1, skipped: 1, failed: 0 }, ['faster', 'skip-1']],
    ['update', { state: 'done', done: 2, skipped: 0, failed: 0 }, ['update-1', 'update-2']],
  ])('goes by onConflict=%s for that row, as with a device that was there before', async (how, job, left) => {
    const rows = [device(`${how}-1`, [`${how}-a`]), device(`${how}-2`, [`${how}-b`])];
    expect(await importAgainst(`${how}-b`, rows, how)).toMatchObject(job);
    expect(await names()).toEqual(expect.arrayContaining(left));
    expect(await names()).not.toContain(how === 'update' ? 'nothing' : `${how}-2`);
    await api.call('POST', '/v1/devices/bulk', { action: 'delete', filter: 'name==*' });
    await until('all are gone', async () => (await names()).length === 0);
  });

  it('is the same for a row behind a gateway', async () => {
    const gateway = (await api.call('POST', '/v1/devices', device('gateway', []))).body.data.id as string;
    const rows = [device('child', ['child-a'], { connectedBy: gateway }), device('alone', ['alone-a'])];
    expect(await importAgainst('child-a', rows, 'skip')).toMatchObject({ state: 'done', done: 1, skipped: 1 });
    expect(await names()).toEqual(['alone', 'faster', 'gateway']);
  });
});

describe('An upload of an import that breaks off', () => {
  it('is a warning with its sentence, and leaves no job', async () => {
    const before = logged.length;
    const sent = request(`${api.url}/v1/devices/import`, {
      method: 'POST',
      headers: { ...LINES, authorization: `Bearer ${api.token}`, 'content-length': '100000' },
    });
    sent.on('error', () => undefined); // this end breaks it off
    sent.write(file(device('broken', [])) + '\n');
    await until('the job is there', async () =>
      ((await api.call('GET', '/v1/jobs')).body.data as { state: string }[]).some(({ state }) => state === 'receiving'),
    );
    sent.destroy();
    const warned = await until('it is in the log', () => logged.slice(before)[0]);
    expect(warned).toMatchObject({ level: 40, msg: 'the file broke off; nothing of it was kept, send it again' });
    await until('the job is gone', async () =>
      ((await api.call('GET', '/v1/jobs')).body.data as { state: string }[]).every(
        ({ state }) => state !== 'receiving',
      ),
    );
    expect(logged.slice(before).filter(({ level }) => level >= 50)).toEqual([]);
  });
});
