import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiProcess } from './api-process.js';
import { until } from '../support/until.js';

let api: ApiProcess;
let device: string;
let firmware: string;
beforeAll(async () => {
  api = await ApiProcess.prepare('api_crash');
  await api.start();
  const made = async (path: string, body: unknown): Promise<string> =>
    ((await (await api.fetch('POST', path, body)).json()) as { data: { id: string } }).data.id;
  const type = await made('/v1/device-types', { name: 'Switch', slots: { firmware: { name: 'F' } } });
  firmware = await made('/v1/firmwares', { name: 'f' });
  await fetch(`${api.url}/v1/firmwares/${firmware}/blob`, {
    method: 'POST',
    body: 'bytes',
    headers: { authorization: `Bearer ${api.token}`, 'content-type': 'application/octet-stream' },
  });
  await made(`/v1/device-types/${type}/slots/firmware/firmware-associations`, { firmwareId: firmware });
  device = await made('/v1/devices', { info: { name: 'd', deviceTypeId: type } });
});
afterAll(() => api.remove());

const install = (key: string): Promise<Response> =>
  api.fetch(
    'POST',
    `/v1/devices/${device}/firmware-installations`,
    { firmwareId: firmware, slot: 'firmware' },
    { 'idempotency-key': key },
  );
const installations = async (): Promise<number> =>
  (await api.pool.query<{ n: number }>('SELECT count(*)::int AS n FROM installations')).rows[0]!.n;

describe('a POST with an Idempotency-Key, when the API is killed', () => {
  it('gets the first answer again after the restart', async () => {
    const first = await (await install('before')).text();
    await api.end('SIGKILL');
    await api.start();
    const again = await install('before');
    expect([again.status, await again.text(), again.headers.get('idempotent-replayed')]).toEqual([201, first, 'true']);
  });

  it('in the middle of it, is done when it is repeated: effect and answer are one transaction', async () => {
    const before = await installations();
    const holder = await api.pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT FROM devices WHERE id = $1 FOR UPDATE', [device]);
      const lost = install('middle').then(
        () => 'answered',
        () => 'lost',
      );
      await until(
        'the request waits for the device',
        async () =>
          (
            await api.pool.query(
              `SELECT FROM pg_stat_activity WHERE application_name = 'slipway-api' AND wait_event_type = 'Lock' AND datname = current_database()`,
            )
          ).rowCount,
      );
      await api.end('SIGKILL');
      expect(await lost).toBe('lost');
    } finally {
      await holder.query('ROLLBACK');
      holder.release();
    }
    await api.start();
    expect(await installations()).toBe(before);
    expect((await install('middle')).status).toBe(201);
    expect(await installations()).toBe(before + 1);
  });

  it('at any moment, is done once in the end', async () => {
    const before = await installations();
    const keys = Array.from({ length: 30 }, () => randomUUID());
    let answered = 0;
    const sent = keys.map(async (key) => {
      const { status } = await install(key);
      if (status === 201) answered += 1;
    });
    const outcomes = Promise.allSettled(sent);
    await until('some are answered', () => answered >= 5);
    await api.end('SIGKILL');
    await outcomes;
    await api.start();
    const again = await Promise.all(keys.map(install));
    expect(again.map(({ status }) => status)).toEqual(keys.map(() => 201));
    expect(
      new Set(
        (await Promise.all(again.map((one) => one.json()))).map((one) => (one as { data: { id: string } }).data.id),
      ).size,
    ).toBe(keys.length);
    expect(await installations()).toBe(before + keys.length);
  });
});
