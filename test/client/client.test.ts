import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  connect,
  createDeviceType,
  deleteDeviceType,
  follow,
  getDeviceType,
  listDeviceTypes,
  listEvents,
  SlipwayError,
  type Client,
} from '../../client/index.js';
import { holdLease, type Fence } from '../../store/db/leases.js';
import { writeHistory } from '../../store/history/history.js';
import { until } from '../support/until.js';
import { seal } from '../../store/history/seal.js';
import { asService } from '../../store/db/transaction.js';
import { freePort } from '../../workers/embedded/ports.js';
import { startApi, type ApiUnderTest } from '../api/api-under-test.js';

let api: ApiUnderTest;
let client: Client;
let fence: Fence;
beforeAll(async () => {
  api = await startApi('client', { liveTimes: { heartbeatMs: 100, lifetimeMs: 300 } });
  fence = { name: 'bridge', holder: 'test', epoch: (await holdLease(api.pool, 'bridge', 'test', 3_600_000))! };
  client = connect({ url: `${api.url}/`, token: () => api.token });
});
afterAll(() => api.close());

/** What the bridge's leader does twice a second. */
async function sealed(): Promise<void> {
  while ((await seal(api.pool, fence)) > 0);
}

const type = (name: string) => ({ name, slots: { firmware: { name: 'Firmware' } } });

describe('The typed client', () => {
  it('creates, reads, lists and deletes', async () => {
    const { data: created } = await createDeviceType({ client, body: type('switch') });
    expect((await getDeviceType({ client, path: { id: created.id } })).data).toEqual(created);
    const { data, meta } = await listDeviceTypes({ client, query: { q: 'switch', pageSize: 1 } });
    expect([data.map(({ id }) => id), meta.itemsTotal]).toEqual([[created.id], 1]);
    await deleteDeviceType({ client, path: { id: created.id } });
    expect((await listDeviceTypes({ client })).data).toEqual([]);
  });

  it('throws the status, the code, the sentence and the faults of a refusal', async () => {
    const unknown = await getDeviceType({ client, path: { id: randomUUID() } }).catch((error: unknown) => error);
    expect(unknown).toBeInstanceOf(SlipwayError);
    expect(unknown).toMatchObject({ status: 404, code: 'DEVICETYPE_NOT_FOUND' });
    const refused = await createDeviceType({ client, body: { ...type('x'), communicationInterval: -1 } }).catch(
      (error: unknown) => error as SlipwayError,
    );
    expect(refused).toMatchObject({
      status: 400,
      problem: { errors: [{ pointer: '/communicationInterval' }] },
    });
  });

  it('says why there is no answer', async () => {
    const away = connect({ url: `http://127.0.0.1:${await freePort()}`, token: 'x' });
    await expect(listDeviceTypes({ client: away })).rejects.toMatchObject({
      status: 0,
      code: '',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('sends lists of values as comma lists', async () => {
    const query = { event: ['pause', 'resume'] };
    // The document has them as text; a list is what a program has at hand.
    expect(client.buildUrl({ url: '/v1/events', query })).toBe(`${api.url}/v1/events?event=pause,resume`);
    expect((await listEvents({ client, query: { event: 'pause,resume' } })).data).toEqual([]);
  });

  it('follows what happens over streams that end, and throws what another try does not change', async () => {
    const ending = new AbortController();
    const seen: number[] = [];
    const write = (n: number) =>
      asService(api.pool, (tx) =>
        writeHistory(tx, [
          { tenantId: 'default', at: 1_000 * n, event: 'created', data: { n }, rolloutId: randomUUID() },
        ]),
      );
    await write(1);
    await sealed();
    for await (const { id, event } of follow(client, { path: '/v1/events', after: 0, signal: ending.signal })) {
      expect(event).toBe('created');
      seen.push(Number(id));
      if (seen.length === 3) ending.abort();
      // Longer than a stream lives here: the next entry comes on another one.
      else
        await until('the end of the stream', () => api.live.readers === 0, 10_000).then(() => write(seen.length + 1));
      await sealed();
    }
    const first = seen[0]!;
    expect(seen).toEqual([first, first + 1, first + 2]);
    const stranger = connect({ url: api.url, token: 'slp_wrong' });
    await expect(follow(stranger, { path: '/v1/events' }).next()).rejects.toMatchObject({ status: 401 });
  }, 30_000);
});
