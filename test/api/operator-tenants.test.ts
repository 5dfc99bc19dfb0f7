import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes, randomUUID } from 'node:crypto';
import { installationDownloadUrl } from '../../protocol/http/download-links.js';
import { removeTenants } from '../../store/commands/remove-tenant.js';
import { holdLease } from '../../store/db/leases.js';
import { asService } from '../../store/db/transaction.js';
import { readLinkSigner } from '../../store/fleet/downloads.js';
import { until } from '../support/until.js';
import { startApi, type ApiUnderTest, type Client, type Reply } from './api-under-test.js';
import { attach, newFirmware, uploaded } from './upload.js';
import { Listening } from './listening.js';

const TENANTS = '/v1/tenants';
let api: ApiUnderTest;
let operator: Client;
let clock = Date.now;
beforeAll(async () => {
  api = await startApi('api_operator_tenants', { services: { now: () => clock() } });
  operator = await api.as({ name: 'operator', permissions: ['tenants:read', 'tenants:write'] });
}, 60_000);
afterAll(() => api.close());

const codeOf = ({ status, body }: Reply): [number, string] => [status, body.errorCode as string];
let count = 0;
/** A new tenant with these quotas, and its owner. */
async function tenant(quotas: Record<string, number> = {}): Promise<{ id: string; owner: Client }> {
  const id = `t${(count += 1)}`;
  const made = await operator.call('POST', TENANTS, { id, quotas });
  expect([made.status, made.body.data.id]).toEqual([201, id]);
  return { id, owner: holding(made.body.data.key as string, made.body.data.apiKey.id as string) };
}
function holding(token: string, keyId: string): Client {
  const authorization = `Bearer ${token}`;
  return {
    token,
    keyId,
    call: (method, path, body, headers) => api.call(method, path, body, { authorization, ...headers }),
  };
}
const typeOf = async (owner: Client): Promise<string> =>
  (await owner.call('POST', '/v1/device-types', { name: 'Type', slots: { firmware: { name: 'F' } } })).body.data
    .id as string;
const changed = (id: string, change: object): Promise<Reply> => operator.call('PATCH', `${TENANTS}/${id}`, change);

describe('A tenant', () => {
  it("is made with a first owner's key, read with its usage, listed and changed", async () => {
    const body = { id: 'acme', name: 'Acme', quotas: { devices: 5, requestsPerMinute: 1000 } };
    const made = await operator.call('POST', TENANTS, body);
    const { key, apiKey, ...view } = made.body.data;
    expect([made.status, view]).toEqual([
      201,
      { ...body, state: 'active', createdAt: expect.any(String), createdBy: 'key:operator' },
    ]);
    const owner = holding(key, apiKey.id);
    expect((await owner.call('GET', '/v1/me')).body.data).toMatchObject({ tenant: 'acme', roles: ['owner'] });
    await owner.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId: await typeOf(owner) } });
    expect((await operator.call('GET', `${TENANTS}/acme`)).body.data).toEqual({
      ...view,
      usage: { devices: 1, firmwares: 0, bytes: 0, openRollouts: 0, apiKeys: 1 },
    });
    expect((await operator.call('GET', TENANTS)).body.data[0]).toEqual(view);
    const after = { name: null, state: 'active', quotas: { requestsPerMinute: 1000, firmwares: 2 } };
    const reply = await changed('acme', { name: null, quotas: { devices: null, firmwares: 2 } });
    expect([reply.status, reply.body.data]).toMatchObject([200, after]);
    expect(codeOf(await operator.call('POST', TENANTS, { id: 'acme' }))).toEqual([409, 'TENANT_EXISTS']);
    expect(codeOf(await operator.call('GET', `${TENANTS}/nowhere`))).toEqual([404, 'TENANT_NOT_FOUND']);
    expect(codeOf(await changed('nowhere', { name: 'x' }))).toEqual([404, 'TENANT_NOT_FOUND']);
  });

  it.each(['v1', 'docs', 'tuf', 'device', 'health', 'metrics', 'assets', 'api', 'well-known'])(
    'cannot have the reserved id %s',
    async (id) => {
      const refused = await operator.call('POST', TENANTS, { id });
      expect([...codeOf(refused), refused.body.errors[0].pointer]).toEqual([400, 'REQUEST_VALIDATION', '/id']);
    },
  );

  it.each(['', 'Acme', '-a', 'a_b', 'a'.repeat(28), 'ü', '../a'])('cannot have the id "%s"', async (id) => {
    expect((await operator.call('POST', TENANTS, { id })).status).toBe(400);
  });

  it.each([{ quotas: { device: 1 } }, { quotas: { devices: -1 } }, { quotas: { devices: 1.5 } }, { state: 'active' }])(
    'is not made with %j',
    async (more) => expect((await operator.call('POST', TENANTS, { id: 'wrong', ...more })).status).toBe(400),
  );

  it('is made by the operator of the installation only', async () => {
    const { owner } = await tenant();
    for (const client of [await api.as({ role: 'owner' }), owner])
      for (const [method, path] of [
        ['POST', TENANTS],
        ['GET', TENANTS],
        ['GET', `${TENANTS}/default`],
        ['PATCH', `${TENANTS}/default`],
      ] as const)
        expect([path, ...codeOf(await client.call(method, path, method === 'GET' ? undefined : { id: 'x' }))]).toEqual([
          path,
          403,
          'AUTH_FORBIDDEN',
        ]);
  });

  it('is made once with an Idempotency-Key, and its key is kept nowhere', async () => {
    const headers = { 'idempotency-key': 'tenant-once' };
    const first = await operator.call('POST', TENANTS, { id: 'once' }, headers);
    const again = await operator.call('POST', TENANTS, { id: 'once' }, headers);
    expect([first.status, ...codeOf(again)]).toEqual([201, 409, 'AUTH_KEY_SHOWN']);
    const { rows } = await api.pool.query<{ body: string }>(
      `SELECT body FROM idempotency_keys WHERE key = 'tenant-once'`,
    );
    expect(rows[0]!.body).not.toContain(first.body.data.key);
  });
});

describe('A quota', () => {
  it('of devices is never exceeded by 50 creations at once; what was deleted makes room', async () => {
    const { id, owner } = await tenant({ devices: 20 });
    const deviceTypeId = await typeOf(owner);
    const replies = await Promise.all(
      Array.from({ length: 50 }, () => owner.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId } })),
    );
    const made = replies.filter(({ status }) => status === 201);
    const refused = replies.find(({ status }) => status !== 201)!;
    expect(made).toHaveLength(20);
    expect([...codeOf(refused), refused.body]).toMatchObject([
      429,
      'TENANT_QUOTA',
      { quota: 'devices', value: 20, usage: 20 },
    ]);
    expect((await operator.call('GET', `${TENANTS}/${id}`)).body.data.usage.devices).toBe(20);
    await owner.call('DELETE', `/v1/devices/${made[0]!.body.data.id as string}`);
    expect((await owner.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId } })).status).toBe(201);
  });

  it('counts firmwares, bytes, open rollouts and keys', async () => {
    const { owner } = await tenant({ firmwares: 2, bytes: 150, openRollouts: 1, apiKeys: 2 });
    const quotaOf = (reply: Reply): unknown[] => [...codeOf(reply), reply.body.quota];
    const [one, two] = [await newFirmware(owner), await newFirmware(owner)];
    expect(quotaOf(await owner.call('POST', '/v1/firmwares', { name: 'f' }))).toEqual([
      429,
      'TENANT_QUOTA',
      'firmwares',
    ]);
    expect((await attach(owner, one, Buffer.alloc(100))).status).toBe(200);
    const headers = { 'content-type': 'application/octet-stream' };
    const blob = await owner.call('POST', `/v1/firmwares/${two}/blob`, Buffer.alloc(200), headers);
    expect(quotaOf(blob)).toEqual([429, 'TENANT_QUOTA', 'bytes']);
    const type = await typeOf(owner);
    const associations = `/v1/device-types/${type}/slots/firmware/firmware-associations`;
    await owner.call('POST', associations, { firmwareId: one });
    const device = await owner.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId: type } });
    const plan = {
      name: 'r',
      steps: [{ slot: 'firmware', firmwareId: one }],
      targets: { deviceIds: [device.body.data.id as string] },
      groups: [{ name: 'all' }],
    };
    expect((await owner.call('POST', '/v1/rollouts', plan)).status).toBe(201);
    expect(quotaOf(await owner.call('POST', '/v1/rollouts', plan))).toEqual([429, 'TENANT_QUOTA', 'openRollouts']);
    const key = { name: 'k', role: 'reader' };
    expect((await owner.call('POST', '/v1/api-keys', key)).status).toBe(201);
    expect(quotaOf(await owner.call('POST', '/v1/api-keys', key))).toEqual([429, 'TENANT_QUOTA', 'apiKeys']);
    expect(quotaOf(await owner.call('POST', `/v1/api-keys/${owner.keyId}/rotate`))).toEqual([
      429,
      'TENANT_QUOTA',
      'apiKeys',
    ]);
  });

  it('of requests is counted by the minute, and the refusal says when to come again', async () => {
    clock = () => 1_800_000_000_000;
    const { owner } = await tenant({ requestsPerMinute: 3 });
    for (let n = 0; n < 3; n += 1) expect((await owner.call('GET', '/v1/me')).status).toBe(200);
    const refused = await owner.call('GET', '/v1/me');
    expect([...codeOf(refused), refused.headers.get('retry-after')]).toEqual([429, 'REQUEST_RATE', '60']);
    expect((await operator.call('GET', '/v1/me')).status).toBe(200);
    clock = () => 1_800_000_060_000;
    expect((await owner.call('GET', '/v1/me')).status).toBe(200);
    clock = Date.now;
  });
});

describe('A suspended tenant', () => {
  it('refuses its operators within 5 s, ends their streams, and takes them again', async () => {
    const { id, owner } = await tenant();
    expect((await owner.call('GET', '/v1/me')).status).toBe(200);
    const stream = await Listening.to(`${api.url}/v1/events`, owner.token);
    expect((await changed(id, { state: 'suspended' })).body.data.state).toBe('suspended');
    const from = Date.now();
    await until('it refuses', async () => (await owner.call('GET', '/v1/me')).status === 403, 20_000);
    expect(Date.now() - from).toBeLessThan(5_000);
    expect(codeOf(await owner.call('POST', '/v1/device-types', { name: randomUUID() }))).toEqual([
      403,
      'TENANT_SUSPENDED',
    ]);
    await until('the stream ended', () => stream.over !== undefined, 20_000);
    await changed(id, { state: 'active' });
    await until('it takes them', async () => (await owner.call('GET', '/v1/me')).status === 200, 20_000);
  });

  it('lets downloads of open installations go on: one that runs, and what is fetched of it later', async () => {
    const { id, owner } = await tenant();
    // More than the buffers between both sides hold: it cannot have been sent before anything was read.
    const bytes = randomBytes(32 * 1_048_576);
    const firmwareId = await uploaded(owner, bytes);
    const deviceTypeId = await typeOf(owner);
    await owner.call('POST', `/v1/device-types/${deviceTypeId}/slots/firmware/firmware-associations`, { firmwareId });
    const device = (await owner.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId } })).body.data
      .id as string;
    const path = `/v1/devices/${device}/firmware-installations`;
    const made = await owner.call('POST', path, { firmwareId, slot: 'firmware' });
    const sign = await asService(api.pool, readLinkSigner);
    const link = installationDownloadUrl(api.url, sign, id, made.body.data.id as string);
    const running = await fetch(link, { signal: AbortSignal.timeout(60_000) });
    const reader = running.body!.getReader();
    const read = [(await reader.read()).value!];
    await changed(id, { state: 'suspended' });
    await until('it refuses operators', async () => (await owner.call('GET', '/v1/me')).status === 403, 20_000);
    for (let more = await reader.read(); !more.done; more = await reader.read()) read.push(more.value);
    expect(Buffer.concat(read).equals(bytes)).toBe(true);
    const rest = await fetch(link, { headers: { range: 'bytes=-100' } });
    expect([rest.status, Buffer.from(await rest.arrayBuffer())]).toEqual([206, bytes.subarray(-100)]);
  }, 90_000);

  it("is never the operator's own", async () => {
    expect(codeOf(await changed('default', { state: 'suspended' }))).toEqual([409, 'TENANT_STATE']);
  });
});

describe('A tenant that is to go', () => {
  const gone = (id: string, confirm = id) => operator.call('DELETE', `${TENANTS}/${id}?confirm=${confirm}`);

  it('is suspended before, confirmed by its id, and refuses its operators from then on', async () => {
    const { id, owner } = await tenant();
    expect(codeOf(await gone(id))).toEqual([409, 'TENANT_STATE']);
    await changed(id, { state: 'suspended' });
    expect(codeOf(await gone(id, 'another'))).toEqual([400, 'REQUEST_VALIDATION']);
    expect((await operator.call('DELETE', `${TENANTS}/${id}`)).status).toBe(400);
    for (let times = 0; times < 2; times += 1) {
      const reply = await gone(id);
      expect([reply.status, reply.body.data.state]).toEqual([202, 'removing']);
    }
    expect(codeOf(await changed(id, { state: 'active' }))).toEqual([409, 'TENANT_STATE']);
    expect(codeOf(await operator.call('POST', TENANTS, { id }))).toEqual([409, 'TENANT_EXISTS']);
    await until('it refuses', async () => (await owner.call('GET', '/v1/me')).status === 403, 20_000);
  });

  it("is never the operator's own, nor one that is not there", async () => {
    expect(codeOf(await gone('default'))).toEqual([409, 'TENANT_STATE']);
    expect(codeOf(await gone('nowhere'))).toEqual([404, 'TENANT_NOT_FOUND']);
  });

  it('leaves nothing, also of a refusal that was counted within its last minute, and its id is free again', async () => {
    const { id, owner } = await tenant();
    expect((await owner.call('GET', TENANTS)).status).toBe(403);
    await changed(id, { state: 'suspended' });
    expect((await gone(id)).status).toBe(202);
    const epoch = await holdLease(api.pool, 'bridge', 'test', 60_000);
    const fence = { name: 'bridge', holder: 'test', epoch: epoch! };
    for await (const _page of removeTenants(api.pool, fence)) void _page;
    expect(codeOf(await operator.call('GET', `${TENANTS}/${id}`))).toEqual([404, 'TENANT_NOT_FOUND']);
    await api.refusals.end();
    expect((await api.pool.query('SELECT FROM history WHERE tenant_id = $1', [id])).rowCount).toBe(0);
    expect((await operator.call('POST', TENANTS, { id })).status).toBe(201);
  });
});
