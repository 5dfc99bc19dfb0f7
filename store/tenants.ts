import type { Pool } from './pool.js';
import { asService } from './transaction.js';

/** As the table has it: in topics, in paths and in user names it is one level. */
export const TENANT_ID = /^[A-Za-z0-9_.-]{1,64}$/;

/** A tenant is there from its first token on. */
export async function ensureTenant(pool: Pool, id: string): Promise<void> {
  await asService(pool, (tx) => tx.query('INSERT INTO tenants (id) VALUES ($1) ON CONFLICT DO NOTHING', [id]));
}
