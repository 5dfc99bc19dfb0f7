import { offer } from '../service/handover.js';
import { enter, none } from '../service/session.js';
import type { AuthConfig } from '../service/types.js';

/** What the browser has to remember while it is at the identity provider: nothing secret but the verifier. */
interface Pending {
  readonly state: string;
  readonly verifier: string;
  readonly tokenEndpoint: string;
  readonly clientId: string;
  /** The address to come back to. */
  readonly back: string;
  /** Whether this is a window of its own, which closes afterwards. */
  readonly window: boolean;
}

interface Tokens {
  readonly access_token: string;
  readonly refresh_token?: string;
  /** Seconds. */
  readonly expires_in?: number;
}

const PENDING = 'slipway.oidc';
/** Registered at the identity provider, behind the address of the service. */
export const RETURN_PATH = '/sign-in';
/** A new token is asked for this long before the old one ends. */
const EARLY_MS = 60_000;

/**
 * Goes to the identity provider: authorization code with PKCE (RFC 7636), as a public client.
 * @param inPlace in a window of its own, because a page waits behind the question
 * @throws Error with a sentence where the provider cannot be asked
 */
export async function begin(oidc: NonNullable<AuthConfig['oidc']>, inPlace: boolean): Promise<void> {
  if (!window.isSecureContext)
    throw new Error('Signing in with an identity provider needs HTTPS, or the address localhost. Use a key here.');
  // Opened at once, while the press of the button counts: browsers block what comes later.
  const target = inPlace ? window.open('about:blank', 'slipway-sign-in', 'popup,width=480,height=720') : window;
  if (!target) throw new Error('The browser blocked the window of the identity provider. Allow it, and press again.');
  const { authorization_endpoint, token_endpoint } = await discover(oidc.issuer);
  const pending: Pending = {
    state: random(),
    verifier: random(),
    tokenEndpoint: token_endpoint,
    clientId: oidc.clientId,
    back: inPlace ? '/' : location.pathname + location.search,
    window: inPlace,
  };
  target.sessionStorage.setItem(PENDING, JSON.stringify(pending));
  const url = new URL(authorization_endpoint);
  const query = {
    response_type: 'code',
    client_id: oidc.clientId,
    redirect_uri: location.origin + RETURN_PATH,
    scope: oidc.scopes.join(' '),
    state: pending.state,
    code_challenge: await challengeOf(pending.verifier),
    code_challenge_method: 'S256',
    audience: oidc.audience,
    // RFC 8707: only an absolute URI is a resource.
    ...(URL.canParse(oidc.audience) ? { resource: oidc.audience } : {}),
  };
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  target.location.assign(url.href);
}

/** Takes what the identity provider sent back, and restores the address that was left. */
export async function comeBack(): Promise<void> {
  const answer = new URLSearchParams(location.search);
  const kept = sessionStorage.getItem(PENDING);
  sessionStorage.removeItem(PENDING);
  const pending = kept === null ? undefined : (JSON.parse(kept) as Pending);
  history.replaceState(null, '', pending?.back ?? '/');
  if (!pending || answer.get('state') !== pending.state)
    return none('This answer of the identity provider is not of this tab. Sign in once more.');
  const code = answer.get('code');
  if (code === null)
    return none(
      answer.get('error_description') ?? `The identity provider answered ${answer.get('error') ?? 'nothing'}.`,
    );
  try {
    await take(pending, {
      grant_type: 'authorization_code',
      code,
      redirect_uri: location.origin + RETURN_PATH,
      code_verifier: pending.verifier,
    });
    if (pending.window) window.close();
  } catch (error) {
    none(error instanceof Error ? error.message : String(error));
  }
}

/** The token stays in memory, here and in the other open tabs; a refresh token only here. */
async function take(pending: Pending, grant: Record<string, string>): Promise<void> {
  const tokens = await ask(pending, grant);
  const session = { token: tokens.access_token, kind: 'oidc', kept: false } as const;
  enter(session);
  offer(session);
  const { refresh_token, expires_in } = tokens;
  if (refresh_token === undefined || expires_in === undefined) return;
  const wait = Math.max(EARLY_MS / 2, expires_in * 1_000 - EARLY_MS);
  // Where it fails the token ends, and the page asks for a new sign-in in place.
  setTimeout(() => void take(pending, { grant_type: 'refresh_token', refresh_token }).catch(console.warn), wait);
}

async function ask({ tokenEndpoint, clientId }: Pending, grant: Record<string, string>): Promise<Tokens> {
  const response = await reach(tokenEndpoint, {
    method: 'POST',
    body: new URLSearchParams({ ...grant, client_id: clientId }),
  });
  const body = (await response.json()) as Tokens & { error?: string; error_description?: string };
  if (!response.ok)
    throw new Error(`The identity provider refused: ${body.error_description ?? body.error ?? response.statusText}.`);
  return body;
}

async function discover(issuer: string): Promise<{ authorization_endpoint: string; token_endpoint: string }> {
  const response = await reach(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {});
  if (!response.ok) throw new Error(`${issuer} answered ${response.status}: it does not say how one signs in there.`);
  return (await response.json()) as { authorization_endpoint: string; token_endpoint: string };
}

async function reach(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (cause) {
    throw new Error(`${new URL(url).host} does not answer this page, or does not allow it to ask (CORS).`, { cause });
  }
}

function random(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

async function challengeOf(verifier: string): Promise<string> {
  return base64url(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))));
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}
