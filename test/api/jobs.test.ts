import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HELD } from '../../domain/fleet/job.js';
import { asTenant } from '../../store/db/transaction.js';
import { readJob } from '../../store/jobs/jobs.js';
import { until } from '../support/until.js';
import { startApi, type ApiUnderTest, type Client, type Reply } from './api-under-test.js';

let api: ApiUnderTest;
let type: string;
beforeAll(async () => {
  api = await startApi('jobs', { runsJobs: true });
  const made = await api.call('POST', '/v1/device-types', { name: 'Switch', slots: { firmware: { name: 'F' } } });
  type = made.body.data.id as string;
}, 60_000);
afterAll(() => api.close());

type Job = Record<string, unknown> & { id: string; state: string };
const LINES = { 'content-type': 'application/x-ndjson' };

const device = (name: string, more: object = {}, info: object = {}) => ({
  info: { name, deviceTypeId: type, ...info },
  ...more,
});
const file = (...rows: unknown[]) =>
  rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row))).join('\n');

function upload(text: string, query = '', headers: Record<string, string> = LINES): Promise<Reply> {
  return api.call('POST', `/v1/devices/import${query}`, text, headers);
}

async function ended(reply: Reply, client: Client = api): Promise<Job> {
  expect([reply.status, reply.body]).toMatchObject([202, { data: { state: expect.any(String) } }]);
  const { id } = reply.body.data as Job;
  return until(
    `the job ${id} ends`,
    async () => {
      const { data } = (await client.call('GET', `/v1/jobs/${id}`)).body as { data: Job };
      return ['done', 'failed', 'canceled'].includes(data.state) ? data : undefined;
    },
    60_000,
  );
}

const names = async (filter: string): Promise<string[]> =>
  (
    (await api.call('GET', `/v1/devices?pageSize=100&sort=name&filter=${encodeURIComponent(filter)}`)).body.data as {
      info: { name: string };
    }[]
  ).map(({ info }) => info.name);
const count = async (filter: string): Promise<number> =>
  (await api.call('GET', `/v1/devices?pageSize=1&filter=${encodeURIComponent(filter)}`)).body.meta.itemsTotal as number;

describe('An import of devices', () => {
  it('makes one device of each JSON line, with its id, aliases and gateway', async () => {
    const gateway = randomUUID();
    const job = await ended(
      await upload(
        file(
          device('lines-child', {}, { connectedBy: gateway, aliases: ['lines-SN'] }),
          '',
          device('lines-gateway', { id: gateway, custom: { floor: 2 } }, { tags: ['hall'] }),
        ),
      ),
    );
    expect(job).toMatchObject({ state: 'done', total: 2, done: 2, failed: 0, createdBy: 'key:bootstrap' });
    expect(await names('name==lines-*')).toEqual(['lines-child', 'lines-gateway']);
    expect(await names(`connectedBy==${gateway}`)).toEqual(['lines-child']);
    expect((await api.call('GET', `/v1/devices/${gateway}`)).body.data).toMatchObject({ custom: { floor: 2 } });
  });

  it('reads CSV, whose columns are the members', async () => {
    const text = [
      'name,deviceTypeId,tags,aliases,custom.floor,custom.room,location,communicationInterval',
      `csv-1,${type},north;hall,"csv-a;csv-b",3,Küche,"{""site"":""hamburg""}",600`,
      `"csv, 2",${type},,,,,,`,
    ].join('\r\n');
    expect(await ended(await upload(text, '', { 'content-type': 'text/csv' }))).toMatchObject({
      state: 'done',
      done: 2,
    });
    const [found] = (await api.call('GET', '/v1/devices?name=csv-1')).body.data as object[];
    expect(found).toMatchObject({
      info: {
        tags: ['north', 'hall'],
        aliases: ['csv-a', 'csv-b'],
        location: { site: 'hamburg' },
        communicationInterval: 600,
      },
      custom: { floor: 3, room: 'Küche' },
    });
    expect(await names('name=="csv, 2"')).toEqual(['csv, 2']);
  });

  it('says line, pointer and sentence of each fault, and writes nothing of the file', async () => {
    await ended(await upload(file(device('fault-there', {}, { aliases: ['fault-taken'] }))));
    const job = await ended(
      await upload(
        file(
          device('fault-good'),
          '{"info": ',
          device('', {}),
          device('fault-type', {}, { deviceTypeId: randomUUID() }),
          device('fault-alias', {}, { aliases: ['fault-taken'] }),
          device('fault-first', {}, { aliases: ['fault-twice'] }),
          device('fault-second', {}, { aliases: ['fault-twice'] }),
          device('fault-member', { colour: 'red' }),
          device('fault-good too'),
        ),
      ),
    );
    expect(job).toMatchObject({ state: 'failed', total: 9, done: 0, failed: 6 });
    expect((job['errors'] as { line: number; pointer: string }[]).map(({ line, pointer }) => [line, pointer])).toEqual([
      [2, ''],
      [3, '/info/name'],
      [4, '/info/deviceTypeId'],
      [5, ''],
      [7, ''],
      [8, '/colour'],
    ]);
    expect((job['errors'] as { detail: string }[])[3]!.detail).toMatch(/^device \S+ has this id or alias already$/);
    expect(await names('name==fault-*')).toEqual(['fault-there']);
  });

  it('leaves out, or changes, devices that are there where it is asked to', async () => {
    await ended(await upload(file(device('conflict-1', {}, { aliases: ['conflict-a'] }))));
    const again = file(
      device('conflict-1 changed', {}, { aliases: ['conflict-a'] }),
      device('conflict-2', {}, { aliases: ['conflict-b'] }),
      device('conflict-3', {}, { deviceTypeId: randomUUID() }),
    );
    expect(await ended(await upload(again, '?onConflict=skip'))).toMatchObject({
      state: 'done',
      done: 1,
      skipped: 1,
      failed: 1,
    });
    expect(await names('name==conflict-*')).toEqual(['conflict-1', 'conflict-2']);
    expect(await ended(await upload(again, '?onConflict=update'))).toMatchObject({ done: 2, skipped: 0, failed: 1 });
    expect(await names('name==conflict-*')).toEqual(['conflict-1 changed', 'conflict-2']);
  });

  it('writes nothing in a dry run, and says what would be wrong', async () => {
    const job = await ended(
      await upload(file(device('dry-1'), device('dry-2', {}, { deviceTypeId: randomUUID() })), '?dryRun=true'),
    );
    expect(job).toMatchObject({ state: 'failed', total: 2, done: 1, failed: 1, errors: [{ line: 2 }] });
    expect(await ended(await upload(file(device('dry-1')), '?dryRun=true'))).toMatchObject({ state: 'done', done: 1 });
    await ended(await upload(file(device('dry there', {}, { aliases: ['dry-a'] }))));
    const again = file(device('dry-3', {}, { aliases: ['dry-a'] }), device('dry-4'));
    expect(await ended(await upload(again, '?dryRun=true&onConflict=skip'))).toMatchObject({
      done: 1,
      skipped: 1,
      failed: 0,
    });
    expect(await names('name==dry-*')).toEqual([]);
  });

  it('of 5,000 devices is read again as it was exported', async () => {
    const rows = Array.from({ length: 5_000 }, (_, n) =>
      device(`many-${n}`, { custom: { n, deep: { nothing: null } } }, { aliases: [`many-${n}`], tags: ['many'] }),
    );
    expect(await ended(await upload(file(...rows)))).toMatchObject({ state: 'done', done: 5_000 });
    const exported = String((await api.call('GET', '/v1/devices/export?filter=tag==many')).body);
    expect(exported.trimEnd().split('\n')).toHaveLength(5_000);
    const one = exported.split('\n').find((line) => line.includes('"many-17"'));
    expect(JSON.parse(one!)).toMatchObject(rows[17]!);
    expect(await ended(await upload(exported, '?onConflict=skip'))).toMatchObject({ skipped: 5_000, failed: 0 });
    expect(await ended(await upload(exported, '?dryRun=true&onConflict=update'))).toMatchObject({
      state: 'done',
      done: 5_000,
    });
  }, 180_000);

  it('is exported whole, also after another client left in the middle', async () => {
    const rows = Array.from({ length: 3_000 }, (_, n) =>
      device(`slow-${n}`, { custom: { fill: 'x'.repeat(20_000) } }, { tags: ['slow'] }),
    );
    for (let at = 0; at < rows.length; at += 1_000)
      expect(await ended(await upload(file(...rows.slice(at, at + 1_000))))).toMatchObject({ state: 'done' });
    const leaving = new AbortController();
    const headers = { authorization: `Bearer ${api.token}` };
    const cut = await fetch(`${api.url}/v1/devices/export?filter=tag==slow`, { headers, signal: leaving.signal });
    await cut.body!.getReader().read();
    leaving.abort();
    const slow = await fetch(`${api.url}/v1/devices/export?filter=tag==slow`, { headers });
    let lines = 0;
    for await (const chunk of slow.body!)
      lines += Buffer.from(chunk as Uint8Array).filter((byte) => byte === 10).length;
    expect(lines).toBe(3_000);
  }, 180_000);

  it('refuses what is no such file', async () => {
    expect((await upload('x', '', { 'content-type': 'application/xml' })).status).toBe(415);
    expect((await upload('a,b\n"1', '', { 'content-type': 'text/csv' })).body.errorMessage).toMatch(/not CSV/);
    expect((await upload(file(device('a')), '?onConflict=never')).status).toBe(400);
    const reader = await api.as({ role: 'reader' });
    expect((await reader.call('POST', '/v1/devices/import', file(device('a')), LINES)).status).toBe(403);
  });
});

describe('An action by filter', () => {
  const bulk = (body: object): Promise<Reply> => api.call('POST', '/v1/devices/bulk', body);

  it('tags, sets attributes and deletes all that match, and counts in a dry run', async () => {
    await ended(await upload(file(...Array.from({ length: 700 }, (_, n) => device(`bulk-${n}`)))));
    const filter = 'name==bulk-*';
    expect((await bulk({ action: 'delete', filter, dryRun: true })).body.data).toMatchObject({
      state: 'done',
      total: 700,
      done: 0,
    });
    expect(await ended(await bulk({ action: 'tag', tag: 'night', filter }))).toMatchObject({
      state: 'done',
      total: 700,
      done: 700,
    });
    expect(await count('tag==night')).toBe(700);
    expect(await ended(await bulk({ action: 'setAttribute', key: 'site', value: 'north', filter }))).toMatchObject({
      done: 700,
    });
    expect(await count('custom.site==north')).toBe(700);
    expect(await ended(await bulk({ action: 'setAttribute', key: 'site', value: null, filter }))).toMatchObject({
      done: 700,
    });
    expect(await count('custom.site==north')).toBe(0);
    expect(await ended(await bulk({ action: 'untag', tag: 'night', filter: 'name==bulk-1*' }))).toMatchObject({
      done: 111,
    });
    expect(await count('tag==night')).toBe(589);
    expect(await ended(await bulk({ action: 'delete', filter }))).toMatchObject({ done: 700, failed: 0 });
    expect(await count(filter)).toBe(0);
  }, 120_000);

  it('says where a filter is wrong, and asks for the permission of what it does', async () => {
    expect((await bulk({ action: 'tag', tag: 'x', filter: 'name==' })).body).toMatchObject({
      errorCode: 'DEVICE_VALIDATION',
      errors: [{ pointer: '/filter' }],
    });
    const reader = await api.as({ role: 'reader' });
    for (const action of ['cancel', 'retry', 'delete'])
      expect((await reader.call('POST', '/v1/devices/bulk', { action, filter: 'name==a' })).status).toBe(403);
  });
});

describe('A job', () => {
  it('is read by its maker and by owners, and by no one else', async () => {
    const writer = await api.as({ role: 'writer' });
    const made = await writer.call('POST', '/v1/devices/import', file(device('mine')), LINES);
    const { id } = made.body.data as Job;
    await ended(made, writer);
    expect((await api.call('GET', `/v1/jobs/${id}`)).status).toBe(200);
    for (const other of [await api.as({ role: 'writer' }), await api.as({ tenantId: 'stranger' })]) {
      const { status, body } = await other.call('GET', `/v1/jobs/${id}`);
      expect([status, body.errorCode]).toEqual([404, 'JOB_NOT_FOUND']);
      expect((await other.call('POST', `/v1/jobs/${id}/cancel`)).status).toBe(404);
      expect((await other.call('GET', '/v1/jobs')).body.data).toEqual([]);
    }
    expect(((await writer.call('GET', '/v1/jobs')).body.data as Job[]).map((one) => one.id)).toEqual([id]);
  });

  it('that no process works on is done by the next one, each line once', async () => {
    const idle = await startApi('jobs without a runner');
    try {
      const kind = (await idle.call('POST', '/v1/device-types', { name: 'T', slots: {} })).body.data.id as string;
      const rows = Array.from({ length: 1_200 }, (_, n) => device(`late-${n}`, {}, { deviceTypeId: kind }));
      const made = await idle.call('POST', '/v1/devices/import?onConflict=skip', file(...rows), LINES);
      const first = idle.startRunner();
      await until(
        'some of it is done',
        async () => ((await idle.call('GET', '/v1/devices')).body.meta.itemsTotal as number) > 0,
      );
      await first.end();
      // As after `kill -9`: nothing gave the job back, and its claim runs out.
      await idle.pool.query(`UPDATE jobs SET claimed_until = now() - interval '1 s' WHERE state = 'running'`);
      const second = idle.startRunner();
      expect(await ended(made, idle)).toMatchObject({ state: 'done', done: 1_200, failed: 0 });
      await second.end();
      expect((await idle.call('GET', '/v1/devices')).body.meta.itemsTotal).toBe(1_200);
    } finally {
      await idle.close();
    }
  }, 120_000);

  it('that is cancelled before it begins does nothing', async () => {
    const idle = await startApi('jobs that are cancelled');
    try {
      const kind = (await idle.call('POST', '/v1/device-types', { name: 'T', slots: {} })).body.data.id as string;
      const made = await idle.call(
        'POST',
        '/v1/devices/import',
        file(device('never', {}, { deviceTypeId: kind })),
        LINES,
      );
      const { id } = made.body.data as Job;
      expect((await idle.call('POST', `/v1/jobs/${id}/cancel`)).body.data).toMatchObject({ state: 'canceled' });
      const later = await idle.call(
        'POST',
        '/v1/devices/import',
        file(device('later', {}, { deviceTypeId: kind })),
        LINES,
      );
      const runner = idle.startRunner();
      expect(await ended(later, idle)).toMatchObject({ state: 'done' });
      await runner.end();
      const found = (await idle.call('GET', '/v1/devices')).body.data as { info: { name: string } }[];
      expect(found.map(({ info }) => info.name)).toEqual(['later']);
    } finally {
      await idle.close();
    }
  }, 60_000);

  it('of a suspended tenant is held, with a sentence, and continues from there once that is active again', async () => {
    const operator = await api.as({ permissions: ['tenants:read', 'tenants:write'] });
    const turns = (state: string) => operator.call('PATCH', '/v1/tenants/held', { state });
    const made = await operator.call('POST', '/v1/tenants', { id: 'held' });
    const authorization = `Bearer ${String(made.body.data.key)}`;
    const owner: Pick<Client, 'call'> = {
      call: (method, path, body, headers) => api.call(method, path, body, { authorization, ...headers }),
    };
    const kind = (await owner.call('POST', '/v1/device-types', { name: 'T', slots: {} })).body.data.id as string;
    const rows = Array.from({ length: 20_000 }, (_, n) => device(`held-${n}`, {}, { deviceTypeId: kind }));
    const sent = await owner.call('POST', '/v1/devices/import?onConflict=skip', file(...rows), LINES);
    const { id } = sent.body.data as Job;
    const reader = { by: '', readsAll: true };
    const read = () => asTenant(api.pool, 'held', (tx) => readJob(tx, 'held', id, reader));
    expect((await read()).waitingOn).toBeNull();
    await until('some of it is done', async () => (await read()).done > 0, 30_000);
    expect((await turns('suspended')).status).toBe(200);
    const claims = async () =>
      (await api.pool.query<{ claim: string | null }>('SELECT claim FROM jobs WHERE id = $1', [id])).rows[0]!.claim;
    await until('no process works on it', async () => (await claims()) === null, 30_000);
    const held = await read();
    expect(held).toMatchObject({ state: 'running', waitingOn: HELD });
    expect(held.done).toBeLessThan(20_000);
    // Later work of another tenant does not wait behind it.
    expect(await ended(await upload(file(device('not held'))))).toMatchObject({ state: 'done' });
    expect(await read()).toEqual(held);
    await turns('active');
    const after = await until('it is done', async () => ((await read()).state === 'done' ? read() : undefined), 60_000);
    expect(after).toMatchObject({ done: 20_000, failed: 0, skipped: 0, waitingOn: null });
  }, 150_000);
});
