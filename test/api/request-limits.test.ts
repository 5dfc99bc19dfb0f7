import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { listen } from '../../api/http/listener.js';
import { networkOf, Rates } from '../../api/http/rates.js';
import { sparingLookups } from '../../api/auth/spared-lookups.js';
import type { Principal } from '../../api/http/route.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { createTestDatabase } from '../support/database.js';
import { until } from '../support/until.js';
import { startApi, type ApiUnderTest } from './api-under-test.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let api: ApiUnderTest;
beforeAll(async () => {
  database = await createTestDatabase('request_limits');
  pool = openPool({ databaseUrl: database.url, name: 'limits-test', max: 4 });
  // Ten seconds' worth may come at once: 20 of one principal, 40 of one address.
  api = await startApi('request_limits_own', {
    rates: { perPrincipal: 120, perAddress: 240 },
    trustedProxies: ['127.0.0.1'],
  });
});
afterAll(async () => {
  await api.close();
  await pool.end();
  await database.drop();
});

let last = 0;
/** A request from an address of its own: the test stands for the balancer. */
const from = (address: string) => ({ 'x-forwarded-for': address });
const fresh = () => `10.9.${Math.floor((last += 1) / 250)}.${last % 250}`;

describe('Requests of one principal', () => {
  it('beyond its rate are 429 REQUEST_RATE with Retry-After; others go on, and so does it later', async () => {
    let taken = 0;
    const refused = await until(
      'it is refused',
      async () => {
        const replies = await Promise.all(
          Array.from({ length: 10 }, () => api.call('GET', '/v1/device-types', undefined, from(fresh()))),
        );
        taken += replies.filter(({ status }) => status === 200).length;
        return replies.find(({ status }) => status === 429);
      },
      30_000,
    );
    expect(taken).toBeGreaterThanOrEqual(20);
    expect(refused.body).toMatchObject({ errorCode: 'REQUEST_RATE', retryAfter: 1 });
    expect(refused.headers.get('retry-after')).toBe('1');
    const other = await api.as({ name: 'other' });
    expect((await other.call('GET', '/v1/device-types', undefined, from(fresh()))).status).toBe(200);
    await until(
      'it may again',
      async () => (await api.call('GET', '/v1/device-types', undefined, from(fresh()))).status === 200,
    );
  });
});

describe('Requests of one address', () => {
  it('beyond its rate are 429 before the token is looked at; health and metrics have no limit', async () => {
    const address = fresh();
    let unknown = 0;
    const statusOf = async () => {
      const reply = await fetch(`${api.url}/v1/devices`, { headers: from(address) });
      await reply.arrayBuffer();
      unknown += Number(reply.status === 401);
      return reply.status;
    };
    // Side by side: the rate is four a second, which one after the other may not reach.
    await until('it is refused', async () =>
      (await Promise.all(Array.from({ length: 10 }, statusOf))).some((status) => status === 429),
    );
    expect(unknown).toBeGreaterThanOrEqual(40);
    for (const path of ['/health/live', '/health/ready', '/metrics'])
      expect((await fetch(api.url + path, { headers: from(address) })).status).toBe(200);
    expect((await fetch(`${api.url}/v1/devices`, { headers: from(fresh()) })).status).toBe(401);
  });

  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::9', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
  ])('%s counts as %s', (address, network) => expect(networkOf(address)).toBe(network));
});

describe('Rates', () => {
  it('remember a bounded number of keys', () => {
    const rates = new Rates(6);
    expect([rates.take('first'), rates.take('first')]).toEqual([0, 10]);
    for (let key = 0; key < 25_000; key += 1) rates.take(String(key));
    expect(rates.take('first')).toBe(0);
  });
});

describe('Tokens that are wrong', () => {
  const someone = { tenantId: 'default', id: 'key:someone' } as Principal;

  it('are looked up once, and hundreds of different ones no more at all; good ones go on', async () => {
    let lookups = 0;
    const guarded = sparingLookups(async (token) => ((lookups += 1), token === 'good' ? someone : undefined));
    expect(await guarded('good', '192.0.2.1')).toBe(someone);
    lookups = 0;
    for (let request = 0; request < 50; request += 1) expect(await guarded('wrong', '192.0.2.1')).toBeUndefined();
    expect(lookups).toBeLessThanOrEqual(2);
    const guesses = await Promise.allSettled(
      Array.from({ length: 1_000 }, (_, number) => guarded(`guess ${number}`, '192.0.2.1')),
    );
    // A share comes back every few milliseconds: of many at once nearly all are refused, and those are not looked up.
    const before = lookups;
    const more = await Promise.allSettled(
      Array.from({ length: 500 }, (_, number) => guarded(`more ${number}`, '192.0.2.1')),
    );
    const refused = more.filter((one) => one.status === 'rejected');
    for (const { reason } of refused) expect(reason).toMatchObject({ code: 'REQUEST_RATE' });
    expect(refused.length).toBeGreaterThan(400);
    expect(lookups - before).toBe(500 - refused.length);
    expect(guesses.length).toBe(1_000);
    expect(await guarded('good', '192.0.2.1')).toBe(someone);
    expect(await guarded('guess of another', '192.0.2.2')).toBeUndefined();
  });

  it('are refused in the same words from memory', async () => {
    const reply = () =>
      fetch(`${api.url}/v1/devices`, { headers: { ...from('192.0.2.9'), authorization: 'Bearer x' } });
    const [first, second] = [await reply(), await reply()];
    expect([first.status, second.status]).toEqual([401, 401]);
    expect(await second.json()).toEqual(await first.json());
  });

  it('cost the database no transaction each', async () => {
    const own = await startApi('request_limits_pool', { services: { pool } });
    let taken = 0;
    pool.on('acquire', () => (taken += 1));
    const began = performance.now();
    for (let request = 0; request < 100; request += 1)
      await (await fetch(`${own.url}/v1/devices`, { headers: { authorization: 'Bearer wrong' } })).arrayBuffer();
    expect(taken).toBeLessThanOrEqual(2 + (performance.now() - began) / 1_000);
    await own.close();
  });
});

describe('A body that drips behind a refusal', () => {
  it('holds its connection for a short time only', async () => {
    const http = await listen('127.0.0.1', 0, { lingerMs: 500 });
    http.answerWith((_request, response) => response.writeHead(401).end('no'));
    const socket = connect(http.port, '127.0.0.1');
    let [answer, isClosed] = ['', false];
    socket.on('data', (chunk) => (answer += String(chunk))).on('error', () => undefined);
    socket.on('close', () => (isClosed = true));
    socket.write('POST /v1/devices HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{');
    const drip = setInterval(() => socket.writable && socket.write(' '), 20);
    try {
      await until('the connection ends', () => isClosed, 10_000);
      expect(answer).toContain('401 Unauthorized');
    } finally {
      clearInterval(drip);
      await http.close();
    }
  });

  it('leaves nothing at a connection that continues with other requests', async () => {
    const http = await listen('127.0.0.1', 0);
    let left = 0;
    http.answerWith((request, response) => {
      left = request.socket.listenerCount('close');
      response.writeHead(401).end('no');
    });
    const socket = connect(http.port, '127.0.0.1');
    let answers = 0;
    socket
      .on('data', (chunk) => (answers += String(chunk).split('401 Unauthorized').length - 1))
      .on('error', () => undefined);
    const counts: number[] = [];
    try {
      for (let request = 1; request <= 20; request += 1) {
        // The answer comes while the body is on its way, and then the rest of it does.
        socket.write('POST /v1/devices HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n{');
        await until('the answer', () => answers === request, 10_000);
        socket.write('   ');
        counts.push(left);
      }
      expect(counts.at(-1)).toBe(counts[1]);
    } finally {
      socket.destroy();
      await http.close();
    }
  });
});
