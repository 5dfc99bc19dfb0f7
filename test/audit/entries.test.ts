import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startApi, type ApiUnderTest, type Client, type Reply } from '../api/api-under-test.js';
import { Audited, type Entry } from './audited.js';

let api: ApiUnderTest;
let audited: Audited;
let other: Client;
let type: string;
beforeAll(async () => {
  api = await startApi('audit entries');
  audited = await Audited.over(api);
  other = await api.as({ name: 'colleague' });
  type = await madeBy(api.call('POST', '/v1/device-types', { name: 'Switch', slots: { firmware: { name: 'F' } } }));
}, 120_000);
afterAll(() => api.close());

async function madeBy(reply: Promise<Reply>): Promise<string> {
  const { status, body } = await reply;
  if (status >= 300) throw new Error(JSON.stringify(body));
  return body.data.id as string;
}

const newDevice = () => madeBy(api.call('POST', '/v1/devices', { info: { name: 'lamp', deviceTypeId: type } }));
const post = (path: string, body: unknown = {}) => api.call('POST', path, body);

describe('The audit', () => {
  it('has no secret in it', async () => {
    const device = await newDevice();
    const { password } = (await post(`/v1/devices/${device}/credentials`, { type: 'password' })).body.data as {
      password: string;
    };
    const { secret } = (await post('/v1/webhooks', { url: 'https://example.com/s' })).body.data as { secret: string };
    const all = await audited.text();
    for (const one of [password, secret, api.token]) expect(all).not.toContain(one);
  });

  it('names the request by the X-Request-Id that the client sent, and that the answer has', async () => {
    const { headers } = await api.call(
      'POST',
      '/v1/device-types',
      { name: 'x', slots: {} },
      { 'x-request-id': 'pipeline-17' },
    );
    expect(headers.get('x-request-id')).toBe('pipeline-17');
    expect((await audited.entries())[0]!.requestId).toBe('pipeline-17');
    const made = await api.call(
      'POST',
      '/v1/device-types',
      { name: 'y', slots: {} },
      { 'x-request-id': 'x'.repeat(129) },
    );
    expect(made.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect((await api.call('GET', '/v1/nothing')).headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('is silent about what changed nothing, and what was refused or undone', async () => {
    const id = await newDevice();
    const before = (await audited.entries()).length;
    expect((await api.call('PATCH', `/v1/devices/${id}`, { info: { name: 'lamp' } })).status).toBe(200);
    expect((await api.call('DELETE', `/v1/devices/${randomUUID()}`)).status).toBe(404);
    expect(
      (await post('/v1/devices', { info: { name: 'a', deviceTypeId: randomUUID() } })).status,
    ).toBeGreaterThanOrEqual(400);
    expect(await audited.entries()).toHaveLength(before);
  });

  it('has one entry where a request was repeated with its Idempotency-Key', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    for (let turn = 0; turn < 2; turn += 1)
      await api.call('POST', '/v1/device-types', { name: headers['idempotency-key'], slots: {} }, headers);
    const found = (await audited.entries('&action=device_type.create')).filter(
      (one: Entry) => one.after?.['name'] === headers['idempotency-key'],
    );
    expect(found).toHaveLength(1);
  });

  it('is found by who, what, to what and when, in either order, page by page', async () => {
    const id = await madeBy(other.call('POST', '/v1/devices', { info: { name: 'found', deviceTypeId: type } }));
    await other.call('PATCH', `/v1/devices/${id}`, { info: { name: 'changed' } });
    const actions = async (query: string) => (await audited.entries(query)).map((one: Entry) => one.action);
    const both = ['device.change', 'device.create'];
    expect(await actions('&actor=key:colleague')).toEqual(both);
    expect(await actions(`&resource=${id}`)).toEqual(both);
    expect(await actions(`&resource=device/${id}&order=asc`)).toEqual([...both].reverse());
    expect(await actions(`&resource=${id}&action=device.change`)).toEqual(['device.change']);
    expect(await actions(`&resource=something`)).toEqual([]);
    expect((await audited.entries('&resource=device')).every((one: Entry) => one.resource.type === 'device')).toBe(
      true,
    );
    expect(await actions(`&until=2020-01-01T00:00:00Z`)).toEqual([]);
    const pages: string[] = [];
    for (let cursor = ''; ;) {
      const { body } = await api.call('GET', `/v1/audit?pageSize=7&order=asc${cursor && `&cursor=${cursor}`}`);
      pages.push(...(body.data as Entry[]).map(({ entry }) => String(entry)));
      if (body.meta.nextCursor === undefined) break;
      cursor = body.meta.nextCursor as string;
    }
    expect(pages).toEqual([...pages].sort((a, b) => Number(a) - Number(b)));
    expect(pages).toEqual((await audited.lines()).map((line) => String((JSON.parse(line) as Entry).entry)));
  });

  it('is in no list of events, and shown to no other tenant', async () => {
    await newDevice();
    await audited.seal();
    const { body } = await api.call('GET', '/v1/events?pageSize=100&order=desc');
    expect((body.data as { event: string }[]).filter(({ event }) => event === 'audit')).toEqual([]);
    const stranger = await api.as({ tenantId: 'stranger' });
    expect(await audited.entries('', stranger)).toEqual([]);
    const { body: theirs } = await stranger.call('GET', '/v1/audit/checkpoint');
    expect(String(theirs).split('\n').slice(0, 2)).toEqual([expect.stringMatching(/\/stranger$/), expect.any(String)]);
  });

  it('counts refusals: one entry for each key, route and minute', async () => {
    const reader = await api.as({ name: 'curious', role: 'reader' });
    for (let turn = 0; turn < 5; turn += 1)
      expect((await reader.call('DELETE', `/v1/devices/${randomUUID()}`)).status).toBe(403);
    expect((await reader.call('GET', '/v1/audit')).status).toBe(403);
    await api.refusals.end();
    const found = await audited.entries('&actor=key:curious');
    expect(found.map((one: Entry) => [one.action, one.resource.id, one.asked, one.count]).sort()).toEqual([
      ['permission.refuse', 'DELETE /v1/devices/{id}', { permission: 'devices_base_data:write' }, 5],
      ['permission.refuse', 'GET /v1/audit', { permission: 'audit_logs:read' }, 1],
    ]);
  });

  it('does not grow by tokens that are not valid', async () => {
    const before = (await api.pool.query('SELECT count(*) FROM history')).rows[0].count;
    await Promise.all(
      Array.from({ length: 200 }, (_, n) =>
        fetch(`${api.url}/v1/devices`, { headers: { authorization: `Bearer ${'x'.repeat(20)}${n}` } }),
      ),
    );
    await api.refusals.end();
    expect((await api.pool.query('SELECT count(*) FROM history')).rows[0].count).toBe(before);
  });
});
