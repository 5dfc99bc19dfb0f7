import { oneRow } from '../db/one-row.js';
import type { Tx } from '../db/pool.js';

/**
 * The number of the first sealed entry of this time or later; `size` + 1 where there is none.
 * @param since RFC 3339
 */
export async function firstAt(tx: Tx, tenantId: string, since: string, size: number): Promise<number> {
  const { rows } = await tx.query<{ number: string }>(
    'SELECT coalesce(min(number), $3 + 1) AS number FROM history WHERE tenant_id = $1 AND at >= $2::timestamptz AND number <= $3::bigint',
    [tenantId, since, size],
  );
  return Number(oneRow(rows, 'the first entry of a time').number);
}

/** The number of the last sealed entry before this time; 0 where there is none. @param until RFC 3339 */
export async function lastBefore(tx: Tx, tenantId: string, until: string, size: number): Promise<number> {
  const { rows } = await tx.query<{ number: string }>(
    'SELECT coalesce(max(number), 0) AS number FROM history WHERE tenant_id = $1 AND at < $2::timestamptz AND number <= $3::bigint',
    [tenantId, until, size],
  );
  return Number(oneRow(rows, 'the last entry before a time').number);
}
