import type { Request } from 'express';
import { DomainError } from '../../domain/errors.js';
import { findKey, hashOf, permissionsOfKey, type KeyHolder } from '../../store/db/api-keys.js';
import { isMistyped } from '../../store/db/key-format.js';
import type { Pool } from '../../store/db/pool.js';
import type { Principal } from '../http/route.js';
import { TokenRefused } from '../http/token-refused.js';
import { UsedKeys } from './used-keys.js';

/**
 * Who a bearer token is; undefined where it is unknown. Throws TokenRefused where it can be said why, and other errors
 * where it cannot be said now.
 */
export type Authenticate = (token: string) => Promise<Principal | undefined>;

/**
 * The principal of routes that ask for no token. It belongs to no tenant: behind row-level security it sees nothing.
 */
export const ANYONE: Principal = {
  tenantId: '',
  id: 'anyone',
  permissions: [],
  kind: 'key',
  subject: '',
  name: 'anyone',
  roles: [],
};

/**
 * A key that was revoked works for this long at most, in each process; without it each request would cost a transaction
 * more. The contract allows 5 s; a process that is busy needs some of them.
 */
const CACHE_MS = 2_000;
/** Keys, not requests: a service has a few. Beyond it the oldest goes. */
const CACHE_SIZE = 1_000;

/**
 * API keys. Only a hash is stored, so only a hash is looked up and kept; unknown ones are not kept, a new key works at
 * once. Many requests at once with one key ask once. @throws DomainError AUTH_KEY_EXPIRED, AUTH_INVALID_TOKEN where it
 * was mistyped
 */
export function byApiKey(pool: Pool, now: () => number, used: UsedKeys = new UsedKeys()): Authenticate {
  const cache = new Map<string, { holder: KeyHolder; until: number }>();
  const asked = new Map<string, Promise<KeyHolder | undefined>>();
  const holderOf = async (hash: Buffer): Promise<KeyHolder | undefined> => {
    const name = hash.toString('base64');
    const cached = cache.get(name);
    if (cached && cached.until > now()) return cached.holder;
    cache.delete(name);
    const asking = asked.get(name) ?? findKey(pool, hash).finally(() => asked.delete(name));
    asked.set(name, asking);
    const holder = await asking;
    if (!holder) return undefined;
    const [oldest] = cache.keys();
    if (cache.size >= CACHE_SIZE && oldest !== undefined) cache.delete(oldest);
    cache.set(name, { holder, until: now() + CACHE_MS });
    return holder;
  };
  return async (token) => {
    if (isMistyped(token))
      throw new DomainError('AUTH_INVALID_TOKEN', 'the key was mistyped: its last six characters do not fit the rest');
    const holder = await holderOf(hashOf(token));
    if (!holder) return undefined;
    if (holder.endsAt !== null && holder.endsAt <= now())
      throw new DomainError('AUTH_KEY_EXPIRED', `the key expired at ${new Date(holder.endsAt).toISOString()}`, {
        principal: holder.principal,
      });
    used.note(holder, now());
    return principalOf(holder);
  };
}

function principalOf(holder: KeyHolder): Principal {
  return {
    tenantId: holder.tenantId,
    id: holder.principal,
    permissions: permissionsOfKey(holder, holder.tenantId),
    kind: 'key',
    subject: holder.id,
    name: holder.name,
    roles: holder.role === null ? [] : [holder.role],
    ...(holder.endsAt === null ? {} : { expiresAt: holder.endsAt }),
  };
}

/** Three parts with dots between: a JWT. A key of ours has none. */
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Tokens of the operators' issuer, where there is one, and keys of this service. */
export function eitherOf(keys: Authenticate, tokens: Authenticate | undefined): Authenticate {
  return async (token) => {
    if (tokens === undefined || !JWT.test(token)) return keys(token);
    try {
      return await tokens(token);
    } catch (error) {
      // A key that was chosen by hand may have dots, too.
      const found = error instanceof TokenRefused ? await keys(token) : undefined;
      if (found) return found;
      throw error;
    }
  };
}

/** @throws DomainError AUTH_MISSING_TOKEN, AUTH_INVALID_TOKEN */
export async function identify(
  request: Request,
  authenticate: (token: string, address: string) => Promise<Principal | undefined>,
): Promise<Principal> {
  const header = request.headers.authorization;
  if (header === undefined || header === '')
    throw new DomainError('AUTH_MISSING_TOKEN', 'send the header "Authorization: Bearer <token>"');
  const token = /^bearer +([\x21-\x7e]{1,8192}) *$/i.exec(header)?.[1];
  const principal = token === undefined ? undefined : await authenticate(token, request.ip ?? '');
  if (!principal)
    throw new DomainError('AUTH_INVALID_TOKEN', 'the bearer token is not one of this service, or it was revoked');
  return principal;
}
