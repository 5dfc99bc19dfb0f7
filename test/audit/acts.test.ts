import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ACTIONS } from '../../domain/audit/actions.js';
import { startApi, type ApiUnderTest, type Client, type Reply } from '../api/api-under-test.js';
import { attach, newFirmware, uploaded } from '../api/upload.js';
import { Audited, type Entry } from './audited.js';

let api: ApiUnderTest;
let audited: Audited;
let other: Client;
let type: string;
let firmware: string;
beforeAll(async () => {
  api = await startApi('audit acts');
  audited = await Audited.over(api);
  other = await api.as({ name: 'colleague' });
  type = await madeBy(api.call('POST', '/v1/device-types', { name: 'Switch', slots: { firmware: { name: 'F' } } }));
  firmware = await uploaded(api, randomBytes(100));
  await api.call('POST', `/v1/device-types/${type}/slots/firmware/firmware-associations`, { firmwareId: firmware });
}, 120_000);
afterAll(() => api.close());

async function madeBy(reply: Promise<Reply>): Promise<string> {
  const { status, body } = await reply;
  if (status >= 300) throw new Error(JSON.stringify(body));
  return body.data.id as string;
}

const newType = (name = 'T') =>
  madeBy(api.call('POST', '/v1/device-types', { name, slots: { firmware: { name: 'F' } } }));
const newDevice = () => madeBy(api.call('POST', '/v1/devices', { info: { name: 'lamp', deviceTypeId: type } }));
const install = async (more: object = {}) => {
  const device = await newDevice();
  const of = `/v1/devices/${device}/firmware-installations`;
  return `${of}/${await madeBy(api.call('POST', of, { firmwareId: firmware, slot: 'firmware', ...more }))}`;
};
const plan = async (more: object = {}) => ({
  name: 'r',
  steps: [{ slot: 'firmware', firmwareId: firmware }],
  targets: { deviceIds: [await newDevice()] },
  groups: [{ name: 'all', approval: { required: 1 } }],
  ...more,
});
const rollout = async (...before: string[]) => {
  const id = await madeBy(api.call('POST', '/v1/rollouts', await plan()));
  for (const one of before) await api.call('POST', `/v1/rollouts/${id}/${one}`, {});
  return `/v1/rollouts/${id}`;
};
const awaiting = async () =>
  `/v1/rollouts/${await madeBy(api.call('POST', '/v1/rollouts', await plan({ approval: { required: 1 } })))}`;
const post = (path: string, body: unknown = {}) => api.call('POST', path, body);
const certificate = (device: string): string =>
  execFileSync(
    'openssl',
    [
      ...'req -x509 -nodes -keyout /dev/null -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj'.split(' '),
      `/CN=default\\/${device}`,
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
const certified = async () => {
  const device = await newDevice();
  const path = `/v1/devices/${device}/certificates`;
  return `${path}/${await madeBy(post(path, { cert: certificate(device), status: 'valid' }))}`;
};
const apiKey = () => madeBy(post('/v1/api-keys', { name: randomUUID(), role: 'reader' }));
const webhook = () => madeBy(post('/v1/webhooks', { url: 'https://example.com/a' }));
const association = async () => {
  const path = `/v1/device-types/${type}/slots/firmware/firmware-associations`;
  return `${path}/${await madeBy(post(path, { firmwareId: await newFirmware(api) }))}`;
};

/** What is done, and what its entry says beside who did it. */
const ACTS: Readonly<Record<string, [act: () => Promise<Reply>, said: object]>> = {
  'firmware.create': [
    () => post('/v1/firmwares', { name: 'f', version: '1' }),
    { after: { name: 'f', version: '1', state: 'draft' } },
  ],
  'firmware.attach_blob': [
    async () => attach(api, await newFirmware(api), Buffer.from('bytes')),
    { after: { size: 5, state: 'ready' } },
  ],
  'firmware.delete': [
    async () => api.call('DELETE', `/v1/firmwares/${await newFirmware(api)}`),
    { before: { state: 'draft' }, after: { state: 'retired' } },
  ],
  'device_type.create': [() => post('/v1/device-types', { name: 'new', slots: {} }), { after: { name: 'new' } }],
  'device_type.change': [
    async () => api.call('PATCH', `/v1/device-types/${await newType('old')}`, { name: 'new' }),
    { before: { name: 'old' }, after: { name: 'new' } },
  ],
  'device_type.delete': [
    async () => api.call('DELETE', `/v1/device-types/${await newType('old')}`),
    { before: { name: 'old' } },
  ],
  'association.create': [
    async () =>
      post(`/v1/device-types/${type}/slots/firmware/firmware-associations`, { firmwareId: await newFirmware(api) }),
    { after: { slot: 'firmware' } },
  ],
  'association.delete': [async () => api.call('DELETE', await association()), { before: { slot: 'firmware' } }],
  'device.create': [
    () => post('/v1/devices', { info: { name: 'lamp', deviceTypeId: type, aliases: ['SN-1'] } }),
    { after: { name: 'lamp', aliases: ['SN-1'] } },
  ],
  'device.change': [
    async () => api.call('PATCH', `/v1/devices/${await newDevice()}`, { info: { name: 'hall' }, custom: { floor: 2 } }),
    { before: { name: 'lamp', custom: null }, after: { name: 'hall', custom: { floor: 2 } } },
  ],
  'device.delete': [async () => api.call('DELETE', `/v1/devices/${await newDevice()}`), { before: { name: 'lamp' } }],
  'credential.create': [
    async () => post(`/v1/devices/${await newDevice()}/credentials`, { type: 'password' }),
    { after: { type: 'password' } },
  ],
  'credential.revoke': [
    async () => {
      const path = `/v1/devices/${await newDevice()}/credentials`;
      return api.call('DELETE', `${path}/${await madeBy(post(path, { type: 'password' }))}`);
    },
    { before: { revokedAt: null }, after: { revokedAt: expect.any(String) } },
  ],
  'certificate.create': [
    async () => {
      const device = await newDevice();
      return post(`/v1/devices/${device}/certificates`, { cert: certificate(device), status: 'valid' });
    },
    { after: { status: 'valid', fingerprint: expect.any(String) } },
  ],
  'certificate.change': [
    async () => api.call('PATCH', await certified(), { status: 'revoked' }),
    { before: { status: 'valid' }, after: { status: 'revoked' } },
  ],
  'certificate.delete': [async () => api.call('DELETE', await certified()), { before: { status: 'valid' } }],
  'installation.create': [
    async () =>
      post(`/v1/devices/${await newDevice()}/firmware-installations`, { firmwareId: firmware, slot: 'firmware' }),
    { after: { slot: 'firmware' } },
  ],
  'installation.report': [
    async () => api.call('PATCH', await install(), { startedAt: '2026-11-24T10:00:00Z' }),
    { before: { state: expect.any(String) }, after: { state: expect.any(String) } },
  ],
  'installation.cancel': [
    async () => post(`${await install()}/cancel`, { reason: 'wrong' }),
    { asked: { reason: 'wrong' } },
  ],
  'installation.release': [
    async () => post(`${await install({ gate: 'hold' })}/release`),
    { before: { gate: 'hold' }, after: { gate: 'go' } },
  ],
  'installation.retry': [
    async () => {
      const one = await install();
      await post(`${one}/cancel`);
      return post(`${one}/retry`);
    },
    { after: { retryOf: expect.any(String) } },
  ],
  'rollout.create': [async () => post('/v1/rollouts', await plan()), { after: { phase: 'draft', name: 'r' } }],
  'rollout.amend': [
    async () => api.call('PATCH', await rollout(), { pace: { maxInFlight: 7 } }),
    { before: { version: 1 }, after: { version: 2, plan: { pace: { maxInFlight: 7 } } } },
  ],
  'rollout.delete': [async () => api.call('DELETE', await rollout()), { before: { name: 'r' } }],
  'rollout.start': [async () => post(`${await rollout()}/start`), { before: { phase: 'draft' } }],
  'rollout.pause': [
    async () => post(`${await rollout('start')}/pause`, { reason: 'the vendor called' }),
    { asked: { reason: 'the vendor called' }, after: { phase: 'paused' } },
  ],
  'rollout.resume': [
    async () => post(`${await rollout('start', 'pause')}/resume`, { reason: 'operator' }),
    { before: { phase: 'paused' } },
  ],
  'rollout.abort': [
    async () => post(`${await rollout('start')}/abort`, { reason: 'wrong' }),
    { asked: { reason: 'wrong' } },
  ],
  'rollout.rollback': [
    async () => post(`${await rollout('start')}/rollback`),
    { after: { rollingBack: expect.anything() } },
  ],
  'rollout.retry': [
    async () => post(`${await rollout('start')}/retry`, { outcomes: ['failed'] }),
    { asked: { outcomes: ['failed'] } },
  ],
  'rollout.approve': [async () => post(`${await awaiting()}/approve`), { after: { approvals: [expect.anything()] } }],
  'rollout.reject': [async () => post(`${await awaiting()}/reject`, { reason: 'no' }), { asked: { reason: 'no' } }],
  'rollout.approve_group': [
    async () => post(`${await rollout('start')}/groups/all/approve`),
    { asked: { name: 'all' } },
  ],
  'rollout.reject_group': [
    async () => post(`${await rollout('start')}/groups/all/reject`, { reason: 'no' }),
    { asked: { name: 'all', reason: 'no' } },
  ],
  'rollout.skip_group': [
    async () => {
      const one = await rollout('start');
      // No process runs here that opens it.
      await api.pool.query(`UPDATE rollout_groups SET opened_at = now() - interval '2 days'`);
      return post(`${one}/groups/all/skip`, { away: true });
    },
    { asked: { name: 'all', away: true } },
  ],
  'template.create': [
    () => post('/v1/rollout-templates', { name: 'night', priority: 1 }),
    { after: { plan: { name: 'night' } } },
  ],
  'template.delete': [
    async () =>
      api.call(
        'DELETE',
        `/v1/rollout-templates/${await madeBy(post('/v1/rollout-templates', { name: randomUUID() }))}`,
      ),
    { before: { plan: expect.anything() } },
  ],
  'webhook.create': [
    () => post('/v1/webhooks', { url: 'https://example.com/hook' }),
    { after: { url: 'https://example.com/hook' } },
  ],
  'webhook.change': [
    async () => api.call('PATCH', `/v1/webhooks/${await webhook()}`, { enabled: false }),
    { before: { disabledAt: null }, after: { disabledBecause: expect.any(String) } },
  ],
  'webhook.delete': [
    async () => api.call('DELETE', `/v1/webhooks/${await webhook()}`),
    { before: { url: 'https://example.com/a' } },
  ],
  'webhook.redeliver': [
    async () => {
      const id = await webhook();
      const delivery = randomUUID();
      await api.pool.query(
        `INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, number, event, state, due_at, ended_at, created_at)
         VALUES ('default', $1, $2, 1, 'requested', 'failed', now(), now(), now())`,
        [delivery, id],
      );
      return post(`/v1/webhooks/${id}/deliveries/${delivery}/redeliver`);
    },
    { asked: { deliveryId: expect.any(String) } },
  ],
  'api_key.create': [
    () => post('/v1/api-keys', { name: 'ci', role: 'reader' }),
    { after: { name: 'ci', role: 'reader', principal: 'key:ci' } },
  ],
  'api_key.change': [
    async () => api.call('PATCH', `/v1/api-keys/${await apiKey()}`, { name: 'renamed' }),
    { after: { name: 'renamed' } },
  ],
  'api_key.revoke': [
    async () => api.call('DELETE', `/v1/api-keys/${await apiKey()}`),
    { before: { revokedAt: null }, after: { revokedAt: expect.any(String) } },
  ],
  'api_key.rotate': [
    async () => post(`/v1/api-keys/${await apiKey()}/rotate`, { overlap: 'PT2H' }),
    { before: { worksUntil: null }, after: { worksUntil: expect.any(String) } },
  ],
  'tenant.create': [
    () => post('/v1/tenants', { id: 'audited-1', name: 'A' }),
    { after: { name: 'A', state: 'active' } },
  ],
  'tenant.change': [() => api.call('PATCH', '/v1/tenants/default', { name: 'Us' }), { after: { name: 'Us' } }],
};

describe('The audit', () => {
  it('has a row here for every act that there is', () => {
    expect([...Object.keys(ACTS), 'permission.refuse'].sort()).toEqual([...ACTIONS].sort());
  });

  it.each(Object.entries(ACTS))(
    'says of %s who did it, from where, to what and with what effect',
    async (action, [act, said]) => {
      const entry = await audited.of(act());
      expect(entry).toMatchObject({
        action,
        actor: 'key:bootstrap',
        tenant: 'default',
        resource: { type: action.split('.')[0], id: expect.stringMatching(/^([0-9a-f-]{36}|audited-1|default)$/) },
        from: { address: expect.stringContaining('127.0.0.1') },
        requestId: expect.any(String),
        ...said,
      });
    },
  );

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
