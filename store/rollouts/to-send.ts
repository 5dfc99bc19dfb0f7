import { assertLease, type Fence } from '../db/leases.js';
import { mark } from '../outbox/outbox.js';
import type { Pool } from '../db/pool.js';
import { pokeRollout } from './moves.js';
import { asService } from '../db/transaction.js';

/**
 * Rollouts whose processes are to be told, by id: those that have not ended, with their names and whether the engine
 * was told of them; and those that were deleted, whose processes end when they look.
 */
export async function openRollouts(
  pool: Pool,
  subjects: readonly { tenantId: string; subject: string }[],
): Promise<Map<string, { name: string; started: boolean }>> {
  return asService(pool, async (tx) => {
    const { rows } = await tx.query<{ id: string; name: string; started: boolean }>(
      `SELECT k.id, coalesce(r.name, 'deleted') AS name, r.id IS NULL OR r.process_started_at IS NOT NULL AS started
       FROM jsonb_to_recordset($1::jsonb) AS k(tenant_id text, id uuid)
         LEFT JOIN rollouts r ON r.tenant_id = k.tenant_id AND r.id = k.id
       WHERE r.finished_at IS NULL AND r.closed_at IS NULL`,
      [keys(subjects)],
    );
    return new Map(rows.map((row) => [row.id, { name: row.name, started: row.started }]));
  });
}

/** Remembers that the engine has a process for each of these; the first time stays. */
export async function markRolloutsStarted(
  pool: Pool,
  started: readonly { tenantId: string; subject: string }[],
  fence?: Fence,
): Promise<void> {
  if (started.length === 0) return;
  await asService(pool, async (tx) => {
    if (fence) await assertLease(tx, fence);
    await tx.query(
      `UPDATE rollouts r SET process_started_at = now() FROM (SELECT * FROM jsonb_to_recordset($1::jsonb) AS k(tenant_id text, id uuid) ORDER BY 1, 2) AS k
       WHERE r.tenant_id = k.tenant_id AND r.id = k.id AND r.process_started_at IS NULL`,
      [keys(started)],
    );
  });
}

function keys(subjects: readonly { tenantId: string; subject: string }[]): string {
  return JSON.stringify(subjects.map((one) => ({ tenant_id: one.tenantId, id: one.subject })));
}

/**
 * Rollouts whose time has come, and whose process should have looked: it has vanished, and is started again by a poke.
 * @returns how many.
 */
export async function markOverdueRollouts(pool: Pool, graceMs: number, limit: number, fence?: Fence): Promise<number> {
  return asService(pool, async (tx) => {
    if (fence) await assertLease(tx, fence);
    const { rows } = await tx.query<{ tenant_id: string; id: string }>(
      `SELECT tenant_id, id FROM rollouts WHERE finished_at IS NULL AND closed_at IS NULL AND due_at < now() - $1 * interval '1 millisecond' LIMIT $2`,
      [graceMs, limit],
    );
    await mark(
      tx,
      rows.map((row) => pokeRollout(row.tenant_id, row.id)),
    );
    return rows.length;
  });
}
