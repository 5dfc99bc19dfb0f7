import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PERMISSIONS } from '../../domain/permissions.js';
import { startApi, type ApiUnderTest } from './api-under-test.js';

/** What is refused of a webhook before anything is sent; what is sent: test/bridge/webhooks.test.ts. */
const WEBHOOKS = '/v1/webhooks';
const url = 'https://ops.example.com/slipway';

let api: ApiUnderTest;
beforeAll(async () => {
  api = await startApi('api_webhooks');
}, 60_000);
afterAll(() => api.close());
const create = async () => (await api.call('POST', WEBHOOKS, { url })).body.data as { id: string };

describe('The names of events that a webhook asks for', () => {
  it.each(['gate_failed', 'finished', 'Failed', 'anything', ''])('are no other words: %j', async (event) => {
    const { id } = await create();
    for (const [method, path, more] of [
      ['POST', WEBHOOKS, { url }],
      ['PATCH', `${WEBHOOKS}/${id}`, {}],
    ] as const) {
      const refused = await api.call(method, path, { ...more, events: ['failed', event] });
      expect([refused.status, refused.body.errorCode]).toEqual([400, 'WEBHOOK_VALIDATION']);
      expect(refused.body.errors).toMatchObject([
        {
          pointer: '/events/1',
          detail: expect.stringMatching(/^must be the name of an event: requested, scheduled, .*fail_group/),
        },
      ]);
    }
  });
});

describe("An address of the service's own network", () => {
  it.each([
    'http://127.0.0.1/',
    'http://127.0.0.1:8080/x?y',
    'https://10.1.2.3/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://017700000001/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[fd00::1]:8443/',
    'http://169.254.169.254/latest/meta-data/',
    'http://localhost:3000/',
    'http://LOCALHOST./',
    'http://some.localhost/',
  ])('is refused when a webhook is made or changed: %s', async (wrong) => {
    const { id } = await create();
    for (const [method, path] of [
      ['POST', WEBHOOKS],
      ['PATCH', `${WEBHOOKS}/${id}`],
    ] as const) {
      const refused = await api.call(method, path, { url: wrong });
      expect([refused.status, refused.body.errorCode]).toEqual([400, 'WEBHOOK_VALIDATION']);
      expect(refused.body.errors).toMatchObject([
        { pointer: '/url', detail: expect.stringContaining('SLIPWAY_WEBHOOKS_ALLOW_PRIVATE') },
      ]);
    }
  });

  it('is taken where the service is set up to lead there', async () => {
    api.services.webhooksAllowPrivate = true;
    expect((await api.call('POST', WEBHOOKS, { url: 'http://127.0.0.1:1/' })).status).toBe(201);
  });
});

describe('The permissions of webhooks', () => {
  it('are webhooks:read and webhooks:write: a writer has both, a reader neither', async () => {
    const [writer, reader] = [await api.as({ role: 'writer' }), await api.as({ role: 'reader' })];
    expect((await writer.call('POST', WEBHOOKS, { url })).status).toBe(201);
    expect((await writer.call('GET', WEBHOOKS)).status).toBe(200);
    for (const [method, permission, body] of [
      ['GET', 'webhooks:read', undefined],
      ['POST', 'webhooks:write', { url }],
    ] as const) {
      const refused = await reader.call(method, WEBHOOKS, body);
      expect([refused.status, refused.body.permission]).toEqual([403, permission]);
    }
  });
});

describe('The URL of a webhook', () => {
  it('is shown to those who may read webhooks, and whole in no other answer: its path may be a secret', async () => {
    const secret = 'T0K3N-in-the-path';
    const { id } = (await api.call('POST', WEBHOOKS, { url: `https://ops.example.com/hooks/${secret}?k=${secret}` }))
      .body.data as { id: string };
    const changed = `https://ops.example.com/other/${secret}`;
    expect((await api.call('PATCH', `${WEBHOOKS}/${id}`, { url: changed })).status).toBe(200);
    expect((await api.call('GET', `${WEBHOOKS}/${id}`)).body.data.url).toBe(changed);
    const permissions = PERMISSIONS.filter((one) => one.endsWith(':read') && one !== 'webhooks:read');
    const reader = await api.as({ permissions: [...permissions] });
    const { paths } = (await (await fetch(`${api.url}/openapi.json`)).json()) as { paths: Record<string, object> };
    const answered: string[] = [];
    for (const path of Object.keys(paths).filter((one) => 'get' in paths[one]!)) {
      const { status, body } = await reader.call('GET', path.replace(/\{\w+\}/g, id));
      if (status === 200) answered.push(path);
      expect([path, JSON.stringify(body ?? '').includes(secret)]).toEqual([path, false]);
    }
    // Those that hold what was done: the audit names the webhook and its host.
    expect(answered).toEqual(expect.arrayContaining(['/v1/events', '/v1/audit', '/v1/devices']));
  });
});
