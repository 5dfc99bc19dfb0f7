import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiWithFirmware, type Device } from './api-with-firmware.js';

const TAGS = ['north', 'south', 'lab'];
const VERSIONS = ['1.0.0', '1.4.0', null];

interface Row {
  id: string;
  name: string;
  online: boolean;
  versions: Record<string, string | null>;
  installation: { id: string; slot: string; state: string; waitingOn: string } | null;
}
type Facets = Record<string, { value: string | null; count: number }[]>;

let fleet: ApiWithFirmware;
const devices: Device[] = [];
let queued: string;
let first: string;
beforeAll(async () => {
  fleet = await ApiWithFirmware.start('api_device_rows');
  for (let n = 0; n < 24; n += 1) devices.push(await fleet.register());
  const { pool } = fleet.api;
  for (const [n, { id }] of devices.entries()) {
    const tags = TAGS.filter((_, at) => (n >> at) % 2 === 1);
    await fleet.api.call('PATCH', `/v1/devices/${id}`, { info: { name: `d ${n}`, tags } });
    await pool.query(`UPDATE devices SET online = $2 WHERE id = $1`, [id, n % 5 === 0]);
    if (n % 4 < 3)
      await pool.query(
        `INSERT INTO device_slots (tenant_id, device_id, slot, version, reported_by)
         VALUES ('default', $1::uuid, 'firmware', $2, 'device')`,
        [id, VERSIONS[n % 4]],
      );
  }
  first = await devices[0]!.install();
  queued = await devices[0]!.install({ slot: 'bootloader' });
}, 120_000);
afterAll(() => fleet.close());

async function list(query: string): Promise<{ rows: Row[]; facets: Facets; itemsTotal: number }> {
  const { status, body } = await fleet.api.call('GET', `/v1/devices?${query}`);
  expect([query, status]).toEqual([query, 200]);
  return { rows: body.data as Row[], facets: body.meta.facets as Facets, itemsTotal: body.meta.itemsTotal as number };
}

describe('Compact rows of devices', () => {
  it('have the members that were asked for, and no other', async () => {
    const [row] = (await list('fields=id,online&sort=createdAt&pageSize=1')).rows;
    expect(row).toEqual({ id: devices[0]!.id, online: true });
    const [named] = (await list('fields=name,versions&sort=createdAt&pageSize=1')).rows;
    expect(named).toEqual({ name: 'd 0', versions: { firmware: '1.0.0' } });
  });

  it('name the open installation that has its turn, with what it waits for', async () => {
    const { rows } = await list('fields=id,installation&pageSize=1000');
    expect(rows.length).toBe(devices.length);
    const { installation } = rows.find(({ id }) => id === devices[0]!.id)!;
    expect([first, queued]).toContain(installation!.id);
    const whole = await devices[0]!.call('GET', `/${installation!.id}`);
    expect(installation).toMatchObject({ state: whole.body.data.state, waitingOn: whole.body.data.waitingOn });
    expect(rows.filter((row) => row.installation !== null).length).toBe(1);
  });

  it('are up to 1,000 a page; whole devices are up to 100', async () => {
    const { status, body } = await fleet.api.call('GET', '/v1/devices?pageSize=101');
    expect([status, body.errors]).toMatchObject([400, [{ pointer: '/query/pageSize' }]]);
    expect((await fleet.api.call('GET', '/v1/devices?pageSize=1001&fields=id')).status).toBe(400);
    expect((await fleet.api.call('GET', '/v1/devices?fields=colour')).body.errors).toMatchObject([
      { pointer: expect.stringMatching(/^\/query\/fields/) },
    ]);
  });

  it('are walked by cursor, each device once', async () => {
    const seen: string[] = [];
    let cursor = '';
    do {
      const { body } = await fleet.api.call('GET', `/v1/devices?fields=id&sort=name&pageSize=7${cursor}`);
      seen.push(...(body.data as Row[]).map(({ id }) => id));
      cursor = body.meta.nextCursor === undefined ? '' : `&cursor=${body.meta.nextCursor}`;
    } while (cursor !== '');
    expect(seen.sort()).toEqual(devices.map(({ id }) => id).sort());
  });
});

describe('Facets of devices', () => {
  it.each(['', 'tag=north', 'filter=online==true', 'filter=slot.firmware.version==1.4.0;tag==lab'])(
    'agree with the rows that "%s" finds',
    async (filter) => {
      const names = 'deviceType,online,tag,connectedBy,slot.firmware.version';
      const { facets, itemsTotal } = await list(`${filter}&pageSize=1&facets=${names}`);
      const { rows } = await list(`${filter}&pageSize=1000&fields=id,online,versions`);
      expect(itemsTotal).toBe(rows.length);
      const counted = (values: (string | null)[]) => {
        const counts = new Map<string | null, number>();
        for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
        return counts;
      };
      const told = (name: string) => new Map(facets[name]!.map(({ value, count }) => [value, count]));
      expect(Object.keys(facets)).toEqual(names.split(','));
      expect(told('online')).toEqual(counted(rows.map(({ online }) => String(online))));
      expect(told('slot.firmware.version')).toEqual(counted(rows.map(({ versions }) => versions['firmware'] ?? null)));
      expect(told('connectedBy')).toEqual(counted(rows.map(() => null)));
      expect([...told('deviceType').values()]).toEqual(rows.length === 0 ? [] : [rows.length]);
      const tags: (string | null)[] = [];
      for (const { id } of rows) {
        const own = (await fleet.api.call('GET', `/v1/devices/${id}`)).body.data.info.tags as string[];
        tags.push(...(own.length === 0 ? [null] : own));
      }
      expect(told('tag')).toEqual(counted(tags));
      const counts = facets['tag']!.map(({ count }) => count);
      expect(counts).toEqual([...counts].sort((a, b) => b - a));
    },
  );

  it('of a field that cannot be counted are refused', async () => {
    const { status, body } = await fleet.api.call('GET', '/v1/devices?facets=colour');
    expect([status, body.errors]).toMatchObject([
      400,
      [{ detail: 'must be deviceType, online, tag, connectedBy or slot.<name>.version' }],
    ]);
  });

  it('are counted between since and until, too', async () => {
    expect((await list('until=2020-01-01T00:00:00Z&facets=online')).facets).toEqual({ online: [] });
    expect((await list('since=2020-01-01T00:00:00Z&facets=online')).facets['online']!.length).toBe(2);
  });
});
