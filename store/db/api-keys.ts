import { createHash } from 'node:crypto';
import type { Pool } from './pool.js';
import { asService } from './transaction.js';

/** What a key lets its holder do; the key itself is kept as a hash only. */
export interface ApiKey {
  tenantId: string;
  name: string;
  role: 'owner' | 'writer' | 'reader';
}

/** By the SHA-256 of the token. As a service: which tenant asks is what this finds out. */
export async function findKey(pool: Pool, secretHash: Buffer): Promise<ApiKey | undefined> {
  const { rows } = await asService(pool, (tx) =>
    tx.query<{ tenant_id: string; name: string; role: ApiKey['role'] }>(
      'SELECT tenant_id, name, role FROM api_keys WHERE secret_hash = $1 AND revoked_at IS NULL',
      [secretHash],
    ),
  );
  return rows[0] && { tenantId: rows[0].tenant_id, name: rows[0].name, role: rows[0].role };
}

const BOOTSTRAP = 'bootstrap';

/** `replaced`: this token was one of old, and a newer one stands. It does not work, and never will again. */
export type BootstrapOutcome = 'made' | 'kept' | 'renewed' | 'replaced';

/**
 * Makes the bootstrap key of the tenant `default` work with this token from now on, and with no other: a token that was
 * replaced stays in the table as a revoked key, so that a start with an old setting does not bring it back. Safe in
 * several processes at once.
 */
export async function ensureBootstrapKey(pool: Pool, token: string): Promise<BootstrapOutcome> {
  const hash = createHash('sha256').update(token).digest();
  return asService(pool, async (tx) => {
    await tx.query(`SELECT pg_advisory_xact_lock(hashtext('slipway bootstrap key'))`);
    const { rows } = await tx.query<{ name: string; is_this: boolean }>(
      `SELECT name, secret_hash = $2 AS is_this FROM api_keys
       WHERE tenant_id = 'default' AND (name = $1 OR secret_hash = $2)`,
      [BOOTSTRAP, hash],
    );
    const present = rows.find(({ name }) => name === BOOTSTRAP);
    if (present?.is_this === true) return 'kept';
    if (rows.some((row) => row.is_this)) return 'replaced';
    await tx.query(
      `UPDATE api_keys SET name = name || ', replaced ' || clock_timestamp(), revoked_at = now()
       WHERE tenant_id = 'default' AND name = $1`,
      [BOOTSTRAP],
    );
    await tx.query(`INSERT INTO api_keys (tenant_id, name, role, secret_hash) VALUES ('default', $1, 'owner', $2)`, [
      BOOTSTRAP,
      hash,
    ]);
    return present === undefined ? 'made' : 'renewed';
  });
}

/**
 * Makes a key, or gives the one of this name another secret. Safe in several processes at once: the last token wins.
 */
export async function ensureKey(pool: Pool, key: ApiKey, token: string): Promise<void> {
  const hash = createHash('sha256').update(token).digest();
  await asService(pool, (tx) =>
    tx.query(
      `INSERT INTO api_keys (tenant_id, name, role, secret_hash) VALUES ($1, $2, $3, $4)
       ON CONFLICT (tenant_id, name) DO UPDATE SET role = excluded.role, secret_hash = excluded.secret_hash,
         revoked_at = NULL`,
      [key.tenantId, key.name, key.role, hash],
    ),
  );
}
