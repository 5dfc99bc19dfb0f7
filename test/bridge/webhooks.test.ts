import { randomUUID } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { instant, LeaseGuard } from '../../bridge/rounds/lease-guard.js';
import { EVENT_NAMES, type EventName } from '../../domain/webhook/event-names.js';
import { WebhookSender } from '../../bridge/webhooks/sender.js';
import { writeHistory } from '../../store/history/history.js';
import { holdLease, type Fence } from '../../store/db/leases.js';
import { seal } from '../../store/history/seal.js';
import { asService } from '../../store/db/transaction.js';
import { startApi, type ApiUnderTest } from '../api/api-under-test.js';
import { until } from '../support/until.js';

const DAY = 86_400_000;
const WEBHOOKS = '/v1/webhooks';

interface Post {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

interface Delivery {
  id: string;
  number: number;
  event: string;
  state: string;
  attempts: number;
  lastStatus: number | null;
  lastError: string | null;
  redeliveryOf: string | null;
}

let api: ApiUnderTest;
let fence: Fence;
let receiver: Server;
let url: string;
let posts: Post[];
/** What the receiver answers; null = nothing at all. */
let status: number | null;
let answers: (path: string) => number | null;
let now: number;
beforeAll(async () => {
  api = await startApi('bridge_webhooks', { services: { now: () => now, webhooksAllowPrivate: true } });
  fence = { name: 'bridge', holder: 'test', epoch: (await holdLease(api.pool, 'bridge', 'test', 3_600_000))! };
  receiver = createServer((request, response) => {
    let body = '';
    request
      .on('data', (chunk: Buffer) => (body += chunk.toString('utf8')))
      .once('end', () => {
        posts.push({ path: request.url!, headers: request.headers, body });
        const status = answers(request.url!);
        if (status !== null)
          response.writeHead(status, status < 400 && status >= 300 ? { location: '/elsewhere' } : {}).end();
      });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
}, 60_000);
beforeEach(() => {
  [posts, status, now] = [[], 200, Date.now()];
  answers = () => status;
});
afterEach(() => api.pool.query('DELETE FROM webhooks'));
afterAll(async () => {
  receiver.closeAllConnections();
  await new Promise((resolve) => receiver.close(resolve));
  await api.close();
});

const create = async (wanted: Record<string, unknown> = {}) =>
  (await api.call('POST', WEBHOOKS, { url, ...wanted })).body.data as { id: string; secret: string };
const read = async (id: string) =>
  (await api.call('GET', `${WEBHOOKS}/${id}`)).body.data as {
    enabled: boolean;
    disabledBecause: string | null;
    failingSince: string | null;
  };
const deliveries = async (id: string) =>
  (await api.call('GET', `${WEBHOOKS}/${id}/deliveries`)).body.data as Delivery[];
const sender = (allowPrivate = true) =>
  new WebhookSender({
    pool: api.pool,
    log: api.services.log,
    now: () => now,
    guard: new LeaseGuard(fence, 3_600_000, instant()),
    allowPrivate,
  });

/** As the library takes headers: one value each. */
const signed = (headers: IncomingHttpHeaders): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));

async function happens(...events: EventName[]): Promise<void> {
  await asService(api.pool, (tx) =>
    writeHistory(
      tx,
      events.map((event) => ({ tenantId: 'default', at: now, event, data: { says: event } })),
    ),
  );
  await seal(api.pool, fence);
}

/** What the leader does each second, until there is nothing more to do. */
async function sends(by = sender()): Promise<void> {
  for (let more = true; more;) {
    more = await by.send();
    more = (await by.idle()) > 0 || more;
  }
}

describe('A webhook', () => {
  it('shows its secret once, also to a request that is repeated, and is changed and deleted', async () => {
    const key = { 'idempotency-key': randomUUID() };
    const made = await api.call('POST', WEBHOOKS, { url, events: ['failed'] }, key);
    expect([made.status, made.body.data]).toMatchObject([
      201,
      { url, events: ['failed'], enabled: true, secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/) },
    ]);
    expect((await api.call('POST', WEBHOOKS, { url, events: ['failed'] }, key)).body.errorCode).toBe(
      'WEBHOOK_SECRET_SHOWN',
    );
    const path = `${WEBHOOKS}/${made.body.data.id as string}`;
    expect(JSON.stringify([(await api.call('GET', path)).body, (await api.call('GET', WEBHOOKS)).body])).not.toContain(
      'whsec_',
    );
    expect((await api.call('PATCH', path, { events: [], description: 'pager' })).body.data).toMatchObject({
      url,
      events: [],
      description: 'pager',
    });
    expect((await api.call('PATCH', path, { enabled: false })).body.data).toMatchObject({
      enabled: false,
      disabledBecause: 'Disabled by key:bootstrap.',
    });
    expect((await api.call('DELETE', path)).status).toBe(204);
    expect((await api.call('GET', path)).body.errorCode).toBe('WEBHOOK_NOT_FOUND');
  });

  it('is refused for an unusable URL and without the permission, and is not visible to other tenants', async () => {
    for (const wrong of ['ftp://x/', 'x', 'https://user:password@x/', 7])
      expect((await api.call('POST', WEBHOOKS, { url: wrong })).body.errors).toMatchObject([{ pointer: '/url' }]);
    expect((await (await api.as({ role: 'reader' })).call('POST', WEBHOOKS, { url })).status).toBe(403);
    const { id } = await create();
    const stranger = await api.as({ tenantId: 'other' });
    for (const [method, path] of [
      ['GET', ''],
      ['PATCH', ''],
      ['DELETE', ''],
      ['GET', '/deliveries'],
      ['POST', `/deliveries/${randomUUID()}/redeliver`],
    ] as const) {
      expect([
        method,
        path,
        (await stranger.call(method, `${WEBHOOKS}/${id}${path}`, method === 'PATCH' ? {} : undefined)).status,
      ]).toEqual([method, path, 404]);
    }
  });

  it('gets each event that it subscribes to, from its creation on, once, in order, and signed', async () => {
    await happens('failed');
    const { id, secret } = await create({ events: ['failed', 'fail_group'] });
    await happens('failed', 'installed', 'fail_group', 'failed');
    await sends();
    await sends();
    expect(posts.map(({ body }) => (JSON.parse(body) as { event: string }).event)).toEqual([
      'failed',
      'fail_group',
      'failed',
    ]);
    const log = await deliveries(id);
    expect(log.map(({ state, attempts, lastStatus }) => [state, attempts, lastStatus])).toEqual(
      log.map(() => ['delivered', 1, 200]),
    );
    const { headers, body } = posts[0]!;
    const [entry] = (await api.call('GET', `/v1/events?after=${log.at(-1)!.number - 1}&pageSize=1`)).body
      .data as unknown[];
    expect(new Webhook(secret).verify(body, signed(headers))).toEqual({
      deliveryId: log.at(-1)!.id,
      ...(entry as object),
    });
    expect(() => new Webhook(secret).verify(`${body} `, signed(headers))).toThrow('No matching signature found');
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'slipway-event': 'failed',
      'webhook-id': log.at(-1)!.id,
      'webhook-timestamp': String(Math.floor(now / 1_000)),
    });
  });

  it('signs with a secret in base64url, as they were before Standard Webhooks', async () => {
    const { id } = await create();
    const key = Buffer.from('fb'.repeat(32), 'hex');
    const secret = `whsec_${key.toString('base64url')}`;
    expect(secret.slice('whsec_'.length)).toMatch(/[-_]/);
    await api.pool.query('UPDATE webhooks SET secret = $2 WHERE id = $1', [id, secret]);
    await happens('created');
    await sends();
    const { headers, body } = posts[0]!;
    expect(new Webhook(key, { format: 'raw' }).verify(body, signed(headers))).toMatchObject({ event: 'created' });
  });

  it('is retried with growing pauses after a failure, one attempt at a time', async () => {
    const { id } = await create();
    status = 503;
    await happens('created', 'start');
    await sends();
    await sends();
    expect(posts).toHaveLength(1);
    expect((await deliveries(id)).find(({ event }) => event === 'created')).toMatchObject({
      state: 'pending',
      attempts: 1,
      lastStatus: 503,
      lastError: 'it answered 503',
    });
    const pauses: number[] = [];
    for (let last = now; pauses.length < 3; now += 1_000) {
      const before = posts.length;
      await sends();
      if (posts.length > before) {
        pauses.push(now - last);
        last = now;
      }
    }
    expect(pauses).toEqual([10_000, 20_000, 40_000]);
    status = 204;
    now += 3_600_000;
    await sends();
    expect((await deliveries(id)).map(({ event, state }) => [event, state]).sort()).toEqual([
      ['created', 'delivered'],
      ['start', 'delivered'],
    ]);
    expect((await read(id)).failingSince).toBeNull();
  });

  it('is not followed where it redirects', async () => {
    const { id } = await create();
    status = 307;
    await happens('created');
    await sends();
    expect(posts.map(({ path }) => path)).toEqual(['/hook']);
    expect((await deliveries(id))[0]).toMatchObject({
      state: 'pending',
      lastError: 'it answered 307; redirects are not followed',
    });
  });

  it('is disabled after a day in which nothing was delivered, says why, and continues where it stopped', async () => {
    const { id } = await create();
    status = 500;
    await happens('created');
    await sends();
    for (let n = 0; n < 60 && (await read(id)).enabled; n += 1) {
      now += 1_800_000;
      await sends();
    }
    expect(await read(id)).toMatchObject({
      enabled: false,
      disabledBecause: expect.stringMatching(/^No delivery succeeded since 2.*Z; the last attempt: it answered 500\.$/),
    });
    expect((await deliveries(id))[0]).toMatchObject({ event: 'created', state: 'failed' });
    const before = posts.length;
    status = 200;
    await happens('start');
    now += DAY;
    await sends();
    expect(posts).toHaveLength(before);
    expect((await api.call('PATCH', `${WEBHOOKS}/${id}`, { enabled: true })).body.data).toMatchObject({
      enabled: true,
      disabledBecause: null,
      failingSince: null,
    });
    await sends();
    expect(posts.slice(before).map(({ headers }) => headers['slipway-event'])).toEqual(['start']);
  });

  it('gets a redelivery as a new delivery of the same entry', async () => {
    const { id } = await create();
    await happens('created');
    await sends();
    const [first] = await deliveries(id);
    const again = await api.call('POST', `${WEBHOOKS}/${id}/deliveries/${first!.id}/redeliver`);
    expect([again.status, again.body.data]).toMatchObject([
      202,
      { number: first!.number, event: 'created', state: 'pending', redeliveryOf: first!.id },
    ]);
    await sends();
    expect(posts.map(({ body }) => (JSON.parse(body) as { number: number }).number)).toEqual([
      first!.number,
      first!.number,
    ]);
    expect((await api.call('POST', `${WEBHOOKS}/${id}/deliveries/${randomUUID()}/redeliver`)).body.errorCode).toBe(
      'WEBHOOK_DELIVERY_NOT_FOUND',
    );
  });

  it('that does not answer delays neither another webhook nor the shutdown', async () => {
    const { id } = await create();
    status = null;
    await happens('created');
    const ending = sender();
    await ending.send();
    await until('it is asked', () => posts.length === 1, 60_000);
    await ending.end();
    expect((await deliveries(id))[0]).toMatchObject({ state: 'pending', attempts: 0 });
    status = 200;
    await sends();
    expect((await deliveries(id))[0]).toMatchObject({ state: 'delivered', attempts: 1 });
  });
});

describe('A receiver', () => {
  it('that is slow delays its own webhook, and no other one', async () => {
    await create();
    const { id } = await create({ url: `${url}/other` });
    await happens('created');
    const by = sender();
    answers = (path) => (path === '/hook' ? null : 200);
    await by.send();
    await until('both are asked', () => posts.length === 2, 60_000);
    await until('the other has it', async () => (await deliveries(id))[0]?.state === 'delivered', 60_000);
    await happens('installed', 'failed');
    await by.send();
    await until(
      'the other has them all',
      async () => (await deliveries(id)).filter(({ state }) => state === 'delivered').length === 3,
      60_000,
    );
    expect(posts.filter(({ path }) => path === '/hook')).toHaveLength(1);
    await by.end();
  }, 180_000);

  it('that answers 410 wants no more: its webhook is disabled, and says why', async () => {
    const { id } = await create();
    status = 410;
    await happens('created', 'installed');
    await sends();
    expect(await read(id)).toMatchObject({
      enabled: false,
      disabledBecause: 'The receiver answered 410 Gone: it wants no more deliveries.',
    });
    expect((await deliveries(id)).map(({ state }) => state)).toEqual(['pending', 'pending']);
    expect(posts).toHaveLength(1);
  });
});

describe('The names of events', () => {
  /** Of the OpenAPI document, as a newcomer takes it. */
  const example = async () => {
    const { paths } = (await api.call('GET', '/openapi.json')).body as unknown as {
      paths: Record<string, { post: { requestBody: { content: Record<string, { example: { events: string[] } }> } } }>;
    };
    return paths[WEBHOOKS]!.post.requestBody.content['application/json']!.example;
  };

  it.each(EVENT_NAMES)('each make a webhook fire: %s', async (event) => {
    await create({ events: [event] });
    await happens(event === 'slot' ? 'turn' : 'slot', event);
    await sends();
    expect(posts.map(({ body }) => (JSON.parse(body) as { event: string }).event)).toEqual([event]);
  });

  it('are those of the example in the OpenAPI document, which fires', async () => {
    const made = await api.call('POST', WEBHOOKS, { ...(await example()), url });
    expect(made.status).toBe(201);
    const { events } = await example();
    await happens('slot', ...(events as EventName[]));
    await sends();
    expect(posts.map(({ body }) => (JSON.parse(body) as { event: string }).event)).toEqual(events);
  });
});

describe("An address of the service's own network", () => {
  it.each(['127.0.0.1', 'localhost', '[::1]', '2130706433', '[::ffff:127.0.0.1]', '169.254.169.254', '10.1.2.3'])(
    'is not connected to: %s',
    async (host) => {
      const { id } = await create({ url: url.replace('127.0.0.1', host) });
      await happens('created');
      await sends(sender(false));
      expect(posts).toEqual([]);
      expect((await deliveries(id))[0]).toMatchObject({
        state: 'pending',
        attempts: 1,
        lastError: expect.stringContaining('is a loopback, link-local or private address'),
      });
    },
  );
});
