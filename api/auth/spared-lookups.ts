import { createHash } from 'node:crypto';
import { DomainError } from '../../domain/errors.js';
import type { Principal } from '../http/route.js';
import { networkOf, Rates, tooMany } from '../http/rates.js';
import type { Authenticate } from './authentication.js';

/** As `Authenticate`, for a token that came from an address. @throws DomainError REQUEST_RATE, too */
export type AuthenticateFrom = (token: string, address: string) => Promise<Principal | undefined>;

/** A refused token is refused again without a look for this long: a key that is made meanwhile works after it. */
const REFUSED_MS = 1_000;
/** Tokens of 44 characters each; the oldest goes. */
const MOST_TOKENS = 10_000;
/** Refused tokens in a minute from one address, each another one: a person's mistakes are few, a guesser's are not. */
const REFUSALS_PER_MINUTE = 600;
/** A token that was good goes on from an address where others guess: both may stand behind the same proxy. */
const GOOD_MS = 600_000;

/**
 * Spares the database tokens that are wrong. Each costs a transaction, which anyone could ask for: the same one is not
 * looked up again for a second, and an address from which hundreds of different ones came is answered 429, unless the
 * token is one that was good before.
 */
export function sparingLookups(authenticate: Authenticate): AuthenticateFrom {
  const refused = new Map<string, { until: number; error: DomainError | undefined }>();
  const good = new Map<string, number>();
  const refusals = new Rates(REFUSALS_PER_MINUTE);
  const refuse = (name: string, network: string, error: DomainError | undefined): void => {
    good.delete(name);
    refusals.take(network);
    keep(refused, name, { until: performance.now() + REFUSED_MS, error });
  };
  return async (token, address) => {
    const name = createHash('sha256').update(token).digest('base64');
    const network = networkOf(address);
    const before = refused.get(name);
    if (before && before.until > performance.now()) {
      if (before.error) throw before.error;
      return undefined;
    }
    const wait = (good.get(name) ?? 0) > performance.now() ? 0 : refusals.wait(network);
    if (wait > 0) throw tooMany('too many tokens that are not valid come from this address', wait);
    try {
      const principal = await authenticate(token);
      if (principal) keep(good, name, performance.now() + GOOD_MS);
      else refuse(name, network, undefined);
      return principal;
    } catch (error) {
      // What could not be judged now is not refused.
      if (error instanceof DomainError && error.status === 401) refuse(name, network, error);
      throw error;
    }
  };
}

function keep<V>(map: Map<string, V>, name: string, value: V): void {
  map.delete(name);
  map.set(name, value);
  const [oldest] = map.keys();
  if (map.size > MOST_TOKENS && oldest !== undefined) map.delete(oldest);
}
