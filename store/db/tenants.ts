import type { Pool } from './pool.js';
import { asService } from './transaction.js';

/** Whether there is such a tenant. None appears by a claim of a token. */
export async function hasTenant(pool: Pool, id: string): Promise<boolean> {
  const { rowCount } = await asService(pool, (tx) => tx.query('SELECT FROM tenants WHERE id = $1', [id]));
  return rowCount === 1;
}
