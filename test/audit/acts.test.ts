import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ACTIONS } from '../../domain/audit/actions.js';
import { startApi, type ApiUnderTest, type Reply } from '../api/api-under-test.js';
import { attach, newFirmware, uploaded } from '../api/upload.js';
import { until } from '../support/until.js';
import { Audited } from './audited.js';

let api: ApiUnderTest;
let audited: Audited;
let type: string;
let firmware: string;
beforeAll(async () => {
  api = await startApi('audit acts');
  audited = await Audited.over(api);
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
const batch = (more: object = {}) =>
  post('/v1/enrolment-tokens', { deviceTypeId: type, uses: 2, expiresAt: '2036-01-01T00:00:00Z', ...more });
/** A device that comes by a token. */
const comes = async (approval: 'auto' | 'manual'): Promise<Reply> => {
  const { body } = await batch({ approval });
  const csr = execFileSync(
    'openssl',
    'req -new -nodes -keyout /dev/null -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=x'.split(' '),
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const response = await fetch(`${api.url}/v1/enrolments`, {
    method: 'POST',
    headers: { authorization: `Bearer ${body.data.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ csr, serial: randomUUID() }),
  });
  return { status: response.status, body: await response.json(), headers: response.headers };
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
  'hawkbit.change': [
    () =>
      api.call('PATCH', '/v1/hawkbit-settings', {
        pollingInterval: 'PT1M',
        gatewayToken: 'a-gateway-token-of-a-tenant',
      }),
    { before: { pollingInterval: 'PT5M' }, after: { pollingInterval: 'PT1M', gatewayToken: true } },
  ],
  'certificate.create': [
    async () => {
      const device = await newDevice();
      return post(`/v1/devices/${device}/certificates`, { cert: certificate(device), status: 'valid' });
    },
    { after: { status: 'valid', fingerprint: expect.any(String) } },
  ],
  'enrolment_token.create': [() => batch(), { after: { uses: 2, approval: 'auto' } }],
  'enrolment_token.revoke': [
    async () => api.call('DELETE', `/v1/enrolment-tokens/${await madeBy(batch())}`),
    { after: { revokedAt: expect.any(String) } },
  ],
  'enrolment.issue': [
    async () => comes('auto'),
    { actor: expect.stringMatching(/^enrolment-token:/), after: { serial: expect.any(String) } },
  ],
  'enrolment.approve': [
    async () => post(`/v1/enrolments/${await madeBy(comes('manual'))}/approve`),
    { before: { state: 'pending' }, after: { state: 'approved' } },
  ],
  'enrolment.reject': [
    async () => post(`/v1/enrolments/${await madeBy(comes('manual'))}/reject`),
    { before: { state: 'pending' }, after: { state: 'rejected' } },
  ],
  'enrolment.preauthorise': [
    () => post('/v1/enrolments/preauthorised', { serial: randomUUID(), deviceTypeId: type }),
    { after: { state: 'preauthorised' } },
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
    { after: { url: 'https://example.com/…' } },
  ],
  'webhook.change': [
    async () => api.call('PATCH', `/v1/webhooks/${await webhook()}`, { enabled: false }),
    { before: { disabledAt: null }, after: { disabledBecause: expect.any(String) } },
  ],
  'webhook.delete': [
    async () => api.call('DELETE', `/v1/webhooks/${await webhook()}`),
    { before: { url: 'https://example.com/…' } },
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
  'tenant.delete': [
    async () => {
      await post('/v1/tenants', { id: 'audited-2' });
      await api.call('PATCH', '/v1/tenants/audited-2', { state: 'suspended' });
      return api.call('DELETE', '/v1/tenants/audited-2?confirm=audited-2');
    },
    { before: { state: 'suspended' }, after: { state: 'removing' } },
  ],
  'job.import': [
    () =>
      api.call(
        'POST',
        '/v1/devices/import?onConflict=skip',
        JSON.stringify({ info: { name: 'a', deviceTypeId: type } }),
        {
          'content-type': 'application/x-ndjson',
        },
      ),
    { after: { onConflict: 'skip', dryRun: false, lines: 1 } },
  ],
  'job.bulk': [
    () => post('/v1/devices/bulk', { action: 'tag', tag: 'night', filter: 'name==lamp' }),
    { after: { kind: 'bulk', spec: { action: 'tag', tag: 'night', filter: 'name==lamp' } } },
  ],
  'job.cancel': [
    async () =>
      post(
        `/v1/jobs/${await madeBy(post('/v1/devices/bulk', { action: 'tag', tag: 'x', filter: 'name==lamp' }))}/cancel`,
      ),
    { before: { cancelAsked: false }, after: { cancelAsked: true } },
  ],
  'job.delete_result': [
    async () => {
      const row = JSON.stringify({ info: { name: 'a', deviceTypeId: type } });
      const made = await api.call('POST', '/v1/devices/import?credentials=password', row, {
        'content-type': 'application/x-ndjson',
      });
      const { id } = made.body.data as { id: string };
      const runner = api.startRunner();
      await until('it ends', async () => (await api.call('GET', `/v1/jobs/${id}`)).body.data.endedAt !== null);
      await runner.end();
      return api.call('DELETE', `/v1/jobs/${id}/result`);
    },
    { before: { resultDeletedAt: null }, after: { resultDeletedAt: expect.any(String) } },
  ],
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
        resource: { type: action.split('.')[0], id: expect.stringMatching(/^([0-9a-f-]{36}|audited-[12]|default)$/) },
        from: { address: expect.stringContaining('127.0.0.1') },
        requestId: expect.any(String),
        ...said,
      });
    },
  );
});
