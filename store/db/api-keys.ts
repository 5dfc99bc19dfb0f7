import { createHash, randomUUID } from 'node:crypto';
import { OF_THE_INSTALLATION, PERMISSIONS, permissionsOf, type Permission } from '../../domain/permissions.js';
import type { Pool, Tx } from './pool.js';
import { recordset } from './recordset.js';
import { ms } from './times.js';
import { asService } from './transaction.js';

/** What a key lets its holder do: a role, permissions that it names, or both. */
export interface Grant {
  readonly role: 'owner' | 'writer' | 'reader' | null;
  readonly permissions: readonly Permission[] | null;
}

/** Whose a key is; the key itself is kept as a hash only. */
export interface KeyHolder extends Grant {
  readonly tenantId: string;
  readonly id: string;
  readonly name: string;
  /** What stands in `createdBy`, in votes and in the history: `key:<name>`. */
  readonly principal: string;
  /** Epoch milliseconds from which on it does not work; null = none. */
  readonly endsAt: number | null;
  /** The same, as its maker set it: a rotation may end it sooner. */
  readonly expiresAt: number | null;
}

/** Everything that the key grants; what belongs to the installation only in its first tenant. */
export function permissionsOfKey({ role, permissions }: Grant, tenantId: string): readonly Permission[] {
  const held = new Set<Permission>([...(role === null ? [] : permissionsOf(role)), ...(permissions ?? [])]);
  if (tenantId !== FIRST_TENANT) for (const one of OF_THE_INSTALLATION) held.delete(one);
  return PERMISSIONS.filter((one) => held.has(one));
}

/** The tenant of the operator of the installation; it is there from the first start on. */
export const FIRST_TENANT = 'default';

interface HolderRow {
  tenant_id: string;
  id: string;
  name: string;
  principal: string;
  role: Grant['role'];
  permissions: Permission[] | null;
  expires_at: Date | null;
  ends_at: Date | null;
}

/** SHA-256: what is stored of a key, and what it is found by. */
export function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** By the SHA-256 of the token. As a service: which tenant asks is what this finds out. */
export async function findKey(pool: Pool, secretHash: Buffer): Promise<KeyHolder | undefined> {
  const { rows } = await asService(pool, (tx) =>
    tx.query<HolderRow>(
      `SELECT tenant_id, id, name, principal, role, permissions, expires_at, least(expires_at, works_until) AS ends_at
        FROM api_keys WHERE secret_hash = $1 AND revoked_at IS NULL`,
      [secretHash],
    ),
  );
  const row = rows[0];
  return (
    row && {
      tenantId: row.tenant_id,
      id: row.id,
      name: row.name,
      principal: row.principal,
      role: row.role,
      permissions: row.permissions,
      expiresAt: ms(row.expires_at),
      endsAt: ms(row.ends_at),
    }
  );
}

/** When keys were used last. `at`: epoch milliseconds. */
export interface KeyUse {
  readonly tenantId: string;
  readonly id: string;
  readonly at: number;
}

/** Writes what is later than what is there. @returns how many keys. */
export async function writeKeyUse(pool: Pool, uses: readonly KeyUse[]): Promise<number> {
  if (uses.length === 0) return 0;
  // In one order: two processes that write the same keys do not wait for each other.
  const sorted = [...uses].sort((a, b) => (a.id < b.id ? -1 : 1));
  const { rowCount } = await asService(pool, (tx) =>
    tx.query(
      `UPDATE api_keys k SET last_used_at = n.at
       FROM ${recordset('$1', 'tenant_id text, id uuid, at timestamptz')} AS n
       WHERE k.tenant_id = n.tenant_id AND k.id = n.id AND (k.last_used_at IS NULL OR k.last_used_at < n.at)`,
      [JSON.stringify(sorted.map((one) => ({ tenant_id: one.tenantId, id: one.id, at: new Date(one.at) })))],
    ),
  );
  return rowCount ?? 0;
}

/**
 * A name that no other key acts under, also none that was revoked or renamed: votes and the history go by it.
 */
export async function freePrincipal(tx: Tx, tenantId: string, name: string): Promise<string> {
  const wanted = `key:${name}`;
  for (let candidate = wanted; ; candidate = `${wanted}-${randomUUID().slice(0, 8)}`) {
    const { rowCount } = await tx.query('SELECT FROM api_keys WHERE tenant_id = $1 AND principal = $2', [
      tenantId,
      candidate,
    ]);
    if (rowCount === 0) return candidate;
  }
}

const BOOTSTRAP = 'bootstrap';

/**
 * `replaced`: this token was one of old, and a newer one stands; `revoked`: it is the newest one, and was deleted. It
 * does not work, and never will again.
 */
export type BootstrapOutcome = 'made' | 'kept' | 'renewed' | 'replaced' | 'revoked';

/**
 * Makes the bootstrap key of the tenant `default` work with this token from now on, and with no other: a token that was
 * replaced stays in the table as a revoked key, so that a start with an old setting does not bring it back. Safe in
 * several processes at once.
 */
export async function ensureBootstrapKey(pool: Pool, token: string): Promise<BootstrapOutcome> {
  const hash = hashOf(token);
  return asService(pool, async (tx) => {
    await tx.query(`SELECT pg_advisory_xact_lock(hashtext('slipway bootstrap key'))`);
    const { rows } = await tx.query<{ is_bootstrap: boolean; is_this: boolean; is_revoked: boolean }>(
      `SELECT is_bootstrap, secret_hash = $1 AS is_this, revoked_at IS NOT NULL AS is_revoked FROM api_keys
       WHERE is_bootstrap OR secret_hash = $1`,
      [hash],
    );
    const present = rows.find((row) => row.is_bootstrap);
    if (present?.is_this === true) return present.is_revoked ? 'revoked' : 'kept';
    if (rows.some((row) => row.is_this)) return 'replaced';
    await tx.query(
      `UPDATE api_keys SET name = name || ', replaced ' || clock_timestamp(), revoked_at = coalesce(revoked_at, now()),
         is_bootstrap = false, principal = principal || ', replaced ' || clock_timestamp()
       WHERE is_bootstrap`,
    );
    await tx.query(
      `INSERT INTO api_keys (tenant_id, name, principal, role, permissions, secret_hash, is_bootstrap)
       VALUES ($1, $2, $3, 'owner', $4, $5, true)`,
      [FIRST_TENANT, BOOTSTRAP, await freePrincipal(tx, FIRST_TENANT, BOOTSTRAP), OF_THE_INSTALLATION, hash],
    );
    return present === undefined ? 'made' : 'renewed';
  });
}
