import type { Pool } from '../db/pool.js';
import { asService } from '../db/transaction.js';

/** Whose token it is. */
export interface TokenHolder {
  readonly tenantId: string;
  readonly deviceId: string;
}

/**
 * By the SHA-256 of a token, of those with this type that are valid. As a service: which tenant asks is what this finds
 * out. One indexed read.
 */
export async function findTokenHolder(pool: Pool, type: 'token', secretHash: Buffer): Promise<TokenHolder | undefined> {
  const { rows } = await asService(pool, (tx) =>
    tx.query<{ tenant_id: string; device_id: string }>(
      `SELECT tenant_id, device_id FROM device_credentials
       WHERE secret_hash = $1 AND type = $2 AND revoked_at IS NULL`,
      [secretHash, type],
    ),
  );
  const [row] = rows;
  return row && { tenantId: row.tenant_id, deviceId: row.device_id };
}
