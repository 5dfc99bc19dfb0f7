import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Facts } from '../support/facts.js';
import { startApi, type ApiUnderTest } from './api-under-test.js';

let api: ApiUnderTest;
let facts: Facts;
beforeAll(async () => {
  api = await startApi('api_slots');
  facts = await new Facts(api.pool).begin();
});
afterAll(() => api.close());

describe('the slots of a device', () => {
  it('are all slots of its type, empty as long as the device has not said what they hold', async () => {
    const device = await facts.device();
    const { status, body } = await api.call('GET', `/v1/devices/${device}/slots`);
    expect(status).toBe(200);
    expect(body.data).toEqual([
      { slot: 'bootloader', name: 'B', current: null, desired: null, queued: 0 },
      { slot: 'configuration', name: 'C', current: null, desired: null, queued: 0 },
      { slot: 'firmware', name: 'F', current: null, desired: null, queued: 0 },
    ]);
  });

  it('show what they hold and what is to come, the most urgent first', async () => {
    const device = await facts.device();
    const [now, next] = [await facts.firmware('b', '1.0.0'), await facts.firmware('c', '2.0.0')];
    await facts.hello(device, { firmware: { version: '1.0.0', sha256: 'b'.repeat(64) } });
    const path = `/v1/devices/${device}/firmware-installations`;
    const notBefore = new Date(Date.now() + 86_400_000).toISOString();
    await api.call('POST', path, { firmwareId: now, slot: 'firmware', notBefore });
    const urgent = await api.call('POST', path, { firmwareId: next, slot: 'firmware', priority: 5, notBefore });
    expect(urgent.status).toBe(201);
    const { body } = await api.call('GET', `/v1/devices/${device}/slots`);
    expect((body.data as { slot: string }[]).find((one) => one.slot === 'firmware')).toEqual({
      slot: 'firmware',
      name: 'F',
      queued: 1,
      current: {
        version: '1.0.0',
        sha256: 'b'.repeat(64),
        confirmed: true,
        reportedAt: expect.any(String),
      },
      desired: {
        installationId: urgent.body.data.id,
        firmwareId: next,
        name: 'switch',
        version: '2.0.0',
        sha256: 'c'.repeat(64),
        state: 'scheduled',
        executing: false,
      },
    });
  });
});

describe('a list that is short by its nature', () => {
  it('is paged like any other: twenty to a page where nothing else is asked for', async () => {
    const device = await facts.device();
    await api.pool.query(
      `INSERT INTO device_diagnostics (tenant_id, device_id, at, reason, detail) SELECT 'default', $1, now(), 'not_json', n::text FROM generate_series(1, 25) AS n`,
      [device],
    );
    const read = async (query: string): Promise<unknown[]> => {
      const { data, meta } = (await api.call('GET', `/v1/devices/${device}/last-diagnostics${query}`)).body as {
        data: { detail: string }[];
        meta: unknown;
      };
      return [data.map((one) => one.detail), meta];
    };
    const all = Array.from({ length: 25 }, (_, n) => String(25 - n));
    const pages = (pagesTotal: number) => ({ itemsTotal: 25, pagesTotal });
    expect(await read('')).toEqual([all.slice(0, 20), { page: 0, pageSize: 20, ...pages(2) }]);
    expect(await read('?page=1')).toEqual([all.slice(20), { page: 1, pageSize: 20, ...pages(2) }]);
    expect(await read('?pageSize=100')).toEqual([all, { page: 0, pageSize: 100, ...pages(1) }]);
    for (const path of ['slots', 'credentials', 'last-diagnostics']) {
      expect((await api.call('GET', `/v1/devices/${device}/${path}?page=0&pageSize=1`)).body.meta).toMatchObject({
        page: 0,
        pageSize: 1,
      });
      for (const query of ['pageSize=101', 'pageSize=0', 'page=-1', 'cursor=x'])
        expect([path, query, (await api.call('GET', `/v1/devices/${device}/${path}?${query}`)).status]).toEqual([
          path,
          query,
          400,
        ]);
    }
  });
});

describe('the last diagnostics of a device', () => {
  it('are the refused messages of the last hour, newest first', async () => {
    const device = await facts.device();
    const refused = (detail: string, age: string) =>
      api.pool.query(
        `INSERT INTO device_diagnostics (tenant_id, device_id, at, reason, detail, topic, payload) VALUES ('default', $1, now() - $2::interval, 'not_json', $3, 'slipway/v1/x', '{')`,
        [device, age, detail],
      );
    await refused('too old', '61 minutes');
    await refused('older', '59 minutes');
    await refused('newest', '0');
    const { body } = await api.call('GET', `/v1/devices/${device}/last-diagnostics`);
    expect(body.data).toEqual(
      ['newest', 'older'].map((detail) => ({
        at: expect.any(String),
        reason: 'not_json',
        detail,
        topic: 'slipway/v1/x',
        payload: '{',
      })),
    );
  });

  it('of an unknown device are empty', async () => {
    expect(
      (await api.call('GET', '/v1/devices/0d8cba4e-0c43-4c1e-8a3f-7d3c2d0c9d01/last-diagnostics')).body.errorCode,
    ).toBe('DEVICE_NOT_FOUND');
    expect((await api.call('GET', '/v1/devices/x/slots')).body.errorCode).toBe('DEVICE_NOT_FOUND');
  });
});
