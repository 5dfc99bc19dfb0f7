import type { Logger } from 'pino';
import { decodeProtectedHeader, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import { DomainError } from '../../domain/errors.js';
import {
  OF_THE_INSTALLATION,
  PERMISSIONS,
  permissionsOf,
  ROLES,
  type Permission,
  type Role,
} from '../../domain/permissions.js';
import type { Pool } from '../../store/db/pool.js';
import { databaseNow } from '../../store/db/clock.js';
import { TENANT_ID } from '../../store/db/transaction.js';
import type { Authenticate } from './authentication.js';
import { issuerKeys } from './issuer-keys.js';
import { TenantAdmission } from './tenant-admission.js';
import { TokenRefused } from '../http/token-refused.js';
import { claimsOf, refusalOf } from './token-refusal.js';

/** Whose JWTs are accepted (docs/contracts/rest-api.md, "Conventions"). */
export interface OperatorTokens {
  /** `iss` of each token. */
  issuer: string;
  /** `aud` of each token: one for another service is refused. */
  audience: string;
  /** Where the issuer's keys are; undefined = its OIDC discovery document says so. */
  jwksUrl?: string | undefined;
  /** As the issuer knows the command line and the dashboard: ID tokens have it as `aud`. */
  clientId?: string | undefined;
}

/** The issuer's clock and ours. */
const CLOCK_TOLERANCE_S = 60;
/** OpenID Connect Core §2: at most 255 characters of ASCII. It is written into the history, as the token's id is. */
const SUBJECT = /^[\x20-\x7e]{1,255}$/;

/**
 * Tokens of the operators' own issuer (OpenID Connect): RS256, ES256 or EdDSA, by its published keys, each for the one
 * tenant of its claim `tenant`. What its holder may do, `permissions` (a list), `scope` (names with spaces between) and
 * `roles` or `role` (owner, writer, reader) say together; names that are no permissions of this service are passed
 * over.
 */
export function byOperatorToken(pool: Pool, options: OperatorTokens, log: Logger): Authenticate {
  const keys = issuerKeys(options.issuer, options.jwksUrl);
  const tenants = new TenantAdmission(pool, databaseNow);
  return async (token) => {
    const claims = await verified(token, keys, options, log);
    if (isIdToken(token, claims, options.clientId))
      throw new TokenRefused(
        'claims',
        'the token is an ID token, which says to a client who signed in: send the access token',
        claimsOf(token),
      );
    const { tenant: tenantId, sub, jti } = claims;
    if (typeof tenantId !== 'string' || !TENANT_ID.test(tenantId))
      throw new TokenRefused(
        'tenant',
        'the token names no tenant: its claim tenant must hold exactly one',
        claimsOf(token),
      );
    // Whatever it does stands in the history under this name.
    if (typeof sub !== 'string' || !SUBJECT.test(sub))
      throw new TokenRefused(
        'subject',
        'the token does not say who its holder is: its claim sub must hold 1 to 255 characters of ASCII',
        claimsOf(token),
      );
    if ((await tenants.termsOf(tenantId)) === undefined)
      throw new TokenRefused(
        'tenant',
        `the tenant "${tenantId}" of the token does not exist; its administrator makes one with slipway-admin tenants create`,
        claimsOf(token),
      );
    return {
      tenantId,
      id: `user:${sub}`,
      permissions: permissionsIn(claims),
      kind: 'token',
      subject: sub,
      ...(typeof jti === 'string' && SUBJECT.test(jti) ? { tokenId: jti } : {}),
      name: nameIn(claims) ?? sub,
      roles: rolesIn(claims),
      ...(claims.exp === undefined ? {} : { expiresAt: claims.exp * 1_000 }),
    };
  };
}

/**
 * @throws TokenRefused where it is no valid token of this issuer; DomainError SERVICE_UNAVAILABLE where the issuer's
 * keys cannot be had: the token may be good.
 */
async function verified(
  token: string,
  keys: JWTVerifyGetKey,
  { issuer, audience }: OperatorTokens,
  log: Logger,
): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      algorithms: ['RS256', 'ES256', 'EdDSA'],
      requiredClaims: ['exp'],
      clockTolerance: CLOCK_TOLERANCE_S,
      audience,
    });
    return payload;
  } catch (error) {
    if (
      error instanceof errors.JOSEError &&
      !(error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid)
    )
      throw refusalOf(error, token, audience);
    log.warn(
      { err: error, issuer },
      "the keys of the tokens' issuer are not available: its tokens are answered with 503",
    );
    throw new DomainError(
      'SERVICE_UNAVAILABLE',
      "the keys of the tokens' issuer are not available; try again in a few seconds",
    );
  }
}

/**
 * Whether it is an ID token, or cannot be told from one: also where an issuer gives the client and this service one
 * audience. OpenID Connect Core §3.1.3.6 and §3.3.2.11 have the hashes, which the code flow may leave out. Keycloak
 * says it in a claim of its own. An access token may name its type in its header (RFC 9068 §2.1). For an audience that
 * ID tokens have as well it has to, or to say what it is for (RFC 9068 §2.2.3).
 */
function isIdToken(token: string, claims: JWTPayload, clientId: string | undefined): boolean {
  if (/^(application\/)?at\+jwt$/i.test(decodeProtectedHeader(token).typ ?? '')) return false;
  if (claims['at_hash'] !== undefined || claims['c_hash'] !== undefined || claims['typ'] === 'ID') return true;
  const isForClient = clientId !== undefined && [claims.aud].flat().includes(clientId);
  return isForClient && claims['scope'] === undefined && claims['scp'] === undefined;
}

/** A claim that is a list, or names with spaces between. */
function words(claim: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(claim) ? claim : typeof claim === 'string' ? claim.split(' ') : [];
  return list.filter((one) => typeof one === 'string');
}

function rolesIn(claims: JWTPayload): readonly Role[] {
  const named = [...words(claims['roles']), ...words(claims['role'])];
  return ROLES.filter((role) => named.includes(role));
}

/** What people call the holder: OpenID Connect Core §5.1. */
function nameIn(claims: JWTPayload): string | undefined {
  const given = ['name', 'preferred_username', 'email'].map((claim) => claims[claim]);
  return given.find((one): one is string => typeof one === 'string' && one !== '')?.slice(0, 255);
}

function permissionsIn(claims: JWTPayload): readonly Permission[] {
  const named = [...words(claims['permissions']), ...words(claims['scope'])];
  const held = new Set<string>([...named, ...rolesIn(claims).flatMap(permissionsOf)]);
  // Who runs the installation is not for an issuer of its tokens to say.
  for (const permission of OF_THE_INSTALLATION) held.delete(permission);
  return PERMISSIONS.filter((permission) => held.has(permission));
}
