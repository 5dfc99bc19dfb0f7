import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../support/until.js';
import { startApi, type ApiUnderTest, type Reply } from './api-under-test.js';

let api: ApiUnderTest;
let type: string;
beforeAll(async () => {
  api = await startApi('bulk limits', { runsJobs: true });
  type = (await api.call('POST', '/v1/device-types', { name: 'Switch', slots: {} })).body.data.id as string;
}, 60_000);
afterAll(() => api.close());

interface Job {
  state: string;
  done: number;
  failed: number;
  errors: { line: number; pointer: string; detail: string }[];
}

async function ended(reply: Reply): Promise<Job> {
  expect(reply.status).toBe(202);
  return until(
    'the job ends',
    async () => {
      const { data } = (await api.call('GET', `/v1/jobs/${(reply.body.data as { id: string }).id}`)).body as {
        data: Job;
      };
      return ['done', 'failed'].includes(data.state) ? data : undefined;
    },
    60_000,
  );
}

describe('An attribute that is set in bulk', () => {
  it('does not grow a device without bound: what would be too large gets none, and is said', async () => {
    const make = async (name: string) =>
      (await api.call('POST', '/v1/devices', { info: { name, deviceTypeId: type } })).body.data.id as string;
    const [large] = [await make('large'), await make('small')];
    const set = async (key: string, filter: string) =>
      ended(
        await api.call('POST', '/v1/devices/bulk', { action: 'setAttribute', key, value: 'x'.repeat(300_000), filter }),
      );
    for (const key of ['a', 'b', 'c']) expect(await set(key, 'name==large')).toMatchObject({ done: 1, failed: 0 });
    const job = await set('d', 'name=in=(large,small)');
    expect(job).toMatchObject({ state: 'done', done: 1, failed: 1 });
    expect(job.errors[0]!.detail).toBe(`device ${large} would have more than 1048576 bytes of attributes`);
    const { custom } = (await api.call('GET', `/v1/devices/${large}`)).body.data as { custom: object };
    expect(Object.keys(custom)).toEqual(['a', 'b', 'c']);
    const remove = { action: 'setAttribute', key: 'a', value: null, filter: 'name==large' };
    expect(await ended(await api.call('POST', '/v1/devices/bulk', remove))).toMatchObject({ done: 1, failed: 0 });
    expect(await set('d', 'name==large')).toMatchObject({ done: 1, failed: 0 });
  }, 120_000);
});

describe('A number in a CSV file', () => {
  it.each([
    ['custom.serial', '12345678901234567890', /^custom\.serial is a number beyond 2\^53 - 1/],
    ['custom.serial', '1e-400', /^custom\.serial is a number so small/],
    ['custom.serial', '1e400', /^custom\.serial is a number out of range/],
    ['custom', '"{""a"":[9007199254740993]}"', /^custom \/a\/0 is a number beyond 2\^53 - 1/],
  ])('is not changed in silence: %s of %s', async (column, cell, detail) => {
    const reply = await api.call('POST', '/v1/devices/import', `name,deviceTypeId,${column}\nx,${type},${cell}\n`, {
      'content-type': 'text/csv',
    });
    const job = await ended(reply);
    expect(job).toMatchObject({ state: 'failed', done: 0 });
    expect(job.errors[0]!.detail).toMatch(detail);
  });
});
