import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Profiles } from '../../cli/slipway/profiles.js';
import { ApiProcess } from '../api/api-process.js';
import { CLIENT_ID, IdentityProvider } from '../support/identity-provider.js';
import { runSlipway, type Ran } from './run-slipway.js';

const AUDIENCE = 'https://audience.example';
/** The provider is asked each 5 s whether the code was confirmed. */
const MS = 90_000;
const folder = mkdtempSync(join(tmpdir(), 'slipway-sign-in-'));
const file = join(folder, 'slipway/profiles.json');
const env = { XDG_CONFIG_HOME: folder };
let provider: IdentityProvider;
let api: ApiProcess;
beforeAll(async () => {
  provider = await IdentityProvider.start();
  api = await ApiProcess.prepare('cli sign-in', {
    SLIPWAY_JWT_ISSUER: provider.issuer,
    SLIPWAY_JWT_AUDIENCE: AUDIENCE,
    SLIPWAY_OIDC_CLIENT_ID: CLIENT_ID,
    SLIPWAY_OIDC_SCOPES: 'openid devicetypes:read devicetypes:write',
  });
  await api.start();
  expect((await api.fetch('POST', '/v1/tenants', { id: 'acme' })).status).toBe(201);
}, MS);
afterAll(async () => {
  await api.remove();
  await provider.end();
  rmSync(folder, { recursive: true, force: true });
}, MS);

/** `slipway login`, while a person confirms the code in a browser at the address that it shows. */
function login(account: string): Promise<Ran> {
  const child = spawn(process.execPath, ['dist/cli/slipway/main.js', 'login', api.url, '--profile', 'person'], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: MS,
  });
  let said = '';
  let isConfirmed = false;
  return new Promise((resolve, reject) => {
    const heard = (chunk: Buffer) => {
      said += chunk.toString();
      const [, address] = /^Open (\S+) and confirm the code \S+\.$/m.exec(said) ?? [];
      if (address === undefined || isConfirmed) return;
      isConfirmed = true;
      provider.confirmDevice(address, account).catch(reject);
    };
    for (const stream of [child.stdout, child.stderr]) stream.on('data', heard);
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? -1, said }));
  });
}

const kept = () => JSON.parse(readFileSync(file, 'utf8')) as Profiles;
const tokens = () => kept().profiles['person']!.oidc!;
/** The profile as it is when its access token has come to its end. */
function age(refreshToken: string): void {
  const { current, profiles } = kept();
  const oidc = { ...tokens(), refreshToken, expiresAt: Date.now() - 1_000 };
  writeFileSync(file, JSON.stringify({ current, profiles: { ...profiles, person: { ...profiles['person'], oidc } } }));
}

describe('slipway login with a real identity provider', () => {
  it(
    'signs a person in by a code that is confirmed in a browser, and keeps it for its owner alone',
    async () => {
      const { code, said } = await login('ann@acme');
      expect([code, said]).toEqual([0, expect.stringMatching(/^Signed in to Slipway .* as user:ann@acme of acme;/m)]);
      expect(statSync(file).mode & 0o777).toBe(0o600);
      const me = await runSlipway(['me', '-o', 'json'], env);
      expect(JSON.parse(me.said)).toMatchObject({ tenant: 'acme', actsAs: 'user:ann@acme', kind: 'token' });
    },
    MS,
  );

  it(
    'renews a token that has ended, and keeps the new one',
    async () => {
      const before = tokens();
      age(before.refreshToken!);
      expect(await runSlipway(['type', 'list'], env)).toEqual({ code: 0, said: 'Nothing found.\n' });
      expect(tokens().accessToken).not.toBe(before.accessToken);
      expect(tokens().refreshToken).not.toBe(before.refreshToken);
      expect(tokens().expiresAt).toBeGreaterThan(Date.now());
    },
    MS,
  );

  it(
    'says what to do where the sign-in has ended for good',
    async () => {
      age('of-another-one');
      expect(await runSlipway(['type', 'list'], env)).toEqual({
        code: 5,
        said: expect.stringMatching(/^slipway: Your sign-in has ended: .+\nSign in again: slipway login URL\n$/),
      });
    },
    MS,
  );

  it(
    'says that the provider is away',
    async () => {
      await provider.end();
      const { code, said } = await runSlipway(['login', api.url, '--profile', 'person'], env);
      expect([code, said]).toEqual([6, expect.stringMatching(/^slipway: The identity provider .* does not answer/)]);
    },
    MS,
  );
});
