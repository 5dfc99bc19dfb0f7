import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { published } from '../support/published.js';
import { startApi, type ApiUnderTest, type Reply } from './api-under-test.js';
import { uploaded } from './upload.js';

let api: ApiUnderTest;
let type: string;
beforeAll(async () => {
  api = await startApi('api_devices');
  type = (await api.call('POST', '/v1/device-types', { name: 'Type', slots: { firmware: { name: 'Firmware' } } })).body
    .data.id;
});
afterAll(() => api.close());

const UNKNOWN_ID = randomUUID();
const post = (info: Record<string, unknown>, rest: Record<string, unknown> = {}): Promise<Reply> =>
  api.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId: type, ...info }, ...rest });
const patch = (id: string, body: unknown): Promise<Reply> => api.call('PATCH', `/v1/devices/${id}`, body);
const summary = ({ status, body }: Reply): unknown[] => [status, body.errorCode];

async function device(info: Record<string, unknown> = {}): Promise<string> {
  const made = await post(info);
  expect(made.status).toBe(201);
  return made.body.data.id as string;
}

async function openInstallation(deviceId: string): Promise<string> {
  const firmwareId = await uploaded(api, Buffer.from('content'));
  const associations = `/v1/device-types/${type}/slots/firmware/firmware-associations`;
  expect((await api.call('POST', associations, { firmwareId })).status).toBe(201);
  const installations = `/v1/devices/${deviceId}/firmware-installations`;
  const made = await api.call('POST', installations, { firmwareId, slot: 'firmware' });
  expect(made.status).toBe(201);
  return made.body.data.id as string;
}

describe('a device', () => {
  it('comes back as it was registered, with its id', async () => {
    const sent = {
      info: {
        name: 'Gateway North 1',
        deviceTypeId: type,
        description: 'left from the right door',
        installationTimestamp: '1985-04-12T23:20:50.520Z',
        tags: ['north', 'a_b-1'],
        location: 'siteA.buildingB.floorC.roomD',
        aliases: ['frontdoor', '06-00-00-00-00-00'],
        coordinates: { x: 1.5, y: -2 },
        communicationInterval: 60,
      },
      configuration: { brightness: 60, color: {} },
      custom: { anything: [1, null, { a: 'b' }] },
    };
    const made = await api.call('POST', '/v1/devices', sent);
    expect(made.status).toBe(201);
    expect(made.body.data).toMatchObject({ ...sent, id: expect.stringMatching(/^[0-9a-f-]{36}$/), online: false });
    const found = (await api.call('GET', `/v1/devices/${made.body.data.id}`)).body;
    expect(found.data).toEqual({ ...made.body.data, connection: { online: false } });
  });

  it.each([
    ['a tag with a space', { tags: ['a b'] }, '/info/tags/0'],
    ['an alias of 256 characters', { aliases: ['a'.repeat(256)] }, '/info/aliases/0'],
    ['the same alias twice', { aliases: ['a', 'a'] }, '/info/aliases'],
    ['a gateway that is no UUID', { connectedBy: 'gateway' }, '/info/connectedBy'],
    ['a time without an offset', { installationTimestamp: '2026-01-01T00:00:00' }, '/info/installationTimestamp'],
    ['a time before the calendar', { installationTimestamp: '0000-01-01T00:00:00Z' }, '/info/installationTimestamp'],
    ['an unknown member', { colour: 'red' }, '/info/colour'],
    ['an unknown coordinate', { coordinates: { w: 1 } }, '/info/coordinates/w'],
  ])('with %s is refused, and the answer points at it', async (_what, info, pointer) => {
    const reply = await post(info);
    expect(summary(reply)).toEqual([400, 'DEVICE_VALIDATION']);
    expect(reply.body.errors[0].pointer).toBe(pointer);
  });

  it('of an unknown type is refused', async () => {
    expect(summary(await post({ deviceTypeId: UNKNOWN_ID }))).toEqual([404, 'DEVICETYPE_NOT_FOUND']);
  });

  it('is changed by a merge patch, and what comes of it is checked as a whole', async () => {
    const made = await post({ tags: ['a'], location: 'here' }, { configuration: { a: 1, b: { c: 2 } } });
    const id = made.body.data.id as string;
    const changed = await patch(id, {
      info: { tags: null, location: null, name: 'other' },
      configuration: { b: { c: null, d: 3 } },
    });
    expect(changed.status).toBe(200);
    expect(changed.body.data).toMatchObject({
      info: { name: 'other', tags: [] },
      configuration: { a: 1, b: { d: 3 } },
    });
    expect(changed.body.data.info.location).toBeUndefined();
    expect(changed.body.data.configuration.b).toEqual({ d: 3 });
    expect((await patch(id, { configuration: null })).body.data.configuration).toBeUndefined();
    for (const wrong of [
      { id: UNKNOWN_ID },
      { info: null },
      { info: { name: null } },
      { info: { deviceTypeId: null } },
      [],
      'x',
      null,
    ])
      expect((await patch(id, wrong)).status).toBe(400);
    expect(summary(await patch(id, { info: { deviceTypeId: UNKNOWN_ID } }))).toEqual([404, 'DEVICETYPE_NOT_FOUND']);
  });

  it.each(['GET', 'PATCH', 'DELETE'])('that is unknown, or whose id is no UUID, gives 404 to %s', async (method) => {
    for (const id of [UNKNOWN_ID, 'x', '%20'])
      expect(summary(await api.call(method, `/v1/devices/${id}`, method === 'PATCH' ? {} : undefined))).toEqual([
        404,
        'DEVICE_NOT_FOUND',
      ]);
  });
});

describe('aliases', () => {
  it('are unique: a second device cannot take one, and the answer names it', async () => {
    await device({ aliases: ['mac-1', 'mac-2'] });
    const other = await device({ aliases: ['mac-3'] });
    for (const reply of [
      await post({ aliases: ['mac-0', 'mac-2'] }),
      await patch(other, { info: { aliases: ['mac-2', 'mac-3'] } }),
    ]) {
      expect(summary(reply)).toEqual([409, 'DEVICE_ALIAS_CONFLICT']);
      expect(reply.body.aliases).toEqual(['mac-2']);
    }
    expect((await patch(other, { info: { aliases: ['mac-4'] } })).body.data.info.aliases).toEqual(['mac-4']);
    expect((await post({ aliases: ['mac-0', 'mac-3'] })).status).toBe(201);
  });

  it('go to exactly one of two devices that claim them at once', async () => {
    const replies = await Promise.all(
      Array.from({ length: 6 }, (_, i) => post({ aliases: i % 2 ? ['race-1', 'race-2'] : ['race-2', 'race-1'] })),
    );
    expect(replies.map((reply) => reply.status).sort()).toEqual([201, 409, 409, 409, 409, 409]);
  });
});

describe('connectedBy', () => {
  it('must name a device', async () => {
    expect(summary(await post({ connectedBy: UNKNOWN_ID }))).toEqual([409, 'DEVICE_CONNECTEDBY_CONFLICT']);
    expect(summary(await patch(await device(), { info: { connectedBy: UNKNOWN_ID } }))).toEqual([
      409,
      'DEVICE_CONNECTEDBY_CONFLICT',
    ]);
  });

  it('must not close a circle, however long', async () => {
    const a = await device();
    const b = await device({ connectedBy: a });
    const c = await device({ connectedBy: b });
    for (const gateway of [a, b, c])
      expect(summary(await patch(a, { info: { connectedBy: gateway } }))).toEqual([409, 'DEVICE_CONNECTEDBY_CONFLICT']);
    expect((await patch(c, { info: { connectedBy: a } })).status).toBe(200);
    expect((await patch(c, { info: { connectedBy: null } })).body.data.info.connectedBy).toBeUndefined();
  });

  it('does not close a circle when two patches come at once', async () => {
    for (let round = 0; round < 8; round += 1) {
      const [a, b] = [await device(), await device()];
      const replies = await Promise.all([
        patch(a, { info: { connectedBy: b } }),
        patch(b, { info: { connectedBy: a } }),
      ]);
      expect(replies.map((reply) => reply.status).sort()).toEqual([200, 409]);
    }
  });

  it('is not longer than a report can be followed', async () => {
    let last = await device();
    for (let depth = 1; depth <= 16; depth += 1) last = await device({ connectedBy: last });
    expect(summary(await post({ connectedBy: last }))).toEqual([409, 'DEVICE_CONNECTEDBY_CONFLICT']);
  });

  it('that changes moves the documents of the device and of all behind it', async () => {
    const [old, next] = [await device(), await device()];
    const moved = await device({ connectedBy: old });
    const behind = await device({ connectedBy: moved });
    for (const id of [moved, behind, next]) await published(api.pool, id, old);
    await patch(moved, { info: { connectedBy: next } });
    const { rows } = await api.pool.query<{ subject: string }>(
      `SELECT subject FROM outbox WHERE receiver = 'document' AND detail = 'firmware' AND subject = ANY($1)`,
      [[moved, behind, next, old]],
    );
    expect(rows.map((row) => row.subject).sort()).toEqual([moved, behind].sort());
  });
});

describe('the list of devices', () => {
  it('is filtered by comma lists that match any, and filters that all match', async () => {
    const other = (await api.call('POST', '/v1/device-types', { name: 'Other' })).body.data.id as string;
    const gateway = await device({ name: 'list-gateway', tags: ['list-a'] });
    const one = await device({
      name: 'list-one',
      tags: ['list-a', 'list-b'],
      connectedBy: gateway,
      deviceTypeId: other,
    });
    const two = await device({ name: 'list_50%\\two', tags: ['list-b'], connectedBy: gateway });
    const names = async (query: string) =>
      ((await api.call('GET', `/v1/devices?${query}`)).body.data as { id: string }[]).map((found) => found.id).sort();
    const sorted = (...ids: string[]) => [...ids].sort();
    expect(await names('tag=list-a')).toEqual(sorted(gateway, one));
    expect(await names('tag=list-a,list-b')).toEqual(sorted(gateway, one, two));
    expect(await names(`connectedBy=${gateway}`)).toEqual(sorted(one, two));
    expect(await names(`deviceTypeId=${other}&tag=list-b`)).toEqual([one]);
    expect(await names(`deviceId=${one},${two},${UNKNOWN_ID},no-uuid&connectedBy=${gateway.toUpperCase()}`)).toEqual(
      sorted(one, two),
    );
    expect(await names('name=list-*')).toEqual(sorted(gateway, one));
    expect(await names('name=list-one,list-g*y')).toEqual(sorted(gateway, one));
    expect(await names(`name=${encodeURIComponent('list_50%\\two')}`)).toEqual([two]);
    expect(await names(`name=${encodeURIComponent('list_50%')}`)).toEqual([]);
    const all = await names('pageSize=100');
    for (const empty of ['tag=', 'filter=', 'tag=,&name=&deviceId=&connectedBy=&deviceTypeId='])
      expect(await names(`pageSize=100&${empty}`)).toEqual(all);
  });

  it('is filtered by the filter language, together with the comma lists, over pages', async () => {
    const typed = (await api.call('POST', '/v1/device-types', { name: 'Filtered', model: 'C3PO' })).body.data
      .id as string;
    const gateway = await device({ name: 'filter gateway', deviceTypeId: typed });
    const one = await device({ name: 'filter 1', deviceTypeId: typed, tags: ['filter-a'], connectedBy: gateway });
    const made = await post(
      { name: 'filter 2', deviceTypeId: typed, tags: ['filter-b'], connectedBy: gateway },
      { custom: { site: 'store-17', floor: 3 } },
    );
    const two = made.body.data.id as string;
    const found = async (filter: string, more = '') =>
      (
        (await api.call('GET', `/v1/devices?filter=${encodeURIComponent(filter)}${more}`)).body.data as { id: string }[]
      ).map((row) => row.id);
    expect(await found('deviceType==C3PO')).toEqual([two, one, gateway]);
    expect(await found('deviceType==C3PO;tag==filter-*')).toEqual([two, one]);
    expect(await found('deviceType==C3PO;tag!=*')).toEqual([gateway]);
    expect(await found(`name=="filter 1" or site==store-17`)).toEqual([two, one]);
    expect(await found(`site==${gateway}`)).toEqual([one]);
    expect(await found('attribute.floor==3;attribute.site==store-*')).toEqual([two]);
    expect(await found('deviceType==C3PO;online==true')).toEqual([]);
    expect(await found('deviceType==C3PO', '&tag=filter-a,filter-b&name=*1')).toEqual([one]);
    expect(await found('id==*', `&deviceTypeId=${typed}`)).toEqual([two, one, gateway]);
    const first = await api.call('GET', `/v1/devices?filter=deviceType%3D%3DC3PO&pageSize=2`);
    const rest = await api.call(
      'GET',
      `/v1/devices?filter=deviceType%3D%3DC3PO&pageSize=2&cursor=${first.body.meta.nextCursor}`,
    );
    expect([...first.body.data, ...rest.body.data].map((row: { id: string }) => row.id)).toEqual([two, one, gateway]);
  });

  it.each([
    ['tag=a', 3, /^does not parse at position 3: "=" is no comparison/],
    ['tag==a;colour==red', 7, /"colour" is no field; there are id, name,/],
    ['lastSeenAt=gt=yesterday', 14, /expected an RFC 3339 time/],
    ['id==1', 4, /expected a UUID/],
    ['online==maybe', 8, /expected true or false/],
    ['(tag==a', 7, /the filter ends here/],
    [`name==${'a'.repeat(4_096)}`, 4_096, /at most 4096 characters/],
  ])('with a filter that does not parse is refused, with the place: %j', async (filter, position, detail) => {
    const reply = await api.call('GET', `/v1/devices?filter=${encodeURIComponent(filter)}`);
    expect(summary(reply)).toEqual([400, 'DEVICE_VALIDATION']);
    expect(reply.body.errors).toEqual([{ pointer: '/query/filter', position, detail: expect.stringMatching(detail) }]);
  });
});

describe('a device that is deleted', () => {
  it('is gone, and so are its aliases', async () => {
    const id = await device({ aliases: ['gone-1'] });
    expect((await api.call('DELETE', `/v1/devices/${id}`)).status).toBe(204);
    expect((await api.call('GET', `/v1/devices/${id}`)).status).toBe(404);
    expect((await post({ aliases: ['gone-1'] })).status).toBe(201);
  });

  it('must not be the gateway of others', async () => {
    const gateway = await device();
    const child = await device({ connectedBy: gateway });
    const refused = await api.call('DELETE', `/v1/devices/${gateway}`);
    expect(summary(refused)).toEqual([409, 'DEVICE_IN_USE']);
    expect(refused.body.devices).toEqual([child]);
  });

  it('leaves its children when it is a gateway and deleted by force; their installations continue behind another gateway', async () => {
    const [gateway, other] = [await device(), await device()];
    for (const id of [gateway, other]) await api.call('POST', `/v1/devices/${id}/credentials`, { type: 'password' });
    const child = await device({ connectedBy: gateway });
    const behind = await device({ connectedBy: child });
    const installation = await openInstallation(child);
    for (const id of [child, behind]) await published(api.pool, id, gateway);
    expect((await api.call('DELETE', `/v1/devices/${gateway}?force=true`)).status).toBe(204);
    expect((await api.call('GET', `/v1/devices/${gateway}`)).status).toBe(404);
    expect((await api.call('GET', `/v1/devices/${child}`)).body.data.info.connectedBy).toBeUndefined();
    expect((await api.call('GET', `/v1/devices/${behind}`)).body.data.info.connectedBy).toBe(child);
    expect(
      (await api.call('GET', `/v1/devices/${child}/firmware-installations/${installation}`)).body.data.completedAt,
    ).toBeUndefined();
    const { rows } = await api.pool.query<{ subject: string }>(
      `SELECT DISTINCT subject FROM outbox WHERE receiver = 'document' AND subject = ANY($1)`,
      [[child, behind]],
    );
    expect(rows.map((row) => row.subject).sort()).toEqual([child, behind].sort());
    expect((await patch(child, { info: { connectedBy: other } })).status).toBe(200);
  });

  it('by force is gone once, also where its children are patched and deleted at the same moment', async () => {
    for (let round = 0; round < 5; round += 1) {
      const gateway = await device();
      const [one, two] = [await device({ connectedBy: gateway }), await device({ connectedBy: gateway })];
      const replies = await Promise.all([
        api.call('DELETE', `/v1/devices/${gateway}?force=true`),
        patch(one, { info: { connectedBy: two } }),
        api.call('DELETE', `/v1/devices/${two}`),
        post({ connectedBy: gateway }),
      ]);
      expect([204, 409]).toContain(replies[0].status);
      expect(replies.filter((reply) => reply.status >= 500)).toEqual([]);
    }
  });

  it('must not have open installations, unless it is forced', async () => {
    const id = await device();
    const installation = await openInstallation(id);
    const refused = await api.call('DELETE', `/v1/devices/${id}`);
    expect(summary(refused)).toEqual([409, 'DEVICE_IN_USE']);
    expect(refused.body.installations).toEqual([installation]);
    expect((await api.call('DELETE', `/v1/devices/${id}?force=maybe`)).status).toBe(400);
    expect((await api.call('DELETE', `/v1/devices/${id}?force=true`)).status).toBe(204);
    const { rows } = await api.pool.query(`SELECT FROM outbox WHERE receiver = 'workflow' AND subject = $1`, [
      installation,
    ]);
    expect(rows).toHaveLength(1);
  });
});
