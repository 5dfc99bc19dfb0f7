import type { TenantState } from '../../domain/tenant.js';
import type { Pool, Tx } from './pool.js';
import { asService } from './transaction.js';

/** What a request is admitted by. */
export interface TenantTerms {
  readonly state: TenantState;
  /** null = any number. */
  readonly requestsPerMinute: number | null;
}

/** @returns undefined where there is no such tenant: none appears by a claim of a token. */
export async function readTerms(pool: Pool, id: string): Promise<TenantTerms | undefined> {
  const { rows } = await asService(pool, (tx) =>
    tx.query<{ state: TenantState; rate: string | null }>(
      `SELECT state, quotas->>'requestsPerMinute' AS rate FROM tenants WHERE id = $1`,
      [id],
    ),
  );
  return rows[0] && { state: rows[0].state, requestsPerMinute: rows[0].rate === null ? null : Number(rows[0].rate) };
}

/**
 * Which of these tenants are not active, for a transaction that leaves something waiting because of that: until its end
 * none of them becomes active, so that what is asked again then (commands/tenants.ts) includes what waits by it.
 * @param ids of tenants that were read as not active; none costs nothing
 */
export async function stillSuspended(tx: Tx, ids: readonly string[]): Promise<ReadonlySet<string>> {
  if (ids.length === 0) return new Set();
  const named = [...new Set(ids)].sort();
  await tx.query(
    `SELECT pg_advisory_xact_lock_shared(hashtextextended('slipway.tenant.' || id, 0)) FROM unnest($1::text[]) AS id`,
    [named],
  );
  const { rows } = await tx.query<{ id: string }>(
    `SELECT id FROM tenants WHERE id = ANY($1::text[]) AND state <> 'active'`,
    [named],
  );
  return new Set(rows.map((row) => row.id));
}

/** Waits for the transactions that leave something waiting because the tenant is not active, and holds up new ones. */
export async function lockSuspended(tx: Tx, id: string): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('slipway.tenant.' || $1, 0))`, [id]);
}

/**
 * Whether there is such a tenant. It stays until the transaction ends: for what has no foreign key to it. As a service.
 */
export async function keepTenant(tx: Tx, id: string): Promise<boolean> {
  return (await tx.query('SELECT FROM tenants WHERE id = $1 FOR KEY SHARE', [id])).rowCount === 1;
}
