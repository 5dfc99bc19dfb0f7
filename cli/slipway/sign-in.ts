import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CliError } from './exit.js';
import { readProfiles, writeProfiles, type OidcTokens, type Profile } from './profiles.js';

/** What `GET /v1/auth/config` says of the identity provider. */
export interface Provider {
  readonly issuer: string;
  readonly clientId: string;
  readonly audience: string;
  readonly scopes: readonly string[];
}

/** RFC 8628 §3.5: where the provider names no interval, and how much longer after `slow_down`. */
const INTERVAL_MS = 5_000;
const RENEW_BEFORE_MS = 60_000;
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

/** @param file `-` is standard input */
export async function readKey(file: string): Promise<string> {
  const key = readFileSync(file === '-' ? 0 : file, 'utf8').trim();
  if (key === '') throw new CliError('usage', `${file} is empty.`, 'It has to hold an API key.');
  return key;
}

/** Asks for a key on the terminal, without showing it. */
export async function askKey(url: string): Promise<string> {
  const { isCancel, password } = await import('@clack/prompts');
  const key = await password({ message: `API key of ${url}`, validate: (text) => (text ? undefined : 'It is empty.') });
  if (isCancel(key)) throw new CliError('failed', 'Canceled; nothing was changed.');
  return key.trim();
}

/**
 * Signs in by device code (RFC 8628): a person opens the address in any browser and confirms the code.
 * @param say a line for people
 */
export async function signInByDevice(provider: Provider, say: (line: string) => void): Promise<OidcTokens> {
  const { issuer, clientId, audience, scopes } = provider;
  const ends = await endpoints(issuer);
  if (ends.device === undefined)
    throw new CliError(
      'failed',
      `${issuer} does not offer sign-in by device code.`,
      'Sign in with a key: --key-file FILE',
    );
  const asked = await post(ends.device, {
    client_id: clientId,
    scope: scopes.join(' '),
    audience,
    // RFC 8707: providers that know no `audience` go by this one, which has to be an address.
    ...(URL.canParse(audience) ? { resource: audience } : {}),
  });
  if (asked.status !== 200) throw refused(issuer, asked.body);
  const { device_code, user_code, verification_uri, verification_uri_complete, interval, expires_in } = asked.body;
  say(`Open ${String(verification_uri_complete ?? verification_uri)} and confirm the code ${String(user_code)}.`);
  const end = Date.now() + Number(expires_in) * 1_000;
  for (let ms = interval === undefined ? INTERVAL_MS : Number(interval) * 1_000; Date.now() < end;) {
    await sleep(ms);
    const { status, body } = await post(ends.token, {
      grant_type: DEVICE_GRANT,
      device_code: String(device_code),
      client_id: clientId,
      ...(URL.canParse(audience) ? { resource: audience } : {}),
    });
    if (status === 200) return tokensOf(provider, body);
    if (body['error'] === 'slow_down') ms += INTERVAL_MS;
    else if (body['error'] !== 'authorization_pending') throw refused(issuer, body);
  }
  throw new CliError('late', 'The code was not confirmed in time.', 'Try again: slipway login URL');
}

/** The access token of a profile, renewed where it ends within a minute. The profile's file gets the new one. */
export async function freshToken(name: string, profile: Profile): Promise<string | undefined> {
  const { oidc } = profile;
  if (oidc === undefined) return profile.key;
  const current = readProfiles().profiles[name]?.oidc ?? oidc;
  if (current.expiresAt === undefined || current.expiresAt - RENEW_BEFORE_MS > Date.now()) return current.accessToken;
  const again = 'Sign in again: slipway login URL';
  if (current.refreshToken === undefined) throw new CliError('noAccess', 'Your sign-in has ended.', again);
  const { token } = await endpoints(current.issuer);
  const { status, body } = await post(token, {
    grant_type: 'refresh_token',
    refresh_token: current.refreshToken,
    client_id: current.clientId,
  });
  if (status !== 200) throw new CliError('noAccess', `Your sign-in has ended: ${saidOf(body)}`, again);
  const renewed = tokensOf(current, { refresh_token: current.refreshToken, ...body });
  const known = readProfiles();
  if (name !== '') writeProfiles({ ...known, profiles: { ...known.profiles, [name]: { ...profile, oidc: renewed } } });
  return renewed.accessToken;
}

type Body = Readonly<Record<string, unknown>>;

async function endpoints(issuer: string): Promise<{ device?: string; token: string }> {
  const url = `${issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`;
  const response = await fetch(url).catch((cause: unknown) => {
    throw new CliError('away', `The identity provider ${issuer} does not answer: ${String(cause)}`, 'Try again later.');
  });
  if (!response.ok) throw new CliError('away', `${url} answered ${response.status}.`, 'Try again later.');
  const found = (await response.json()) as Body;
  const device = found['device_authorization_endpoint'];
  return { token: String(found['token_endpoint']), ...(typeof device === 'string' ? { device } : {}) };
}

async function post(url: string, form: Readonly<Record<string, string>>): Promise<{ status: number; body: Body }> {
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams(form) });
  return { status: response.status, body: (await response.json()) as Body };
}

function tokensOf({ issuer, clientId }: Pick<Provider, 'issuer' | 'clientId'>, body: Body): OidcTokens {
  const { access_token, refresh_token, expires_in } = body;
  return {
    issuer,
    clientId,
    accessToken: String(access_token),
    ...(typeof refresh_token === 'string' ? { refreshToken: refresh_token } : {}),
    ...(typeof expires_in === 'number' ? { expiresAt: Date.now() + expires_in * 1_000 } : {}),
  };
}

function saidOf(body: Body): string {
  const said = body['error_description'] ?? body['error'];
  return typeof said === 'string' ? said : 'no reason was given';
}

function refused(issuer: string, body: Body): CliError {
  return new CliError('noAccess', `${issuer} refused: ${saidOf(body)}`, 'Try again: slipway login URL');
}
