import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { expireDrafts } from '../../store/fleet/firmwares.js';
import { startApi, type ApiUnderTest } from './api-under-test.js';
import { newFirmware } from './upload.js';

let api: ApiUnderTest;
beforeAll(async () => (api = await startApi('api_device_types')));
afterAll(() => api.close());

const UNKNOWN_ID = randomUUID();

async function sample(): Promise<Record<string, unknown>> {
  return JSON.parse(
    await readFile(new URL('../../demo/service/extended-osr-light-switch.json', import.meta.url), 'utf8'),
  ) as Record<string, unknown>;
}

async function newType(slots: Record<string, unknown> = { firmware: { name: 'Firmware' } }): Promise<string> {
  const { status, body } = await api.call('POST', '/v1/device-types', { name: 'Type', slots });
  expect(status).toBe(201);
  return body.data.id as string;
}

/** A draft that got no blob in time. */
async function expiredFirmware(): Promise<string> {
  const id = await newFirmware(api);
  await expireDrafts(api.pool, 0, Date.now() + 1_000);
  return id;
}

describe('a device type', () => {
  it('accepts the sample "Extended OSR Light switch" unchanged, and returns every member', async () => {
    const type = await sample();
    const made = await api.call('POST', '/v1/device-types', type);
    expect(made.status).toBe(201);
    expect(made.body.data).toMatchObject(type);
    const read = await api.call('GET', `/v1/device-types/${made.body.data.id}`);
    expect(read.body).toEqual(made.body);
    expect((await api.call('GET', '/v1/device-types')).body.data).toContainEqual(made.body.data);
  });

  it('needs no more than a name', async () => {
    const { status, body } = await api.call('POST', '/v1/device-types', { name: 'x' });
    expect(status).toBe(201);
    expect(body.data).toMatchObject({
      name: 'x',
      categories: [],
      reportingRules: [],
      schema: {},
      slots: {},
      communicationInterval: null,
    });
  });

  it.each([
    ['no name', {}, '/name', 'is required'],
    ['an empty name', { name: '' }, '/name', 'must have 1 to 255 characters'],
    ['a name of 256 characters', { name: 'x'.repeat(256) }, '/name', 'must have 1 to 255 characters'],
    [
      'an unknown member',
      { name: 'x', colour: 'red' },
      '/colour',
      expect.stringMatching(/^is unknown here; there are name, /),
    ],
    [
      'an unknown member far inside',
      { name: 'x', slots: { firmware: { name: 'y', size: 1 } } },
      '/slots/firmware/size',
      expect.stringMatching(/^is unknown here/),
    ],
    [
      'a slot name with a hyphen',
      { name: 'x', slots: { 'boot-loader': { name: 'y' } } },
      '/slots/boot-loader',
      'is not a valid name: must consist of letters, digits and _',
    ],
    [
      'a slot name of 256 characters',
      { name: 'x', slots: { ['s'.repeat(256)]: { name: 'y' } } },
      `/slots/${'s'.repeat(256)}`,
      'is not a valid name: must have at most 255 characters',
    ],
    [
      'a slot that no topic can carry',
      { name: 'x', slots: { constructor: { name: 'y' } } },
      '/slots/constructor',
      'is not a valid name: must not be what every object has by itself, such as "constructor"',
    ],
    [
      'a category that is no URN',
      { name: 'x', categories: ['light'] },
      '/categories/0',
      'must be a URN such as urn:oma:lwm2m:ext:3001 (RFC 8141)',
    ],
    [
      'a communication interval of more than two days',
      { name: 'x', communicationInterval: 172_801 },
      '/communicationInterval',
      undefined,
    ],
    ['a list instead of an object', [], '', undefined],
  ])('with %s is refused, and the answer points at it', async (_what, body, pointer, detail) => {
    const reply = await api.call('POST', '/v1/device-types', body);
    expect(reply.status).toBe(400);
    expect(reply.body).toMatchObject({ errorCode: 'DEVICETYPE_VALIDATION', status: 400, instance: '/v1/device-types' });
    expect(reply.body.errors[0]).toMatchObject({ pointer, ...(detail === undefined ? {} : { detail }) });
    expect(reply.body.errorMessage).toBe(reply.body.detail);
  });

  it('may have a slot name of 255 characters and a name of 255 emoji: characters are counted, not their halves', async () => {
    expect(
      (
        await api.call('POST', '/v1/device-types', {
          name: '🚦'.repeat(255),
          slots: { ['s'.repeat(255)]: { name: 'y' } },
        })
      ).status,
    ).toBe(201);
    expect((await api.call('POST', '/v1/device-types', { name: '🚦'.repeat(256) })).status).toBe(400);
  });

  it('is changed by a merge patch: members are merged, null deletes', async () => {
    const { body } = await api.call('POST', '/v1/device-types', await sample());
    const id = body.data.id as string;
    const patch = {
      model: null,
      slots: { bootloader: { name: 'Bootloader' } },
      schema: { events: null, attributes: { humidity: { maximum: 99 } } },
    };
    const changed = await api.call('PATCH', `/v1/device-types/${id}`, patch, {
      'content-type': 'application/merge-patch+json',
    });
    expect(changed.status).toBe(200);
    expect(changed.body.data.model).toBeUndefined();
    expect(changed.body.data.slots).toEqual({ firmware: { name: 'Test name' }, bootloader: { name: 'Bootloader' } });
    expect(changed.body.data.schema.events).toBeUndefined();
    expect(changed.body.data.schema.attributes.humidity).toEqual({ type: 'number', minimum: 0, maximum: 99 });
    const refused = await api.call('PATCH', `/v1/device-types/${id}`, { slots: { firmware: { name: null } } });
    expect(refused.status).toBe(400);
    expect((await api.call('PATCH', `/v1/device-types/${id}`, { id: UNKNOWN_ID })).status).toBe(400);
  });

  it('cannot be deleted while devices are of it, and the answer names them', async () => {
    const id = await newType();
    const device = await api.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId: id } });
    const refused = await api.call('DELETE', `/v1/device-types/${id}`);
    expect(refused.status).toBe(409);
    expect(refused.body).toMatchObject({ errorCode: 'DEVICETYPE_IN_USE', devices: [device.body.data.id] });
    expect((await api.call('DELETE', `/v1/devices/${device.body.data.id}`)).status).toBe(204);
    expect((await api.call('DELETE', `/v1/device-types/${id}`)).status).toBe(204);
    expect((await api.call('GET', `/v1/device-types/${id}`)).status).toBe(404);
  });

  it.each(['GET', 'PATCH', 'DELETE'])('that is unknown, or whose id is no UUID, gives 404 to %s', async (method) => {
    for (const id of [UNKNOWN_ID, 'not-a-uuid', '%00', '..%2f..']) {
      const reply = await api.call(method, `/v1/device-types/${id}`, method === 'PATCH' ? {} : undefined);
      expect([id, reply.status, reply.body.errorCode]).toEqual([id, 404, 'DEVICETYPE_NOT_FOUND']);
    }
  });
});

describe('a firmware association', () => {
  it('allows a firmware in a slot once; a second time is a conflict', async () => {
    const [type, firmware] = [await newType(), await newFirmware(api)];
    const path = `/v1/device-types/${type}/slots/firmware/firmware-associations`;
    const made = await api.call('POST', path, { firmwareId: firmware });
    expect(made.status).toBe(201);
    expect(made.body).toEqual({
      data: { id: expect.any(String), deviceTypeId: type, slotName: 'firmware', firmwareId: firmware },
    });
    const again = await api.call('POST', path, { firmwareId: firmware });
    expect([again.status, again.body.errorCode]).toEqual([409, 'DEVICETYPE_ASSOCIATION_EXISTS']);
    const listed = await api.call('GET', path);
    expect(listed.body).toEqual({
      data: [made.body.data],
      meta: { page: 0, pageSize: 20, itemsTotal: 1, pagesTotal: 1 },
    });
  });

  it('is refused with 403 for a firmware that is unknown, so that ids cannot be probed', async () => {
    const path = `/v1/device-types/${await newType()}/slots/firmware/firmware-associations`;
    const reply = await api.call('POST', path, { firmwareId: UNKNOWN_ID });
    expect([reply.status, reply.body.errorCode]).toEqual([403, 'FIRMWARE_NO_ACCESS_TO_RESOURCE']);
    expect((await api.call('POST', path, { firmwareId: 'x' })).status).toBe(400);
    expect((await api.call('POST', path, { firmwareId: await expiredFirmware() })).status).toBe(409);
  });

  it('needs a slot that the type has', async () => {
    const [type, firmware] = [await newType(), await newFirmware(api)];
    for (const slot of ['bootloader', 'boot-loader']) {
      const reply = await api.call('POST', `/v1/device-types/${type}/slots/${slot}/firmware-associations`, {
        firmwareId: firmware,
      });
      expect([reply.status, reply.body.errorCode]).toEqual([404, 'DEVICETYPE_SLOT_NOT_FOUND']);
    }
    expect(
      (await api.call('GET', `/v1/device-types/${UNKNOWN_ID}/slots/firmware/firmware-associations`)).body.errorCode,
    ).toBe('DEVICETYPE_NOT_FOUND');
  });

  it('is deleted by its id, protects its slot until then, and is unknown afterwards', async () => {
    const [type, firmware] = [await newType(), await newFirmware(api)];
    const path = `/v1/device-types/${type}/slots/firmware/firmware-associations`;
    const { body } = await api.call('POST', path, { firmwareId: firmware });
    const kept = await api.call('PATCH', `/v1/device-types/${type}`, { slots: { firmware: null } });
    expect([kept.status, kept.body.errorCode]).toEqual([409, 'DEVICETYPE_IN_USE']);
    expect((await api.call('DELETE', `${path}/${body.data.id}`)).status).toBe(204);
    expect((await api.call('DELETE', `${path}/${body.data.id}`)).body.errorCode).toBe(
      'DEVICETYPE_ASSOCIATION_NOT_FOUND',
    );
    expect((await api.call('PATCH', `/v1/device-types/${type}`, { slots: { firmware: null } })).status).toBe(200);
  });
});
