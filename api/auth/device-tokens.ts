import type { Request } from 'express';
import { hashOf } from '../../store/db/api-keys.js';
import type { Pool } from '../../store/db/pool.js';
import { findTokenHolder, type TokenHolder } from '../../store/fleet/device-tokens.js';
import type { Principal } from '../http/route.js';
import { identify, type Authenticate } from './authentication.js';
import { sparingLookups } from './spared-lookups.js';

/**
 * Devices by the bearer token of their own. Each request asks the database, so that a revoked token is refused by the
 * next one; tokens that are wrong are not asked for again and again.
 */
export function byDeviceToken(pool: Pool): (request: Request) => Promise<Principal> {
  const find = sparingLookups(deviceTokens(pool));
  return (request) => identify(request, find);
}

/** Devices alone. */
function deviceTokens(pool: Pool): Authenticate {
  return async (token) => {
    const holder = await findTokenHolder(pool, 'token', hashOf(token));
    return holder && devicePrincipal(holder);
  };
}

/** Operators, and devices by the token of their own: for what any token may ask. */
export function orDevice(pool: Pool, operators: Authenticate): Authenticate {
  const devices = deviceTokens(pool);
  return async (token) => (await operators(token)) ?? devices(token);
}

/** A device as the one who asks: it may do nothing that needs a permission. */
export function devicePrincipal({ tenantId, deviceId }: TokenHolder): Principal {
  return {
    tenantId,
    id: `device:${deviceId}`,
    permissions: [],
    kind: 'device',
    subject: deviceId,
    name: deviceId,
    roles: [],
  };
}
