import { randomBytes, randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { writeHistory } from '../../store/history/history.js';
import { holdLease, type Fence } from '../../store/db/leases.js';
import { seal } from '../../store/history/seal.js';
import { asService } from '../../store/db/transaction.js';
import { until } from '../support/until.js';
import { startApi, type ApiUnderTest, type Reply } from './api-under-test.js';
import { Listening } from './listening.js';
import { uploaded } from './upload.js';

let api: ApiUnderTest;
let firmware: string;
let fence: Fence;
const devices: string[] = [];
const open: Listening[] = [];
beforeAll(async () => {
  api = await startApi('api_live_events', { liveTimes: { heartbeatMs: 300, lifetimeMs: 600_000 } });
  fence = { name: 'bridge', holder: 'test', epoch: (await holdLease(api.pool, 'bridge', 'test', 3_600_000))! };
  const type = (await api.call('POST', '/v1/device-types', { name: 'Switch', slots: { firmware: { name: 'F' } } })).body
    .data.id as string;
  firmware = await uploaded(api, randomBytes(1000));
  await api.call('POST', `/v1/device-types/${type}/slots/firmware/firmware-associations`, { firmwareId: firmware });
  for (let n = 0; n < 3; n += 1)
    devices.push(
      (await api.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId: type } })).body.data.id as string,
    );
}, 60_000);
afterEach(() => {
  for (const one of open.splice(0)) one.leave();
});
afterAll(() => api.close());

async function listens(path: string, headers: Record<string, string> = {}, token = api.token): Promise<Listening> {
  const listening = await Listening.to(api.url + path, token, headers);
  open.push(listening);
  return listening;
}

async function created(): Promise<string> {
  return (
    await api.call('POST', '/v1/rollouts', {
      name: 'r',
      steps: [{ slot: 'firmware', firmwareId: firmware }],
      targets: { deviceIds: devices },
    })
  ).body.data.id as string;
}

/** What the bridge's leader does twice a second. */
async function sealed(): Promise<void> {
  while ((await seal(api.pool, fence)) > 0);
}

const ask = (id: string, command: string, body?: unknown): Promise<Reply> =>
  api.call('POST', `/v1/rollouts/${id}/${command}`, body);
const write = (count: number, data: Record<string, unknown> = {}, tenantId = 'default') =>
  asService(api.pool, (tx) =>
    writeHistory(
      tx,
      Array.from({ length: count }, (_, n) => ({
        tenantId,
        deviceId: devices[0]!,
        at: Date.now(),
        event: 'slot',
        data: { n, ...data },
      })),
    ),
  );
const newest = async () =>
  Number((await api.pool.query(`SELECT max(number) AS n FROM history WHERE tenant_id = 'default'`)).rows[0].n ?? 0);
/** Of the events between: what people did has numbers too, and is in no stream. */
const numbers = async (after: number, upTo: number) =>
  (
    await api.pool.query<{ number: string }>(
      `SELECT number FROM history WHERE tenant_id = 'default' AND number > $1 AND number <= $2 AND event <> 'audit' ORDER BY number`,
      [after, upTo],
    )
  ).rows.map(({ number }) => Number(number));

describe('The stream of a rollout', () => {
  it('starts with the counters of the rollout, then sends new history entries by their numbers', async () => {
    const id = await created();
    await sealed();
    const stream = await listens(`/v1/rollouts/${id}/events`);
    expect([stream.status, stream.headers.get('content-type'), stream.headers.get('cache-control')]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
      'no-store',
    ]);
    await stream.hears('how it stands', (heard) => heard.length > 0);
    expect(stream.heard[0]).toMatchObject({
      event: 'counters',
      data: {
        phase: 'draft',
        version: 1,
        eta: expect.any(String),
        pauses: [],
        counters: { pending: 3 },
        groups: [
          {
            name: 'canary',
            state: 'pending',
            size: 1,
            counters: { pending: 1 },
            gate: { verdict: 'wait', because: 'the group has not opened', bound: null },
          },
          { name: 'early' },
          { name: 'rest' },
        ],
      },
    });
    await ask(id, 'start');
    await ask(id, 'pause', { reason: 'the vendor called' });
    await write(3); // of devices: not about the rollout
    await sealed();
    await stream.hears(
      'the commands',
      (heard) =>
        heard.some(({ event }) => event === 'pause') && heard.filter(({ event }) => event === 'counters').length > 1,
    );
    expect(stream.heard.filter(({ id: number }) => number !== undefined)).toMatchObject([
      { event: 'start', data: { event: 'start', data: { version: 1 } } },
      { event: 'pause', data: { data: { because: 'the vendor called' } } },
    ]);
    expect(stream.of('counters').at(-1)!.data).toMatchObject({
      phase: 'paused',
      because: expect.stringContaining('the vendor called'),
    });
    const page = (await api.call('GET', `/v1/rollouts/${id}/events`)).body.data as { number: number }[];
    expect(stream.ids).toEqual(page.slice(1).map(({ number }) => number));
  });

  it('resumes after Last-Event-ID without a gap and without repetition, and from the beginning with after=0', async () => {
    const id = await created();
    await ask(id, 'start');
    for (let n = 0; n < 3; n += 1) await ask(id, 'pause').then(() => ask(id, 'resume', { reason: 'operator' }));
    await sealed();
    const all = ((await api.call('GET', `/v1/rollouts/${id}/events`)).body.data as { number: number }[]).map(
      ({ number }) => number,
    );
    const whole = await listens(`/v1/rollouts/${id}/events?after=0`);
    await whole.hears('everything', () => whole.ids.length === all.length);
    const resumed = await listens(`/v1/rollouts/${id}/events?after=0`, { 'Last-Event-ID': String(all[4]) });
    await resumed.hears('the rest', () => resumed.ids.length === all.length - 5);
    expect([whole.ids, resumed.ids]).toEqual([all, all.slice(5)]);
  });

  it('sends its counters at most once a second, however often they change', async () => {
    const id = await created();
    await ask(id, 'start');
    const stream = await listens(`/v1/rollouts/${id}/events`);
    await stream.hears('how it stands', () => stream.of('counters').length > 0);
    const began = Date.now();
    do await ask(id, 'pause').then(() => ask(id, 'resume', { reason: 'operator' }));
    while (Date.now() - began < 2_500);
    await ask(id, 'pause', { reason: 'the last one' });
    await stream.hears('the last change', () => /the last one/.test(stream.of('counters').at(-1)!.data.because));
    expect(stream.of('counters').length).toBeLessThanOrEqual(2 + Math.ceil((Date.now() - began) / 1_000));
  });

  it('ends with the rollout after the last entry; a reconnect gets 204', async () => {
    const id = await created();
    await sealed();
    const stream = await listens(`/v1/rollouts/${id}/events?after=0`);
    await ask(id, 'abort', { reason: 'wrong version' });
    // what its process does, as nothing is open
    await api.pool.query('UPDATE rollouts SET closed_at = now() WHERE id = $1', [id]);
    await stream.hears('the abort in its counters', () => stream.of('counters').at(-1)?.data.phase === 'aborted');
    expect(stream.over).toBeUndefined(); // the last entry is not sealed
    await sealed();
    await until('the stream ends', () => stream.over === 'ended');
    expect(stream.heard.at(-1)).toMatchObject({
      event: 'end',
      data: { phase: 'aborted', because: expect.stringContaining('wrong version') },
    });
    expect(stream.ids).toHaveLength(2);
    expect((await listens(`/v1/rollouts/${id}/events`, { 'Last-Event-ID': String(stream.ids.at(-1)) })).status).toBe(
      204,
    );
    const late = await listens(`/v1/rollouts/${id}/events`, { 'Last-Event-ID': String(stream.ids[0]) });
    await until('what was missed, and the end', () => late.over === 'ended');
    expect([late.ids, late.heard.at(-1)!.event]).toEqual([stream.ids.slice(1), 'end']);
  });

  it('is refused for an invalid Last-Event-ID, and for other tenants', async () => {
    const id = await created();
    const path = `/v1/rollouts/${id}/events`;
    expect((await listens(path, { 'Last-Event-ID': 'x' })).status).toBe(400);
    expect((await listens(`${path}?cursor=MQ`)).status).toBe(400);
    expect((await api.call('GET', `${path}?after=1`)).status).toBe(400);
    expect((await listens(path, {}, (await api.as({ tenantId: 'other' })).token)).status).toBe(404);
    expect((await listens(path, {}, 'wrong')).status).toBe(401);
  });
});

describe('The stream of a tenant', () => {
  it('sends all entries of the tenant in sealed order, none of another tenant; pages show the same', async () => {
    await sealed();
    const before = await newest();
    const [stream, stranger] = [
      await listens('/v1/events'),
      await listens('/v1/events', {}, (await api.as({ tenantId: 'strange' })).token),
    ];
    await write(5);
    await write(2, {}, 'strange');
    const id = await created();
    await sealed();
    await stream.hears('the rollout', (heard) =>
      heard.some(({ event, data }) => event === 'created' && data.rolloutId === id),
    );
    await stranger.hears('its own', () => stranger.ids.length === 2);
    const upTo = await newest();
    expect(stream.ids).toEqual(await numbers(before, upTo));
    expect(stream.heard[0]).toMatchObject({
      id: before + 1,
      event: 'slot',
      data: { number: before + 1, deviceId: devices[0], data: { n: 0 } },
    });
    expect(stranger.ids).toEqual([1, 2]);
    const first = await api.call('GET', `/v1/events?after=${before}&pageSize=4`);
    const second = await api.call('GET', `/v1/events?cursor=${first.body.meta.nextCursor as string}`);
    expect([...first.body.data, ...second.body.data]).toEqual(stream.heard.map(({ data }): unknown => data));
  });

  it('has no gap and no repetition for a reader that goes and comes again while more is written than fits into a page', async () => {
    await sealed();
    const before = await newest();
    let writing = true;
    const written = (async () => {
      for (let n = 0; n < 12; n += 1) await write(250).then(sealed);
      writing = false;
    })();
    const steady = await listens(`/v1/events?after=${before}`);
    const heard: number[] = [];
    while (writing || (heard.at(-1) ?? before) < before + 3_000) {
      const part = await listens('/v1/events', { 'Last-Event-ID': String(heard.at(-1) ?? before) });
      await part.hears('something', () => part.ids.length > 0);
      part.leave();
      await until('it is gone', () => part.over !== undefined);
      heard.push(...part.ids);
    }
    await written;
    await steady.hears('everything', () => steady.ids.length === 3_000);
    expect(steady.ids).toEqual(await numbers(before, before + 3_000));
    expect(heard).toEqual(steady.ids);
  });

  it('is kept alive by a comment, and ends after its time, so that the token is asked for again', async () => {
    const stream = await listens('/v1/events');
    await until('heartbeats', () => stream.comments > 1);
    const short = await startApi('api_live_events_short', { liveTimes: { heartbeatMs: 50, lifetimeMs: 200 } });
    try {
      const ending = await Listening.to(`${short.url}/v1/events`, short.token);
      await until('it ends', () => ending.over === 'ended');
    } finally {
      await short.close();
    }
  });

  it('gives a reader that reconnects all that it missed, also while heartbeats are due', async () => {
    const hasty = await startApi('api_live_events_hasty', { liveTimes: { heartbeatMs: 1, lifetimeMs: 600_000 } });
    try {
      const own = {
        name: 'bridge',
        holder: 'test',
        epoch: (await holdLease(hasty.pool, 'bridge', 'test', 3_600_000))!,
      };
      const entries = Array.from({ length: 300 }, () => ({
        tenantId: 'default',
        at: Date.now(),
        event: 'slot' as const,
        data: { more: 'x'.repeat(16_000) },
      }));
      await asService(hasty.pool, (tx) => writeHistory(tx, entries));
      while ((await seal(hasty.pool, own)) > 0);
      const stream = await Listening.to(`${hasty.url}/v1/events`, hasty.token, { 'Last-Event-ID': '0' });
      await until('it hears everything', () => stream.ids.length >= 300 || stream.over !== undefined, 40_000);
      expect([stream.over, stream.ids]).toEqual([undefined, entries.map((_, n) => n + 1)]);
      stream.leave();
    } finally {
      await hasty.close();
    }
  }, 90_000);

  it('needs the permissions of all entries', async () => {
    expect((await api.call('GET', '/v1/events')).status).toBe(200);
    expect((await listens('/v1/events', {}, (await api.as({ role: 'reader' })).token)).status).toBe(200);
  });
});

describe('Many readers', () => {
  it('cost the database no more than one, and each of 500 receives everything', async () => {
    await sealed();
    let asked = 0;
    const count = () => (asked += 1);
    const id = await created();
    const streams = await Promise.all(
      Array.from({ length: 500 }, (_, n) => listens(n % 2 === 0 ? '/v1/events' : `/v1/rollouts/${id}/events`)),
    );
    await until('all are there', () => api.live.readers === 500);
    await sealed();
    await until('each heard of the rollout', () => streams.every((one) => one.of('created').length === 1));
    const before = await newest();
    api.pool.on('acquire', count);
    const began = performance.now();
    for (let n = 0; n < 4; n += 1) {
      await write(50);
      await ask(id, n % 2 === 0 ? 'start' : 'pause');
      await sealed();
    }
    const upTo = (await numbers(before, await newest())).at(-1)!;
    await until('each heard everything', () =>
      streams.every((one, n) => (n % 2 === 0 ? one.ids.at(-1) === upTo : one.of('pause').length > 0)),
    );
    api.pool.off('acquire', count);
    const seconds = (performance.now() - began) / 1_000;
    expect(streams[0]!.ids.filter((number) => number > before)).toEqual(await numbers(before, upTo));
    expect(streams[498]!.ids.slice(-204)).toEqual(streams[0]!.ids.slice(-204));
    // Two looks for what is new, what is new, and the counters, each second; the rest is what this test asks for
    // itself.
    expect(asked).toBeLessThan(40 + 8 * seconds);
    for (const one of open.splice(0)) one.leave();
    await until('all are gone', () => api.live.readers === 0);
  }, 60_000);

  it('do not wait for a slow one: it is disconnected, and gets what it missed when it reconnects', async () => {
    await sealed();
    const before = await newest();
    const slow = await silent('/v1/events');
    const quick = [await listens('/v1/events'), await listens('/v1/events')];
    await until('all are there', () => api.live.readers === 3);
    const more = { more: 'x'.repeat(16_000) };
    for (let n = 0; n < 12 && api.live.readers === 3; n += 1) {
      await write(100, more);
      await sealed();
      const upTo = await newest();
      await until('the quick ones hear it', () => quick.every((one) => one.ids.at(-1) === upTo));
    }
    await until('the slow one is cut off', () => api.live.readers === 2);
    slow.destroy();
    const again = await listens('/v1/events', { 'Last-Event-ID': String(before) });
    // Up to 19 MB, on a machine that may be busy with other things.
    await until('it hears everything', () => again.ids.at(-1) === quick[0]!.ids.at(-1), 40_000);
    expect(again.ids).toEqual(quick[0]!.ids);
    expect(quick.map(({ over }) => over)).toEqual([undefined, undefined]);
  }, 90_000);
});

/** A client that asks and then takes nothing. */
async function silent(path: string): Promise<Socket> {
  const { hostname, port } = new URL(api.url);
  const socket = connect({ host: hostname, port: Number(port) });
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.on('error', () => undefined);
  socket.pause();
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: ${randomUUID()}\r\nAuthorization: Bearer ${api.token}\r\nAccept: text/event-stream\r\n\r\n`,
  );
  return socket;
}
