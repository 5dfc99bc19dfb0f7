import { createHash } from 'node:crypto';
import type { Request } from 'express';
import { DomainError } from '../../domain/errors.js';
import { lacking, permissionsOf, type Permission } from '../../domain/permissions.js';
import { findKey } from '../../store/db/api-keys.js';
import type { Pool } from '../../store/db/pool.js';
import type { Principal } from '../http/route.js';
import { TokenRefused } from '../http/token-refused.js';

/**
 * Who a bearer token is; undefined where it is unknown. Throws TokenRefused where it can be said why, and other errors
 * where it cannot be said now.
 */
export type Authenticate = (token: string) => Promise<Principal | undefined>;

/**
 * The principal of routes that ask for no token. It belongs to no tenant: behind row-level security it sees nothing.
 */
export const ANYONE: Principal = { tenantId: '', id: 'anyone', permissions: [] };

/** A key that was revoked works for this long at most; without the cache each request would cost a transaction more. */
const CACHE_MS = 5_000;
/** Keys, not requests: a service has a few. Beyond it the oldest goes. */
const CACHE_SIZE = 1_000;

/**
 * API keys. Only a hash is stored, so only a hash is looked up and kept; unknown ones are not kept, a new key works at
 * once.
 */
export function byApiKey(pool: Pool, now: () => number): Authenticate {
  const cache = new Map<string, { principal: Principal; until: number }>();
  return async (token) => {
    const hash = createHash('sha256').update(token).digest();
    const name = hash.toString('base64');
    const cached = cache.get(name);
    if (cached && cached.until > now()) return cached.principal;
    cache.delete(name);
    const key = await findKey(pool, hash);
    if (!key) return undefined;
    const principal = { tenantId: key.tenantId, id: `key:${key.name}`, permissions: permissionsOf(key.role) };
    const [oldest] = cache.keys();
    if (cache.size >= CACHE_SIZE && oldest !== undefined) cache.delete(oldest);
    cache.set(name, { principal, until: now() + CACHE_MS });
    return principal;
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
export async function identify(request: Request, authenticate: Authenticate): Promise<Principal> {
  const header = request.headers.authorization;
  if (header === undefined || header === '')
    throw new DomainError('AUTH_MISSING_TOKEN', 'send the header "Authorization: Bearer <token>"');
  const token = /^bearer +([\x21-\x7e]{1,8192}) *$/i.exec(header)?.[1];
  const principal = token === undefined ? undefined : await authenticate(token);
  if (!principal)
    throw new DomainError('AUTH_INVALID_TOKEN', 'the bearer token is not one of this service, or it was revoked');
  return principal;
}

/** @throws DomainError AUTH_FORBIDDEN, naming what lacks. */
export function authorize(principal: Principal, wanted: readonly Permission[]): void {
  const missing = lacking(principal.permissions, wanted);
  if (missing)
    throw new DomainError('AUTH_FORBIDDEN', `the token lacks the permission ${missing}`, {
      permission: missing,
      principal: principal.id,
    });
}
