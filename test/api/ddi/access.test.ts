import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DdiClient } from './ddi-client.js';
import { DdiWorld } from './ddi-world.js';

const GATEWAY = 'a-gateway-token-of-this-tenant';
let world: DdiWorld;
beforeAll(async () => {
  world = await DdiWorld.start('ddi_access', {}, { trustedProxies: ['127.0.0.1'] });
});
afterAll(() => world.close());

const settings = (change: object) => world.api.call('PATCH', '/v1/hawkbit-settings', change);
const client = (controllerId: string, authorization?: string, tenant = 'DEFAULT') =>
  new DdiClient(`${world.api.url}/${tenant}/controller/v1/${controllerId}`, authorization);

describe('A device comes in', () => {
  it('with the token of its own only, by its alias or its id, with each spelling of the tenant', async () => {
    const [device, other] = [await world.device(), await world.device()];
    for (const tenant of ['DEFAULT', 'default', 'Default'])
      expect((await client(device.alias, `TargetToken ${device.token}`, tenant).call('GET', '')).status).toBe(200);
    expect((await client(device.id, `TargetToken ${device.token}`).call('GET', '')).status).toBe(200);
    for (const authorization of [
      undefined,
      `TargetToken ${other.token}`,
      `targettoken ${device.token}`,
      `TargetToken  ${device.token}`,
      `Bearer ${device.token}`,
      `GatewayToken ${device.token}`,
      'TargetToken ',
    ]) {
      const refused = await client(device.alias, authorization).call('GET', '');
      expect({ authorization, status: refused.status, text: refused.text }).toEqual({
        authorization,
        status: 401,
        text: '',
      });
      expect(refused.headers.get('www-authenticate')).toBeNull();
    }
    expect((await client('nowhere', `TargetToken ${device.token}`).call('GET', '')).status).toBe(401);
    expect((await client(device.alias, `TargetToken ${device.token}`, 'other').call('GET', '')).status).toBe(401);
  });

  it('with a token that it had before, and no longer with one that was revoked', async () => {
    const device = await world.device();
    const path = `/v1/devices/${device.id}/credentials`;
    const token = '0123456789abcdef0123456789abcdef';
    const made = await world.api.call('POST', path, { type: 'hawkbitToken', token });
    expect(made).toMatchObject({ status: 201, body: { data: { type: 'hawkbitToken', token } } });
    const own = client(device.alias, `TargetToken ${token}`);
    expect((await own.call('GET', '')).status).toBe(200);
    await world.api.call('DELETE', `${path}/${made.body.data.id as string}`);
    expect((await own.call('GET', '')).status).toBe(401);
    expect((await world.api.call('POST', path, { type: 'password', token })).status).toBe(400);
  });

  it('with any token that hawkBit allows, also a short one, or one with a blank in it', async () => {
    const device = await world.device();
    const path = `/v1/devices/${device.id}/credentials`;
    const [first] = (await world.api.call('GET', path)).body.data as { id: string }[];
    await world.api.call('DELETE', `${path}/${first!.id}`);
    for (const token of ['x', 'two words']) {
      expect((await world.api.call('POST', path, { type: 'hawkbitToken', token })).status).toBe(201);
      expect((await client(device.alias, `TargetToken ${token}`).call('GET', '')).status).toBe(200);
    }
    expect(await world.api.call('POST', path, { type: 'hawkbitToken', token: 'x' })).toMatchObject({
      status: 409,
      body: { errorCode: 'DEVICE_CREDENTIAL_SHOWN', credentialId: expect.any(String) },
    });
    for (const token of ['', ' x', 'x ', 'ü', 'a\nb', 'x'.repeat(513)])
      expect((await world.api.call('POST', path, { type: 'hawkbitToken', token })).status).toBe(400);
  });

  it('with the gateway token of its tenant, once it is set, and is made where a type is named', async () => {
    const device = await world.device();
    const through = client(device.alias, `GatewayToken ${GATEWAY}`);
    expect((await through.call('GET', '')).status).toBe(401);
    expect((await settings({ gatewayToken: GATEWAY })).body.data).toMatchObject({ gatewayToken: true });
    expect((await through.call('GET', '')).status).toBe(200);
    const stranger = client('stranger-1', `GatewayToken ${GATEWAY}`);
    expect(await stranger.call('GET', '')).toMatchObject({
      status: 404,
      body: { errorCode: 'hawkbit.server.error.repo.entityNotFound' },
    });
    await settings({ registersAs: world.type });
    const configData = { mode: 'merge', data: { a: 'b' } };
    expect((await client('stranger-2', `GatewayToken ${GATEWAY}`).call('PUT', '/configData', configData)).status).toBe(
      404,
    );
    expect((await stranger.call('GET', '')).status).toBe(200);
    const found = await world.api.call('GET', '/v1/devices?filter=name==stranger-1');
    expect(found.body.data).toMatchObject([{ info: { aliases: ['stranger-1'], deviceTypeId: world.type } }]);
    const { body } = await world.api.call('GET', `/v1/devices/${found.body.data[0].id as string}/credentials`);
    expect(body.data).toMatchObject([{ type: 'hawkbitGateway' }]);
    await settings({ gatewayToken: null });
    expect((await stranger.call('GET', '')).status).toBe(401);
  });

  it('by the word of a proxy that is trusted, for its own name and an issuer that is known', async () => {
    const device = await world.device();
    const through = client(device.alias);
    const says = (id: string, authority: string) =>
      through.call('GET', '', undefined, { 'x-controller-id': id, 'x-authority-1': authority });
    expect((await says(device.alias, 'ABCDEF')).status).toBe(401);
    await settings({ authorities: ['abcdef'] });
    expect((await says(device.alias, 'ABCDEF')).status).toBe(200);
    expect((await says('another', 'ABCDEF')).status).toBe(401);
    expect((await says(device.alias, '123456')).status).toBe(401);
  });
});

describe('Answers', () => {
  it('are HAL, JSON or CBOR, as the client takes them, and 406 where it takes none', async () => {
    const device = await world.device();
    const typeOf = async (accept: string) => {
      const { status, headers } = await device.call('GET', '', undefined, { accept });
      return `${status} ${headers.get('content-type') ?? ''}`.trim();
    };
    expect(await typeOf('*/*')).toBe('200 application/hal+json');
    expect(await typeOf('application/json;charset=UTF-8')).toBe('200 application/json');
    expect(await typeOf('application/cbor, application/json;q=0.5')).toBe('200 application/cbor');
    expect(await typeOf('text/html')).toBe('406');
  });

  it('have an ETag, and are 304 where nothing changed', async () => {
    const device = await world.device();
    const { headers } = await device.call('GET', '');
    const etag = headers.get('etag') as string;
    expect(etag).toMatch(/^"0[0-9a-f]{32}"$/);
    expect(await device.call('GET', '', undefined, { 'if-none-match': etag })).toMatchObject({ status: 304, text: '' });
    await device.install();
    expect((await device.call('GET', '', undefined, { 'if-none-match': etag })).status).toBe(200);
  });

  it('name what does not fit, with the statuses of hawkBit', async () => {
    const [device, other] = [await world.device(), await world.device()];
    await device.install();
    const { id } = await device.offer();
    const statusOf = async (method: string, path: string, body?: unknown, headers = {}) =>
      (await device.call(method, path, body, headers)).status;
    expect(await statusOf('GET', `/deploymentBase/${Number(id) + 1000}`)).toBe(404);
    expect(await statusOf('GET', '/deploymentBase/0190c1e4-0000')).toBe(404);
    expect(await statusOf('GET', '/deploymentBase/3000000000')).toBe(404);
    expect((await other.call('GET', `/deploymentBase/${id}`)).status).toBe(404);
    expect(await statusOf('DELETE', '')).toBe(405);
    expect(await statusOf('GET', `/deploymentBase/${id}/feedback`)).toBe(405);
    expect(await statusOf('GET', `/cancelAction/${id}`)).toBe(404);
    expect(await statusOf('GET', `/installedBase/${id}`)).toBe(404);
    expect(await statusOf('GET', `/confirmationBase/${id}`)).toBe(404);
    expect(await statusOf('POST', `/deploymentBase/${id}/feedback`, { status: { execution: 'closed' } })).toBe(400);
    expect(await statusOf('POST', `/deploymentBase/${id}/feedback`, '{')).toBe(400);
    const hal = { 'content-type': 'application/hal+json' };
    expect(await statusOf('PUT', '/configData', { data: { a: 'b' } }, hal)).toBe(415);
    expect(await statusOf('PUT', '/configData', { data: {} })).toBe(400);
    expect(await statusOf('PUT', '/configData', { mode: 'x', data: { a: 'b' } })).toBe(400);
    const refused = await device.call('PUT', '/configData', { data: { a: 'ü' } });
    expect(refused).toMatchObject({
      status: 400,
      body: { errorCode: 'hawkbit.server.error.repo.invalidTargetAttributes', message: expect.any(String) },
    });
    const many = Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`k${at}`, 'v']));
    expect(await statusOf('PUT', '/configData', { data: many })).toBe(429);
  });
});
