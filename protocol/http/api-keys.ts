import { z } from 'zod';
import { PERMISSIONS, ROLES, type Permission, type Role } from '../../domain/permissions.js';
import { duration } from './duration.js';
import { id, label, listQuery, permission, timestamp } from './envelope.js';
import { isoTime } from './print-plan.js';

/** docs/contracts/operators.md, "API keys". */
const name = label(1, 255);
const role = z.enum(ROLES, { error: `must be one of ${ROLES.join(', ')}` });
const permissions = z
  .array(z.enum(PERMISSIONS, { error: `must be one of ${PERMISSIONS.join(', ')}` }).meta({ id: 'Permission' }))
  .min(1)
  .max(PERMISSIONS.length)
  .transform((named) => PERMISSIONS.filter((one) => named.includes(one)))
  .meta({ description: 'One by one, instead of a role' });
const expiresAt = timestamp.meta({ description: 'From then on the key answers 401 AUTH_KEY_EXPIRED' });

/** A key to make: with a role, or with permissions that are named. */
export const newKey = z
  .strictObject({
    name,
    role: role.optional(),
    permissions: permissions.optional(),
    expiresAt: expiresAt.nullable().optional(),
  })
  .refine((body) => (body.role === undefined) !== (body.permissions === undefined), {
    error: 'must have exactly one of role and permissions',
  })
  .meta({ id: 'NewApiKey', example: { name: 'ci', role: 'writer', expiresAt: '2036-11-24T10:00:00.000Z' } });

/** Absent members stay as they are; a role is not changed: another key is made. */
export const keyPatch = z
  .strictObject({ name: name.optional(), expiresAt: expiresAt.nullable().optional() })
  .meta({ id: 'ApiKeyPatch', example: { name: 'ci of the north' } });

const DAY_MS = 24 * 3_600_000;
/** How long the old key works beside its successor. */
export const DEFAULT_OVERLAP_MS = DAY_MS;
/** What a key may choose for itself. Who holds `api_keys:write` may choose any. */
export const OWN_OVERLAP_MS = { min: 3_600_000, max: 7 * DAY_MS };

/** `overlap`: milliseconds once it is parsed. */
export const rotation = z
  .strictObject({ overlap: duration(0, 365 * DAY_MS, 'PT24H').optional() })
  .optional()
  .meta({ example: { overlap: 'PT24H' } });

const shape = {
  id,
  name: z.string(),
  role: role.optional(),
  permissions: z.array(permission).optional(),
  expiresAt: timestamp.optional(),
  createdAt: timestamp,
  createdBy: z.string(),
  lastUsedAt: timestamp.nullable().meta({ description: 'To the minute; null while it was not used' }),
  revokedAt: timestamp.optional(),
  worksUntil: timestamp.optional().meta({ description: 'Of one that was rotated: the end of its overlap' }),
  state: z.enum(['active', 'expired', 'revoked']),
};
const EXAMPLE = {
  id: '123e4567-e89b-42d3-a456-426655440060',
  name: 'ci',
  role: 'writer',
  expiresAt: '2036-11-24T10:00:00.000Z',
  createdAt: '2026-11-24T10:00:00.000Z',
  createdBy: 'key:bootstrap',
  lastUsedAt: '2026-11-24T10:05:00.000Z',
  state: 'active',
};

/** A key as it is answered, without its secret. */
export const apiKey = z.strictObject(shape).meta({ id: 'ApiKey', example: EXAMPLE });
/** The answer to the POST only: the key is in no other one. */
export const apiKeyWithSecret = z
  .strictObject({ ...shape, key: z.string().meta({ description: 'Send it as a bearer token. Shown this once' }) })
  .meta({
    id: 'ApiKeyWithSecret',
    example: {
      ...EXAMPLE,
      lastUsedAt: null,
      key: 'slp_123e4567_4dJ8sKq0ZyXcVbNmLpOiUyTrEwQaSdFgHjKlZxCvBn2_2kX9aB',
    },
  });

/** The query of the list of keys. */
export const keyQuery = listQuery({});

/** Times are epoch milliseconds. */
export interface PrintableKey {
  readonly id: string;
  readonly name: string;
  readonly role: Role | null;
  readonly permissions: readonly Permission[] | null;
  readonly expiresAt: number | null;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly lastUsedAt: number | null;
  readonly revokedAt: number | null;
  readonly worksUntil: number | null;
  readonly state: 'active' | 'expired' | 'revoked';
}

/** Epoch milliseconds become RFC 3339. */
export function printKey(key: PrintableKey): z.input<typeof apiKey> {
  return {
    id: key.id,
    name: key.name,
    ...(key.role === null ? {} : { role: key.role }),
    ...(key.permissions === null ? {} : { permissions: [...key.permissions] }),
    ...(key.expiresAt === null ? {} : { expiresAt: isoTime(key.expiresAt) }),
    createdAt: isoTime(key.createdAt),
    createdBy: key.createdBy,
    lastUsedAt: key.lastUsedAt === null ? null : isoTime(key.lastUsedAt),
    ...(key.revokedAt === null ? {} : { revokedAt: isoTime(key.revokedAt) }),
    ...(key.worksUntil === null ? {} : { worksUntil: isoTime(key.worksUntil) }),
    state: key.state,
  };
}
