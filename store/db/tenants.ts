import type { TenantState } from '../../domain/tenant.js';
import type { Pool } from './pool.js';
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
