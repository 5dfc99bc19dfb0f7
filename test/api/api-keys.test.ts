import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { byApiKey } from '../../api/auth/authentication.js';
import { UsedKeys } from '../../api/auth/used-keys.js';
import { permissionsOf } from '../../domain/permissions.js';
import { ensureBootstrapKey } from '../../store/db/api-keys.js';
import { isMistyped, newKey } from '../../store/db/key-format.js';
import { asService } from '../../store/db/transaction.js';
import { holdLease } from '../../store/db/leases.js';
import { writeHistory } from '../../store/history/history.js';
import { seal, verifyChain } from '../../store/history/seal.js';
import { until } from '../support/until.js';
import { ApiProcess } from './api-process.js';
import { startApi, type ApiUnderTest, type Client, type Reply } from './api-under-test.js';
import { Listening } from './listening.js';

const KEYS = '/v1/api-keys';
const HOUR = 3_600_000;
let api: ApiUnderTest;
const used = new UsedKeys();
let clock = Date.now;
const now = () => clock();
let authenticate: ReturnType<typeof byApiKey>;
beforeAll(async () => {
  api = await startApi('api_keys', { authenticate: (token) => authenticate(token), services: { now } });
  authenticate = byApiKey(api.pool, now, used);
}, 60_000);
afterAll(() => api.close());

const make = async (body: object, by: Client = api): Promise<{ id: string; key: string }> => {
  const made = await by.call('POST', KEYS, { name: `k-${randomUUID()}`, ...body });
  expect([made.status, made.body]).toEqual([201, expect.anything()]);
  return made.body.data as { id: string; key: string };
};
const with_ = (token: string, method: string, path: string, body?: unknown): Promise<Reply> =>
  api.call(method, path, body, { authorization: `Bearer ${token}` });
const codeOf = ({ status, body }: Reply): [number, string] => [status, body.errorCode as string];
const inAnHour = () => new Date(now() + HOUR).toISOString();

/** CRC-32 in base62, written from the contract. */
function crc(text: string): string {
  const letters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  let [left, printed] = [BigInt(crc32(text)), ''];
  for (let n = 0; n < 6; n += 1, left /= 62n) printed = letters[Number(left % 62n)]! + printed;
  return printed;
}

describe('The format of an API key', () => {
  it('is slp_<id>_<secret>_<crc>, and a mistyped one is refused without a look into the database', async () => {
    const { id, key } = await make({ role: 'reader' });
    expect(key).toMatch(/^slp_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/);
    expect(key.split('_')[1]).toBe(id.slice(0, 8));
    expect(key.split('_')[3]).toBe(crc(key.slice(0, key.lastIndexOf('_'))));
    let asked = 0;
    const count = () => (asked += 1);
    api.pool.on('acquire', count);
    const other = key[20] === 'a' ? 'b' : 'a';
    for (const wrong of [`${key.slice(0, 20)}${other}${key.slice(21)}`, key.slice(0, -1), `${key}0`, 'slp_', 'slp_x'])
      expect(codeOf(await with_(wrong, 'GET', '/v1/me'))).toEqual([401, 'AUTH_INVALID_TOKEN']);
    api.pool.off('acquire', count);
    expect(asked).toBe(0);
    expect((await with_(key, 'GET', '/v1/me')).status).toBe(200);
  });

  it('has a checksum that finds each changed letter, and pads it', () => {
    for (let n = 0; n < 200; n += 1) {
      const key = newKey(randomUUID());
      expect([isMistyped(key), key.length]).toEqual([false, 4 + 8 + 1 + 43 + 1 + 6]);
      expect(isMistyped(key.slice(0, 30) + (key[30] === 'x' ? 'y' : 'x') + key.slice(31))).toBe(true);
    }
    expect(isMistyped('chosen-by-hand-0123')).toBe(false);
  });

  it('is stored as a hash only, nowhere in clear', async () => {
    const { key } = await make({ role: 'owner' });
    const { rows } = await api.pool.query<{ found: string }>(
      `SELECT (SELECT string_agg(to_jsonb(k)::text, ' ') FROM api_keys k)
        || (SELECT string_agg(to_jsonb(h)::text, ' ') FROM history h) AS found`,
    );
    expect(rows[0]!.found).not.toContain(key.split('_')[2]);
  });
});

describe('An API key', () => {
  it('is made, read, listed, renamed and revoked', async () => {
    const body = { name: 'ci', permissions: ['rollouts:read', 'firmware:read'], expiresAt: inAnHour() };
    const made = await api.call('POST', KEYS, body);
    const { key, ...view } = made.body.data;
    expect(view).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: 'ci',
      permissions: ['firmware:read', 'rollouts:read'],
      expiresAt: body.expiresAt,
      createdAt: expect.any(String),
      createdBy: expect.stringMatching(/^key:/),
      lastUsedAt: null,
      state: 'active',
    });
    expect((await with_(key, 'GET', '/v1/me')).body.data).toMatchObject({
      tenant: 'default',
      id: view.id,
      kind: 'key',
      name: 'ci',
      actsAs: 'key:ci',
      roles: [],
      permissions: ['firmware:read', 'rollouts:read'],
      expiresAt: body.expiresAt,
    });
    const path = `${KEYS}/${view.id}`;
    expect((await api.call('GET', path)).body.data).toEqual(view);
    expect((await api.call('GET', KEYS)).body.data[0]).toEqual(view);
    expect((await api.call('PATCH', path, { name: 'cd', expiresAt: null })).body.data).toMatchObject({ name: 'cd' });
    expect((await api.call('DELETE', path)).status).toBe(204);
    expect((await api.call('DELETE', path)).status).toBe(204);
    expect((await api.call('GET', path)).body.data).toMatchObject({ state: 'revoked', revokedAt: expect.any(String) });
  });

  it.each([
    [{ name: 'x' }, ''],
    [{ name: 'x', role: 'reader', permissions: ['firmware:read'] }, ''],
    [{ name: 'x', permissions: [] }, '/permissions'],
    [{ name: 'x', permissions: ['firmware:all'] }, '/permissions/0'],
    [{ name: 'x', role: 'admin' }, '/role'],
    [{ name: '', role: 'reader' }, '/name'],
    [{ name: 'x', role: 'reader', expiresAt: '2020-01-01T00:00:00Z' }, '/expiresAt'],
    [{ name: 'x', role: 'reader', tenant: 'other' }, '/tenant'],
  ])('is not made of %j', async (body, pointer) => {
    const refused = await api.call('POST', KEYS, body);
    expect([...codeOf(refused), refused.body.errors[0].pointer]).toEqual([400, 'REQUEST_VALIDATION', pointer]);
  });

  it('that is not there, or is of another tenant, is the same 404', async () => {
    const stranger = await api.as({ tenantId: 'other' });
    const { id } = await make({ role: 'reader' });
    for (const one of [randomUUID(), id, 'nonsense'])
      for (const [method, path, body] of [
        ['GET', '', undefined],
        ['PATCH', '', { name: 'n' }],
        ['DELETE', '', undefined],
        ['POST', '/rotate', {}],
      ] as const)
        expect([one, method, ...codeOf(await stranger.call(method, `${KEYS}/${one}${path}`, body))]).toEqual([
          one,
          method,
          404,
          'AUTH_KEY_NOT_FOUND',
        ]);
  });

  it('grants no more than its maker holds: made, with its end moved, or rotated', async () => {
    const clerk = await api.as({ permissions: ['api_keys:write', 'firmware:read'] });
    expect((await clerk.call('POST', KEYS, { name: 'a', permissions: ['firmware:read'] })).status).toBe(201);
    const owner = await make({ role: 'owner' });
    for (const [method, path, body] of [
      ['POST', KEYS, { name: 'b', role: 'reader' }],
      ['POST', KEYS, { name: 'b', permissions: ['firmware:write'] }],
      ['POST', KEYS, { name: 'b', permissions: ['tenants:write'] }],
      ['PATCH', `${KEYS}/${owner.id}`, { expiresAt: inAnHour() }],
      ['POST', `${KEYS}/${owner.id}/rotate`, {}],
    ] as const)
      expect([path, ...codeOf(await clerk.call(method, path, body))]).toEqual([path, 403, 'AUTH_GRANT_EXCEEDED']);
    expect((await clerk.call('PATCH', `${KEYS}/${owner.id}`, { name: 'renamed' })).status).toBe(200);
  });

  it('of an owner grants nothing of the installation, which only the bootstrap key hands on, in its own tenant', async () => {
    const tenants = ['tenants:read', 'tenants:write'] as const;
    const owner = await api.as({ role: 'owner' });
    expect(codeOf(await owner.call('POST', KEYS, { name: 'x', permissions: tenants }))).toEqual([
      403,
      'AUTH_GRANT_EXCEEDED',
    ]);
    const token = `bootstrap-${randomUUID()}`;
    expect(await ensureBootstrapKey(api.pool, token)).toBe('made');
    expect((await with_(token, 'GET', '/v1/me')).body.data.permissions).toEqual(expect.arrayContaining([...tenants]));
    expect((await with_(token, 'POST', KEYS, { name: 'hand', permissions: tenants })).status).toBe(201);
    const elsewhere = await api.as({ tenantId: 'other', role: 'owner' });
    expect((await elsewhere.call('GET', '/v1/me')).body.data.permissions).toEqual(
      expect.not.arrayContaining([...tenants]),
    );
  });

  it('that expired answers 401 AUTH_KEY_EXPIRED, to the moment, also while a process remembers it', async () => {
    const { id, key } = await make({ role: 'reader', expiresAt: inAnHour() });
    expect((await with_(key, 'GET', '/v1/me')).status).toBe(200);
    clock = () => Date.now() + HOUR + 1_000;
    const refused = await with_(key, 'GET', '/v1/me');
    expect(codeOf(refused)).toEqual([401, 'AUTH_KEY_EXPIRED']);
    expect(refused.headers.get('www-authenticate')).toContain('invalid_token');
    expect((await api.call('GET', `${KEYS}/${id}`)).body.data.state).toBe('expired');
    clock = Date.now;
  });

  it('says when it was used last, to the minute, and no request writes for it', async () => {
    const { id, key } = await make({ role: 'reader' });
    await Promise.all(Array.from({ length: 20 }, () => with_(key, 'GET', '/v1/me')));
    expect((await api.call('GET', `${KEYS}/${id}`)).body.data.lastUsedAt).toBeNull();
    await used.write(api.pool);
    const { lastUsedAt } = (await api.call('GET', `${KEYS}/${id}`)).body.data;
    expect(lastUsedAt).toMatch(/:00\.000Z$/);
    expect(Math.abs(Date.parse(lastUsedAt) - Date.now())).toBeLessThan(3 * 60_000);
    await with_(key, 'GET', '/v1/me');
  });

  it('with an Idempotency-Key is made once, and is shown once', async () => {
    const body = { name: 'once', role: 'reader' };
    const first = await api.call('POST', KEYS, body, { 'idempotency-key': 'once' });
    const again = await api.call('POST', KEYS, body, { 'idempotency-key': 'once' });
    expect([first.status, ...codeOf(again), again.body.keyId]).toEqual([
      201,
      409,
      'AUTH_KEY_SHOWN',
      first.body.data.id,
    ]);
    const { rows } = await api.pool.query<{ body: string }>(`SELECT body FROM idempotency_keys WHERE key = 'once'`);
    expect(rows[0]!.body).not.toContain(first.body.data.key);
  });

  it('acts under a name of its own: no other key of the tenant ever has it, and a new name does not change it', async () => {
    const first = await make({ name: 'ann', role: 'owner' });
    await api.call('PATCH', `${KEYS}/${first.id}`, { name: 'bob' });
    expect((await with_(first.key, 'GET', '/v1/me')).body.data).toMatchObject({ name: 'bob', actsAs: 'key:ann' });
    const second = await make({ name: 'ann', role: 'owner' });
    expect((await with_(second.key, 'GET', '/v1/me')).body.data.actsAs).toMatch(/^key:ann-[0-9a-f]{8}$/);
  });
});

describe('A rotation', () => {
  it('makes a successor that acts as the key did, which works until the overlap ends', async () => {
    const old = await make({ name: 'rotating', role: 'writer' });
    const made = await api.call('POST', `${KEYS}/${old.id}/rotate`, { overlap: 'PT2H' });
    expect(made.status).toBe(201);
    const { id, key } = made.body.data as { id: string; key: string };
    expect(id).not.toBe(old.id);
    for (const token of [old.key, key])
      expect((await with_(token, 'GET', '/v1/me')).body.data).toMatchObject({
        actsAs: 'key:rotating',
        roles: ['writer'],
      });
    expect(Date.parse((await api.call('GET', `${KEYS}/${old.id}`)).body.data.worksUntil)).toBeGreaterThan(now() + HOUR);
    clock = () => Date.now() + 2 * HOUR + 60_000;
    expect(codeOf(await with_(old.key, 'GET', '/v1/me'))).toEqual([401, 'AUTH_KEY_EXPIRED']);
    expect((await with_(key, 'GET', '/v1/me')).status).toBe(200);
    expect(codeOf(await api.call('POST', `${KEYS}/${old.id}/rotate`))).toEqual([409, 'AUTH_KEY_STATE']);
    clock = Date.now;
  });

  it('a key may do to itself: from PT1H to P7D, with the same permissions and end, one successor at a time', async () => {
    const expiresAt = new Date(now() + 30 * 24 * HOUR).toISOString();
    const { id, key } = await make({ permissions: ['firmware:read'], expiresAt });
    const rotate = (overlap?: string) => with_(key, 'POST', `${KEYS}/${id}/rotate`, overlap ? { overlap } : {});
    for (const overlap of ['PT59M', 'P8D']) {
      const refused = await rotate(overlap);
      expect([...codeOf(refused), refused.body.errors]).toMatchObject([
        400,
        'REQUEST_VALIDATION',
        [{ pointer: '/overlap' }],
      ]);
    }
    const first = await rotate();
    expect([first.status, first.body.data]).toMatchObject([201, { permissions: ['firmware:read'], expiresAt }]);
    expect(codeOf(await rotate())).toEqual([409, 'AUTH_KEY_STATE']);
    expect((await api.call('DELETE', `${KEYS}/${first.body.data.id}`)).status).toBe(204);
    expect((await rotate()).status).toBe(201);
    const other = await make({ role: 'reader' });
    expect(codeOf(await with_(key, 'POST', `${KEYS}/${other.id}/rotate`, {}))).toEqual([403, 'AUTH_FORBIDDEN']);
    expect(codeOf(await with_(key, 'POST', `${KEYS}/${randomUUID()}/rotate`, {}))).toEqual([403, 'AUTH_FORBIDDEN']);
  });
});

describe("The last owner's key that does not expire", () => {
  it('is neither revoked nor given an end, until there is another; a key in its overlap is no other', async () => {
    const owner = await api.as({ tenantId: 'lonely' });
    await owner.call('POST', KEYS, { name: 'temporary', role: 'owner', expiresAt: inAnHour() });
    const path = `${KEYS}/${owner.keyId}`;
    const refused = async (one: string) => {
      expect(codeOf(await owner.call('DELETE', one))).toEqual([409, 'AUTH_KEY_LAST_OWNER']);
      expect(codeOf(await owner.call('PATCH', one, { expiresAt: inAnHour() }))).toEqual([409, 'AUTH_KEY_LAST_OWNER']);
    };
    await refused(path);
    expect((await owner.call('PATCH', path, { name: 'still' })).status).toBe(200);
    const successor = (await owner.call('POST', `${path}/rotate`)).body.data as { id: string };
    await refused(`${KEYS}/${successor.id}`);
    await make({ role: 'owner' }, owner);
    expect((await owner.call('DELETE', `${KEYS}/${successor.id}`)).status).toBe(204);
  });

  it('stays also where two are revoked at once', async () => {
    const first = await api.as({ tenantId: 'twins' });
    const second = await api.as({ tenantId: 'twins' });
    const replies = await Promise.all([
      first.call('DELETE', `${KEYS}/${second.keyId}`),
      second.call('DELETE', `${KEYS}/${first.keyId}`),
    ]);
    // The other one may have been revoked before it was asked.
    expect(replies.filter(({ status }) => status === 204)).toHaveLength(1);
    expect([409, 401]).toContain(replies.find(({ status }) => status !== 204)!.status);
  });

  it('may go where an identity provider lets owners in', async () => {
    const owner = await api.as({ tenantId: 'provided' });
    api.services.signIn = {
      issuer: 'https://id.example',
      clientId: 'slipway',
      audience: 'slipway',
      scopes: ['openid'],
    };
    expect((await api.call('GET', '/v1/auth/config')).body.data.oidc).toEqual({
      ...api.services.signIn,
      deviceCode: true,
    });
    expect((await owner.call('DELETE', `${KEYS}/${owner.keyId}`)).status).toBe(204);
    delete api.services.signIn;
  });
});

describe('What a client asks for first', () => {
  it('needs no token, or any token', async () => {
    const bare = { authorization: '' };
    expect((await api.call('GET', '/v1/auth/config', undefined, bare)).body).toEqual({ data: { apiKeys: true } });
    expect((await api.call('GET', '/v1/about', undefined, bare)).body.data).toMatchObject({
      version: '0.1.0',
      mode: 'production',
      links: { docs: `${api.url}/docs` },
    });
    expect(codeOf(await api.call('GET', '/v1/me', undefined, bare))).toEqual([401, 'AUTH_MISSING_TOKEN']);
    const reader = await api.as({ role: 'reader' });
    expect((await reader.call('GET', '/v1/me')).body.data).toMatchObject({
      roles: ['reader'],
      permissions: expect.arrayContaining([...permissionsOf('reader')]),
    });
  });
});

describe('The entries about keys', () => {
  it('are in the sealed history, and not among the events of the fleet', async () => {
    await make({ role: 'reader' });
    await asService(api.pool, (tx) =>
      writeHistory(tx, [{ tenantId: 'default', at: Date.now(), event: 'offline', data: {} }]),
    );
    const fence = { name: 'bridge', holder: 'test', epoch: (await holdLease(api.pool, 'bridge', 'test', HOUR))! };
    while ((await seal(api.pool, fence)) > 0);
    const { entries, ...rest } = await asService(api.pool, (tx) => verifyChain(tx, 'default'));
    expect([entries > 10, rest]).toEqual([true, {}]);
    const listed = (await api.call('GET', '/v1/events?pageSize=100')).body;
    expect([listed.data, listed.meta.itemsTotal]).toEqual([[expect.objectContaining({ event: 'offline' })], 1]);
    const stream = await Listening.to(`${api.url}/v1/events?after=0`, api.token);
    await stream.hears('what is for it', (heard) => heard.length > 0);
    expect(stream.heard.map(({ event }) => event)).toEqual(['offline']);
    stream.leave();
  });
});

describe('A revocation', () => {
  it('is effective in under 5 s in every process, and ends a stream that was open', async () => {
    const one = await ApiProcess.prepare('api_keys_processes');
    const two = ApiProcess.beside(one, {});
    try {
      await one.start();
      await two.start();
      const made = await one.fetch('POST', KEYS, { name: 'shared', role: 'reader' });
      const { id, key } = ((await made.json()) as { data: { id: string; key: string } }).data;
      const authorization = `Bearer ${key}`;
      const status = async (of: ApiProcess) => (await of.fetch('GET', '/v1/me', undefined, { authorization })).status;
      expect([await status(one), await status(two)]).toEqual([200, 200]);
      const stream = await Listening.to(`${two.url}/v1/events`, key);
      expect((await one.fetch('DELETE', `${KEYS}/${id}`)).status).toBe(204);
      const from = Date.now();
      await until('both refuse it', async () => (await status(one)) === 401 && (await status(two)) === 401, 20_000);
      expect(Date.now() - from).toBeLessThan(5_000);
      await until('the stream ended', () => stream.over !== undefined, 20_000);
      expect(Date.now() - from).toBeLessThan(10_000);
    } finally {
      await two.end();
      await one.remove();
    }
  }, 120_000);
});
