import { setTimeout as sleep } from 'node:timers/promises';
import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose';

const FETCH_TIMEOUT_MS = 5_000;
/**
 * A token names a key of the issuer; an unknown one has the keys fetched anew, but no more often than this, whichever
 * client sends what: tokens with invented names cost the issuer one request a second, and themselves the wait.
 */
const FETCH_AGAIN_MS = 1_000;

/** What stood between us and the issuer: no fault of the token. */
class KeysAway extends Error {
  override readonly name = 'KeysAway';
}

/**
 * The keys that an issuer publishes. It may sign with a new one at any moment: a token whose key is not known waits
 * until the keys were asked for after it came, and only then is its key unknown. So a rotation refuses no valid token,
 * and no clock or pause of a rotation has to be agreed on.
 * @param jwksUrl where the keys are; undefined = the issuer's OIDC discovery document says so
 */
export function issuerKeys(issuer: string, jwksUrl?: string): JWTVerifyGetKey {
  let found: Promise<string> | undefined;
  let keys: JWTVerifyGetKey | undefined;
  /** When they were last asked for: milliseconds of this process's steady clock. */
  let askedAt = -Infinity;
  const inTurn = async (url: string, options: RequestInit): Promise<Response> => {
    const wait = askedAt + FETCH_AGAIN_MS - performance.now();
    if (wait > 0) await sleep(wait, undefined, options.signal ? { signal: options.signal } : {});
    askedAt = performance.now();
    return fetched(url, options);
  };
  return async (header, token) => {
    const arrived = performance.now();
    // Asked for once, however many tokens wait for it; and again by the next one where it failed.
    found ??= jwksUrl === undefined ? discover(issuer) : Promise.resolve(jwksUrl);
    found.catch(() => (found = undefined));
    keys ??= createRemoteJWKSet(new URL(await found), {
      timeoutDuration: FETCH_TIMEOUT_MS,
      cooldownDuration: 0,
      [customFetch]: inTurn,
    });
    for (;;) {
      try {
        return await keys(header, token);
      } catch (error) {
        // It shared a fetch that began before it came: the answer may be older than its key.
        if (!(error instanceof errors.JWKSNoMatchingKey) || askedAt >= arrived) throw error;
      }
    }
  };
}

async function fetched(url: string, options: RequestInit): Promise<Response> {
  try {
    const response = await fetch(url, options);
    if (response.status === 200) return response;
    throw new Error(`HTTP ${response.status}`);
  } catch (error) {
    throw new KeysAway(`${url}: ${(error as Error).message}`, { cause: error });
  }
}

async function discover(issuer: string): Promise<string> {
  const url = `${issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`;
  const response = await fetched(url, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
  const { jwks_uri: found } = (await response.json().catch(() => ({}))) as { jwks_uri?: unknown };
  if (typeof found !== 'string' || !URL.canParse(found)) throw new KeysAway(`${url} has no jwks_uri`);
  return found;
}
