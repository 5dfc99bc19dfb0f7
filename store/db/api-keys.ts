import { createHash } from 'node:crypto';
import type { Pool } from './pool.js';
import { asService } from './transaction.js';

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

/**
 * Makes a key, or gives the one of this name another secret. Safe in several processes at once: the last token wins.
 */
export async function ensureKey(pool: Pool, key: ApiKey, token: string): Promise<void> {
  const hash = createHash('sha256').update(token).digest();
  await asService(pool, (tx) =>
    tx.query(
      `INSERT INTO api_keys (tenant_id, name, role, secret_hash) VALUES ($1, $2, $3, $4)
       ON CONFLICT (tenant_id, name) DO UPDATE SET role = excluded.role, secret_hash = excluded.secret_hash, revoked_at = NULL`,
      [key.tenantId, key.name, key.role, hash],
    ),
  );
}
