import type { Pool } from './pool.js';
import { asService } from './transaction.js';

/** A tenant is there from its first token on. */
export async function ensureTenant(pool: Pool, id: string): Promise<void> {
  await asService(pool, (tx) => tx.query('INSERT INTO tenants (id) VALUES ($1) ON CONFLICT DO NOTHING', [id]));
}
