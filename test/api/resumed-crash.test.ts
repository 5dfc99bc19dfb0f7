import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { until } from '../support/until.js';
import { ApiProcess } from './api-process.js';
import { TusClient } from './resumed.js';

const MIB = 2 ** 20;
let api: ApiProcess;
beforeAll(async () => {
  api = await ApiProcess.prepare('api_resumed_crash');
  await api.start();
}, 60_000);
afterAll(() => api.remove());

it('An upload continues after the API was killed in the middle of it, in pieces and in the last one', async () => {
  const bytes = randomBytes(30 * MIB);
  const { data } = (await (await api.fetch('POST', '/v1/firmwares', { name: 'f' })).json()) as { data: { id: string } };
  const path = await new TusClient(api.url, api.token).begin(data.id, bytes.length);
  let at = 0;
  for (const kept of [8 * MIB, 16 * MIB]) {
    const sent = new TusClient(api.url, api.token).send(path, at, bytes.subarray(at));
    const settled = sent.catch(() => 'lost');
    await until('a piece is kept', async () => (await received()) >= kept);
    await api.end('SIGKILL');
    await settled;
    await api.start();
    at = await new TusClient(api.url, api.token).offset(path);
    expect(at).toBeGreaterThanOrEqual(kept);
  }
  const tus = new TusClient(api.url, api.token);
  if (at < bytes.length) expect((await tus.send(path, at, bytes.subarray(at))).status).toBe(204);
  expect(await tus.offset(path)).toBe(bytes.length);
  const shown = (await (await api.fetch('GET', `/v1/firmwares/${data.id}`)).json()) as { data: object };
  expect(shown.data).toMatchObject({
    state: 'ready',
    size: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  });
}, 120_000);

async function received(): Promise<number> {
  const { rows } = await api.pool.query<{ received: string }>('SELECT received FROM firmware_uploads');
  return Number(rows[0]!.received);
}
