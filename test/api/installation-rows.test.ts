import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiWithFirmware, type Device } from './api-with-firmware.js';

let fleet: ApiWithFirmware;
const devices: Device[] = [];
beforeAll(async () => {
  fleet = await ApiWithFirmware.start('api_installation_rows');
  for (let n = 0; n < 6; n += 1) {
    const device = await fleet.register();
    devices.push(device);
    const id = await device.install();
    await device.install({ slot: 'bootloader', gate: 'hold' });
    if (n < 2) await device.report(id, { completedAt: new Date().toISOString() });
  }
}, 120_000);
afterAll(() => fleet.close());

const list = async (query: string) => {
  const { status, body } = await fleet.api.call('GET', `/v1/firmware-installations?${query}`);
  expect([query, status]).toEqual([query, 200]);
  return body as { data: Record<string, unknown>[]; meta: { itemsTotal: number; facets?: Facets } };
};
type Facets = Record<string, { value: string | null; count: number }[]>;

describe('Compact rows of installations', () => {
  it('have the members that were asked for, as the whole answer has them, up to 1,000 a page', async () => {
    const fields = 'id,deviceId,firmwareId,slot,state,rolloutId,requestedAt,waitingOn';
    const { data } = await list(`fields=${fields}&pageSize=1000`);
    expect(data.length).toBe(12);
    const whole = (await list('pageSize=100')).data;
    expect(data).toEqual(whole.map((one) => Object.fromEntries(fields.split(',').map((name) => [name, one[name]]))));
    expect(Object.keys((await list('fields=state')).data[0]!)).toEqual(['state']);
    for (const wrong of ['pageSize=101', 'pageSize=1001&fields=id', 'fields=colour', 'facets=colour'])
      expect((await fleet.api.call('GET', `/v1/firmware-installations?${wrong}`)).status).toBe(400);
  });
});

describe('Facets of installations', () => {
  it.each([
    '',
    'slot=firmware',
    'state=installed,superseded',
    `since=2020-01-01T00:00:00Z`,
    'until=2020-01-01T00:00:00Z',
  ])('are the counts over the rows that the filters find: %s', async (filter) => {
    const names = ['state', 'slot', 'firmwareId', 'rolloutId'];
    const { data } = await list(`${filter}&fields=${names.join(',')}&pageSize=1000`);
    const { meta } = await list(`${filter}&pageSize=1&facets=${names.join(',')}`);
    for (const name of names) {
      const counted = new Map<unknown, number>();
      for (const row of data) counted.set(row[name], (counted.get(row[name]) ?? 0) + 1);
      expect(new Map(meta.facets![name]!.map(({ value, count }) => [value, count]))).toEqual(counted);
    }
    expect(meta.itemsTotal).toBe(data.length);
  });

  it('of devices are counted between since and until, too', async () => {
    const { body } = await fleet.api.call('GET', '/v1/devices?until=2020-01-01T00:00:00Z&facets=online');
    expect(body.meta.facets).toEqual({ online: [] });
  });
});
