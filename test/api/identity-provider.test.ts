import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeJwt, decodeProtectedHeader, generateKeyPair, SignJWT } from 'jose';
import { byApiKey, eitherOf, type Authenticate } from '../../api/auth/authentication.js';
import { byOperatorToken } from '../../api/auth/operator-tokens.js';
import { changeTenant, createTenantLocally } from '../../store/commands/tenants.js';
import { asService } from '../../store/db/transaction.js';
import { CLIENT_ID, IdentityProvider } from '../support/identity-provider.js';
import { until } from '../support/until.js';
import { startApi, type ApiUnderTest } from './api-under-test.js';

const AUDIENCE = 'slipway-api';
let provider: IdentityProvider;
let stranger: IdentityProvider;
let api: ApiUnderTest;
let authenticate: Authenticate;
beforeAll(async () => {
  provider = await IdentityProvider.start();
  stranger = await IdentityProvider.start();
  const signIn = { issuer: provider.issuer, clientId: CLIENT_ID, audience: AUDIENCE, scopes: ['openid'] };
  api = await startApi('api_identity_provider', {
    authenticate: (token) => authenticate(token),
    services: { signIn },
  });
  for (const id of ['acme', 'paused']) await createTenantLocally(api.pool, id);
  authenticate = eitherOf(
    byApiKey(api.pool, Date.now),
    byOperatorToken(api.pool, { issuer: provider.issuer, audience: AUDIENCE }, api.services.log),
  );
}, 60_000);
afterAll(async () => {
  await api.close();
  await provider.end();
  await stranger.end();
});

interface Answer {
  readonly status: number;
  readonly body: { readonly data: Record<string, unknown>; readonly errorCode?: string; readonly reason?: string };
}
async function me(token: string): Promise<Answer> {
  const response = await fetch(`${api.url}/v1/me`, { headers: { authorization: `Bearer ${token}` } });
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}
const ANN = { tenant: 'acme', id: 'ann@acme', actsAs: 'user:ann@acme', kind: 'token', roles: ['owner'] };

describe('With a real identity provider', () => {
  it('the service says how to sign in', async () => {
    const { data } = (await (await fetch(`${api.url}/v1/auth/config`)).json()) as Answer['body'];
    expect(data).toMatchObject({
      oidc: { issuer: provider.issuer, clientId: CLIENT_ID, audience: AUDIENCE, deviceCode: true },
    });
  });

  it.each([
    ['device code, as the command line does', () => provider.byDeviceCode('ann@acme')],
    ['authorization code with PKCE, as the dashboard does', () => provider.byCode('ann@acme')],
  ])(
    'a person signs in by %s, and stays signed in by refresh',
    async (_how, signIn) => {
      const first = await signIn();
      expect(await me(first.access)).toMatchObject({ status: 200, body: { data: ANN } });
      const second = await provider.refresh(first.refresh);
      expect(second.refresh).not.toBe(first.refresh);
      expect(await me(second.access)).toMatchObject({ status: 200, body: { data: ANN } });
      // A refresh token that was used before is a stolen one: all that came of it ends.
      await expect(provider.refresh(first.refresh)).rejects.toMatchObject({ error: 'invalid_grant' });
      await expect(provider.refresh(second.refresh)).rejects.toMatchObject({ error: 'invalid_grant' });
    },
    30_000,
  );
});

describe('Refused is', () => {
  const refused = async (token: string, ...reasons: string[]) => {
    const { status, body } = await me(token);
    expect([status, body.errorCode]).toEqual([401, 'AUTH_INVALID_TOKEN']);
    expect(reasons).toContain(body.reason);
  };

  it('an ID token: by its audience, and where client and service have one audience, as an ID token', async () => {
    const { id, access } = await provider.byCode('ann@acme');
    expect(decodeJwt(id)).toMatchObject({ aud: CLIENT_ID, tenant: 'acme' });
    await refused(id, 'audience');
    const options = { issuer: provider.issuer, audience: CLIENT_ID, clientId: CLIENT_ID };
    const shared = byOperatorToken(api.pool, options, api.services.log);
    await expect(shared(id)).rejects.toMatchObject({
      code: 'AUTH_INVALID_TOKEN',
      message: expect.stringContaining('is an ID token'),
    });
    const { access: sharing } = await provider.byCode('ann@acme', 'https://client.example');
    expect(decodeJwt(sharing).aud).toBe(CLIENT_ID);
    expect(await shared(sharing)).toMatchObject({ tenantId: 'acme', id: 'user:ann@acme' });
    expect((await me(access)).status).toBe(200);
  });

  it('a token for another service of the same issuer', async () => {
    const { access } = await provider.byCode('ann@acme', 'https://another.example');
    expect(decodeJwt(access).aud).toBe('another-api');
    await refused(access, 'audience');
  });

  it('a token of another issuer, with the same claims', async () => {
    const { access } = await stranger.byCode('ann@acme');
    expect(decodeJwt(access)).toMatchObject({ aud: AUDIENCE, tenant: 'acme' });
    await refused(access, 'unverified', 'issuer');
  });

  it('a token of a tenant that does not exist, and none appears', async () => {
    await refused((await provider.byCode('ann@nowhere')).access, 'tenant');
    const { rows } = await api.pool.query(`SELECT id FROM tenants WHERE id = 'nowhere'`);
    expect(rows).toEqual([]);
  });

  it('a token of a suspended tenant, with 403, until it is active again', async () => {
    const { access } = await provider.byCode('ann@paused');
    expect((await me(access)).status).toBe(200);
    const turns = (state: 'active' | 'suspended') => asService(api.pool, (tx) => changeTenant(tx, 'paused', { state }));
    await turns('suspended');
    await until('it is refused', async () => (await me(access)).status === 403, 10_000);
    expect((await me(access)).body.errorCode).toBe('TENANT_SUSPENDED');
    await turns('active');
    await until('it is taken', async () => (await me(access)).status === 200, 10_000);
  }, 30_000);
});

describe('When the identity provider rotates its keys under load', () => {
  const kidOf = (token: string) => decodeProtectedHeader(token).kid;

  it('no token of an old or a new key is refused, and the keys are fetched once for each rotation', async () => {
    const tokens = [(await provider.byCode('ann@acme')).access];
    expect((await me(tokens[0]!)).status).toBe(200);
    const asked = provider.keyRequests;
    const answers = new Map<string, number[]>();
    let isOver = false;
    const workers = Array.from({ length: 8 }, async () => {
      while (!isOver)
        for (const token of tokens) {
          const { status } = await me(token);
          answers.set(token, [...(answers.get(token) ?? []), status]);
        }
    });
    const rotations = 3;
    for (let times = 0; times < rotations; times += 1) {
      await provider.rotate();
      const { access } = await provider.byCode('ann@acme');
      expect(tokens.map(kidOf)).not.toContain(kidOf(access));
      tokens.push(access);
      await until('the new token is used', () => (answers.get(access)?.length ?? 0) > 20, 20_000);
    }
    isOver = true;
    await Promise.all(workers);
    expect([...answers.values()].map((statuses) => [...new Set(statuses)])).toEqual(tokens.map(() => [200]));
    expect(provider.keyRequests - asked).toBe(rotations);
  }, 60_000);

  it('tokens of invented keys cost the issuer one question a second at most, and are refused', async () => {
    const invented = async () => {
      const { privateKey } = await generateKeyPair('RS256');
      return new SignJWT({ tenant: 'acme', roles: ['owner'] })
        .setProtectedHeader({ alg: 'RS256', kid: randomUUID() })
        .setIssuer(provider.issuer)
        .setAudience(AUDIENCE)
        .setSubject('eve')
        .setExpirationTime('5 minutes')
        .sign(privateKey);
    };
    const tokens = await Promise.all(Array.from({ length: 20 }, invented));
    const [asked, from] = [provider.keyRequests, performance.now()];
    const statuses = await Promise.all(tokens.map(async (token) => (await me(token)).status));
    expect(new Set(statuses)).toEqual(new Set([401]));
    expect(provider.keyRequests - asked).toBeLessThanOrEqual(1 + (performance.now() - from) / 1_000);
  }, 60_000);
});
