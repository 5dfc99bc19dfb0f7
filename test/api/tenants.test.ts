import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { startApi, type ApiUnderTest, type Client } from './api-under-test.js';

let api: ApiUnderTest;
let other: Client;
let type: string;
let device: string;
let credential: string;
beforeAll(async () => {
  api = await startApi('api_tenants');
  other = await api.as({ tenantId: 'other' });
  type = (await api.call('POST', '/v1/device-types', { name: 'Type', slots: { firmware: { name: 'F' } } })).body.data
    .id;
  device = (
    await api.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId: type, aliases: ['mac'], tags: ['t'] } })
  ).body.data.id;
  credential = (await api.call('POST', `/v1/devices/${device}/credentials`, { type: 'password' })).body.data.id;
});
afterAll(() => api.close());

/** Each operation that names a resource of the first tenant. */
function operations(typeId: string, deviceId: string, credentialId: string): [string, string, unknown?][] {
  return [
    ['GET', `/v1/device-types/${typeId}`],
    ['PATCH', `/v1/device-types/${typeId}`, { name: 'mine' }],
    ['DELETE', `/v1/device-types/${typeId}`],
    ['GET', `/v1/device-types/${typeId}/slots/firmware/firmware-associations`],
    ['POST', `/v1/device-types/${typeId}/slots/firmware/firmware-associations`, { firmwareId: randomUUID() }],
    ['POST', '/v1/devices', { info: { name: 'd', deviceTypeId: typeId } }],
    ['GET', `/v1/devices/${deviceId}`],
    ['PATCH', `/v1/devices/${deviceId}`, { info: { name: 'mine' } }],
    ['DELETE', `/v1/devices/${deviceId}?force=true`],
    ['GET', `/v1/devices/${deviceId}/slots`],
    ['GET', `/v1/devices/${deviceId}/last-diagnostics`],
    ['GET', `/v1/devices/${deviceId}/credentials`],
    ['POST', `/v1/devices/${deviceId}/credentials`, { type: 'password' }],
    ['DELETE', `/v1/devices/${deviceId}/credentials/${credentialId}`],
    ['GET', `/v1/devices/${deviceId}/certificates`],
  ];
}

describe('a resource of another tenant', () => {
  it('answers each operation exactly as one that does not exist', async () => {
    const [nobodysType, nobodysDevice, nobodysCredential] = [randomUUID(), randomUUID(), randomUUID()];
    const foreign = operations(type, device, credential);
    const absent = operations(nobodysType, nobodysDevice, nobodysCredential);
    for (const [i, [method, path, body]] of foreign.entries()) {
      const [seen, unseen] = [
        await other.call(method, path, body),
        await other.call(method, absent[i]![1], absent[i]![2]),
      ];
      const neutral = (text: string) => text.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID');
      expect([method, path, seen.status]).toEqual([method, path, 404]);
      expect(neutral(JSON.stringify(seen.body))).toEqual(neutral(JSON.stringify(unseen.body)));
    }
    expect((await api.call('GET', `/v1/devices/${device}`)).body.data.info.name).toBe('d');
    expect((await api.call('GET', `/v1/devices/${device}/credentials`)).body.data).toHaveLength(1);
  });

  it('is in no list, with any filter', async () => {
    for (const path of [
      '/v1/device-types',
      '/v1/devices',
      `/v1/devices?deviceId=${device}`,
      '/v1/devices?tag=t',
      `/v1/devices?deviceTypeId=${type}`,
      '/v1/devices?name=*',
    ]) {
      expect([path, (await other.call('GET', path)).body.data]).toEqual([path, []]);
    }
  });

  it('cannot be a gateway, and its aliases are not taken', async () => {
    const ownType = (await other.call('POST', '/v1/device-types', { name: 'Type' })).body.data.id as string;
    const conflict = await other.call('POST', '/v1/devices', {
      info: { name: 'd', deviceTypeId: ownType, connectedBy: device },
    });
    expect([conflict.status, conflict.body.errorCode]).toEqual([409, 'DEVICE_CONNECTEDBY_CONFLICT']);
    expect(
      (await other.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId: ownType, aliases: ['mac'] } }))
        .status,
    ).toBe(201);
  });
});

describe('a token', () => {
  it('must be sent', async () => {
    const { status, headers, body } = await api.call('GET', '/v1/devices', undefined, { authorization: '' });
    expect([status, body.errorCode, headers.get('www-authenticate')]).toEqual([
      401,
      'AUTH_MISSING_TOKEN',
      'Bearer realm="slipway"',
    ]);
  });

  it.each(['Bearer nonsense', 'Bearer', 'Basic YTpi', 'Bearer a b', `Bearer ${'x'.repeat(9000)}`])(
    "that is not one of the service's is refused: %.20s",
    async (authorization) => {
      const { status, headers, body } = await api.call('GET', '/v1/devices', undefined, { authorization });
      expect([status, body.errorCode]).toEqual([401, 'AUTH_INVALID_TOKEN']);
      expect(headers.get('www-authenticate')).toContain('invalid_token');
    },
  );

  it('may say "bearer" in any case', async () => {
    expect((await api.call('GET', '/v1/devices', undefined, { authorization: `bearer ${api.token}` })).status).toBe(
      200,
    );
  });

  it('of a reader reads and does not write; the answer names what it lacks', async () => {
    const reader = await api.as({ role: 'reader' });
    expect((await reader.call('GET', `/v1/devices/${device}`)).status).toBe(200);
    const refused = await reader.call('POST', '/v1/devices', {});
    expect([refused.status, refused.body.errorCode, refused.body.permission]).toEqual([
      403,
      'AUTH_FORBIDDEN',
      'devices_base_data:write',
    ]);
    expect(refused.headers.get('www-authenticate')).toContain('scope="devices_base_data:write"');
  });
});
