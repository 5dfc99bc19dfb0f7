import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startApi, type ApiUnderTest } from './api-under-test.js';

let api: ApiUnderTest;
const names: string[] = [];
beforeAll(async () => {
  api = await startApi('api_paging');
  for (let i = 0; i < 25; i += 1)
    names.unshift((await api.call('POST', '/v1/device-types', { name: `type ${i}` })).body.data.name as string);
});
afterAll(() => api.close());

const read = async (query: string) =>
  (await api.call('GET', `/v1/device-types?${query}`)).body as {
    data: { name: string }[];
    meta: { page: number; pageSize: number; nextCursor?: string };
  };

describe('a list', () => {
  it('has twenty to a page, newest first, and counts pages from 0', async () => {
    const first = await read('');
    expect(first.data.map((one) => one.name)).toEqual(names.slice(0, 20));
    expect(first.meta).toEqual({
      page: 0,
      pageSize: 20,
      itemsTotal: 25,
      pagesTotal: 2,
      nextCursor: expect.any(String),
    });
    const second = await read('page=1');
    expect(second.data.map((one) => one.name)).toEqual(names.slice(20));
    expect(second.meta).toEqual({ page: 1, pageSize: 20, itemsTotal: 25, pagesTotal: 2 });
    expect((await read('page=2')).data).toEqual([]);
    expect((await read('page=4&pageSize=5')).data.map((one) => one.name)).toEqual(names.slice(20));
  });

  it('is read to its end by the cursor, each row once, although rows are added meanwhile', async () => {
    const seen: string[] = [];
    let cursor = '';
    for (let turn = 0; turn < 10; turn += 1) {
      const page = await read(`pageSize=7${cursor === '' ? '' : `&cursor=${cursor}`}`);
      seen.push(...page.data.map((one) => one.name));
      await api.call('POST', '/v1/device-types', { name: 'came later' });
      if (page.meta.nextCursor === undefined) break;
      cursor = page.meta.nextCursor;
    }
    expect(seen).toEqual(names);
  });

  it('of rows that were made at the same instant loses none', async () => {
    await api.pool.query(
      `INSERT INTO device_types (tenant_id, id, name, created_at) SELECT 'default', gen_random_uuid(), 'twin ' || n, '2020-01-01T00:00:00.123456Z' FROM generate_series(1, 9) AS n`,
    );
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await read(`pageSize=2${cursor === undefined ? '' : `&cursor=${cursor}`}`);
      seen.push(...page.data.map((one) => one.name).filter((name) => name.startsWith('twin')));
      cursor = page.meta.nextCursor;
    } while (cursor !== undefined);
    expect(seen.sort()).toEqual(Array.from({ length: 9 }, (_, i) => `twin ${i + 1}`));
  });
});
