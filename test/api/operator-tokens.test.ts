import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type GenerateKeyPairResult, type JWTPayload } from 'jose';
import pino from 'pino';
import { byApiKey, eitherOf, type Authenticate } from '../../api/auth/authentication.js';
import { byOperatorToken } from '../../api/auth/operator-tokens.js';
import { createTenantLocally } from '../../store/commands/tenants.js';
import { admin } from '../cli/admin.js';
import { ApiProcess } from './api-process.js';
import { startApi, type ApiUnderTest, type Reply } from './api-under-test.js';

const AUDIENCE = 'slipway-test';

/** An identity provider: a discovery document and the keys, over HTTP. */
class Issuer {
  url = '';
  requests = 0;
  isAway = false;
  readonly keys = new Map<string, GenerateKeyPairResult & { alg: string }>();
  private server!: Server;

  static async start(): Promise<Issuer> {
    const issuer = new Issuer();
    issuer.server = createServer(
      (request, response) =>
        void issuer
          .answer(request.url ?? '')
          .then(([status, body]) =>
            response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
          ),
    );
    await new Promise<void>((resolve) => issuer.server.listen(0, '127.0.0.1', resolve));
    issuer.url = `http://127.0.0.1:${(issuer.server.address() as AddressInfo).port}`;
    await issuer.addKey('rsa', 'RS256');
    await issuer.addKey('ec', 'ES256');
    await issuer.addKey('ed', 'EdDSA');
    return issuer;
  }

  async addKey(kid: string, alg: string): Promise<void> {
    this.keys.set(kid, { ...(await generateKeyPair(alg, { extractable: true })), alg });
  }

  sign(
    claims: JWTPayload,
    { kid = 'rsa', expires = '5 minutes' }: { kid?: string; expires?: string } = {},
  ): Promise<string> {
    const { privateKey, alg } = this.keys.get(kid)!;
    return new SignJWT({ iss: this.url, aud: AUDIENCE, sub: 'ann', ...claims })
      .setProtectedHeader({ alg, kid })
      .setExpirationTime(expires)
      .sign(privateKey);
  }

  async end(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private async answer(path: string): Promise<[number, unknown]> {
    if (this.isAway) return [502, {}];
    if (path === '/.well-known/openid-configuration') return [200, { issuer: this.url, jwks_uri: `${this.url}/keys` }];
    this.requests += 1;
    return [
      200,
      {
        keys: await Promise.all(
          [...this.keys].map(async ([kid, { publicKey, alg }]) => ({
            ...(await exportJWK(publicKey)),
            kid,
            alg,
            use: 'sig',
          })),
        ),
      },
    ];
  }
}

let issuer: Issuer;
let api: ApiUnderTest;
let authenticate: Authenticate;
let stranger: Issuer;
const logged: string[] = [];
beforeAll(async () => {
  issuer = await Issuer.start();
  await issuer.addKey('odd', 'PS256');
  stranger = await Issuer.start();
  await stranger.end();
  const log = pino({ level: 'info' }, { write: (line: string) => void logged.push(line) });
  api = await startApi('api_operator_tokens', { authenticate: (token) => authenticate(token), services: { log } });
  for (const id of ['acme', 'acme-rsa', 'acme-ec', 'acme-ed', 'another', 'known'])
    await createTenantLocally(api.pool, id);
  authenticate = eitherOf(
    byApiKey(api.pool, Date.now),
    byOperatorToken(api.pool, { issuer: issuer.url, audience: AUDIENCE }, api.services.log),
  );
});
afterAll(async () => {
  await api.close();
  await issuer.end();
});

async function ask(
  token: string,
  method = 'GET',
  path = '/v1/device-types',
  body?: unknown,
): Promise<Pick<Reply, 'status' | 'body'>> {
  const response = await fetch(api.url + path, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}
const NEITHER = /neither a key of this service nor signed by a key of its issuer/;
const OWNER = { tenant: 'acme', roles: ['owner'] };

describe('The token of an operator', () => {
  it.each(['rsa', 'ec', 'ed'])('is for one tenant (%s)', async (kid) => {
    const made = await ask(
      await issuer.sign({ ...OWNER, tenant: `acme-${kid}` }, { kid }),
      'POST',
      '/v1/device-types',
      { name: 'Switch' },
    );
    expect(made.status).toBe(201);
    expect((await ask(await issuer.sign({ ...OWNER, tenant: `acme-${kid}` }, { kid }))).body.data).toHaveLength(1);
    expect((await ask(await issuer.sign({ ...OWNER, tenant: 'another' }, { kid }))).body.data).toEqual([]);
  });

  it.each([
    ['permissions', { permissions: ['devicetypes:read', 'of:another-service'] }, 200, 403],
    ['scope', { scope: 'openid devicetypes:read devicetypes:write' }, 200, 201],
    ['roles', { roles: ['reader', 'admin'] }, 200, 403],
    ['a role', { role: 'writer' }, 200, 201],
    ['nothing', {}, 403, 403],
    ['numbers', { permissions: [1], scope: 7, roles: { owner: true } }, 403, 403],
  ])('may do what its %s say', async (_what, claims, reads, writes) => {
    const token = await issuer.sign({ tenant: 'acme', ...claims });
    expect([
      (await ask(token)).status,
      (await ask(token, 'POST', '/v1/device-types', { name: 'Type' })).status,
    ]).toEqual([reads, writes]);
  });

  it('holds nothing of the installation, with every claim', async () => {
    const scope = 'tenants:read tenants:write devicetypes:read';
    const token = await issuer.sign({ tenant: 'acme', scope, permissions: ['tenants:write'], roles: ['owner'] });
    const { permissions } = (await authenticate(token))!;
    expect(permissions).toContain('devicetypes:read');
    expect(permissions.filter((one) => one.startsWith('tenants:'))).toEqual([]);
  });

  const at = (seconds: number) => Math.floor(Date.now() / 1_000) + seconds;
  const REFUSED: [string, () => Promise<string>, string, RegExp][] = [
    ['without a tenant', () => issuer.sign({ roles: ['owner'] }), 'tenant', /names no tenant/],
    ['with a path for a tenant', () => issuer.sign({ ...OWNER, tenant: '../other' }), 'tenant', /names no tenant/],
    [
      'of a tenant that does not exist',
      () => issuer.sign({ ...OWNER, tenant: 'nowhere' }),
      'tenant',
      /the tenant "nowhere" of the token does not exist; its administrator makes one with slipway-admin tenants create/,
    ],
    ['that is an ID token', () => issuer.sign({ ...OWNER, at_hash: 'aGFzaA' }), 'claims', /is an ID token/],
    ['that is an ID token of Keycloak', () => issuer.sign({ ...OWNER, typ: 'ID' }), 'claims', /is an ID token/],
    ['of two tenants', () => issuer.sign({ ...OWNER, tenant: ['a', 'b'] }), 'tenant', /exactly one/],
    ['without a subject', () => issuer.sign({ ...OWNER, sub: undefined as unknown as string }), 'subject', /claim sub/],
    ['with an empty subject', () => issuer.sign({ ...OWNER, sub: '' }), 'subject', /claim sub/],
    ['with a subject that is too long', () => issuer.sign({ ...OWNER, sub: 'x'.repeat(256) }), 'subject', /claim sub/],
    ['with a subject that holds NUL', () => issuer.sign({ ...OWNER, sub: 'a\0' }), 'subject', /claim sub/],
    ['whose subject is a number', () => issuer.sign({ ...OWNER, sub: 7 as unknown as string }), 'subject', /claim sub/],
    [
      'of another issuer',
      () => issuer.sign({ ...OWNER, iss: 'https://elsewhere.example' }),
      'issuer',
      /another issuer/,
    ],
    ['for another service', () => issuer.sign({ ...OWNER, aud: 'another' }), 'audience', /aud must be slipway-test/],
    [
      'that expired',
      () => issuer.sign(OWNER, { expires: '2 minutes ago' }),
      'expired',
      /expired \(20.*Z\); ask its issuer/,
    ],
    ['that is not good yet', () => issuer.sign({ ...OWNER, nbf: at(600) }), 'not_yet_valid', /not valid yet \(20/],
    [
      'that is unsigned',
      async () =>
        `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await issuer.sign(OWNER)).split('.')[1]}.AAAA`,
      'unverified',
      NEITHER,
    ],
    ['that was changed', async () => (await issuer.sign(OWNER)).replace(/.{4}$/, 'AAAA'), 'unverified', NEITHER],
    [
      'by another key, and expired',
      async () => stranger.sign({ ...OWNER, iss: issuer.url }, { expires: '2 minutes ago' }),
      'unverified',
      NEITHER,
    ],
    ['by an algorithm that was not asked for', () => issuer.sign(OWNER, { kid: 'odd' }), 'unverified', NEITHER],
    ['that is none', async () => 'a.b.c', 'unverified', NEITHER],
  ];

  it.each(REFUSED)('%s is refused, and says why where that gives nothing away', async (_, token, reason, sentence) => {
    logged.length = 0;
    const { status, body } = (await ask(await token())) as {
      status: number;
      body: { errorCode: string; errorMessage: string; reason: string };
    };
    expect([status, body.errorCode, body.reason]).toEqual([401, 'AUTH_INVALID_TOKEN', reason]);
    expect(body.errorMessage).toMatch(sentence);
    const line = logged.find((one) => one.includes('"refused: '));
    expect(JSON.parse(line ?? '{}')).toMatchObject({ code: 'AUTH_INVALID_TOKEN', reason, token: expect.anything() });
    expect(line).not.toContain((await token()).split('.')[2]!.slice(0, 20).padEnd(8, '~'));
  });

  it('that lacks a permission gets its name, and so does the log', async () => {
    logged.length = 0;
    const { status, body } = await ask(
      await issuer.sign({ tenant: 'acme', role: 'reader' }),
      'POST',
      '/v1/device-types',
      { name: 'T' },
    );
    expect([status, body.errorCode]).toEqual([403, 'AUTH_FORBIDDEN']);
    expect(body.errorMessage).toContain('devicetypes:write');
    expect(JSON.parse(logged.find((one) => one.includes('"refused: ')) ?? '{}')).toMatchObject({
      code: 'AUTH_FORBIDDEN',
      permission: 'devicetypes:write',
      principal: 'user:ann',
    });
  });

  it('whose issuer is away is answered with 503, and keys of this service work', async () => {
    const fresh = byOperatorToken(api.pool, { issuer: issuer.url, audience: AUDIENCE }, api.services.log);
    issuer.isAway = true;
    await expect(fresh(await issuer.sign(OWNER))).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    expect((await ask(api.token)).status).toBe(200);
    issuer.isAway = false;
    expect(await fresh(await issuer.sign(OWNER))).toMatchObject({ tenantId: 'acme', id: 'user:ann' });
  });

  it('works by settings alone, with the keys where they say', async () => {
    const service = await ApiProcess.prepare('api_operator_tokens_process', {
      SLIPWAY_JWT_ISSUER: issuer.url,
      SLIPWAY_JWT_AUDIENCE: AUDIENCE,
      SLIPWAY_JWKS_URL: `${issuer.url}/keys`,
    });
    try {
      await service.start();
      const database = { DATABASE_URL: service.database.url };
      expect(await admin(['tenants', 'create', 'acme'], database)).toEqual({
        code: 0,
        said: expect.stringMatching(/^The tenant "acme" is there\. Its first key, .* once:\nslp_\w{8}_\w{43}_\w{6}\n$/),
      });
      expect(await admin(['tenants', 'create', 'acme'], database)).toMatchObject({ code: 1 });
      for (const id of ['Acme', 'v1', '', 'a'.repeat(28), '-a', 'ü'])
        expect([id, await admin(['tenants', 'create', '--', id], database)]).toEqual([
          id,
          { code: 1, said: expect.stringContaining('cannot be the id of a tenant') },
        ]);
      const authorization = `Bearer ${await issuer.sign(OWNER)}`;
      expect((await service.fetch('POST', '/v1/device-types', { name: 'Switch' }, { authorization })).status).toBe(201);
      expect(((await (await service.fetch('GET', '/v1/device-types')).json()) as { data: unknown[] }).data).toEqual([]);
    } finally {
      await service.remove();
    }
  }, 60_000);

  it('costs no question to the issuer while its key is known', async () => {
    await ask(await issuer.sign(OWNER));
    const { requests } = issuer;
    for (let count = 0; count < 5; count += 1)
      expect((await ask(await issuer.sign({ ...OWNER, tenant: 'known' }))).status).toBe(200);
    expect(issuer.requests).toBe(requests);
  });
});
