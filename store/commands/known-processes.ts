import { assertLease, type Fence } from '../db/leases.js';
import type { Pool, Tx } from '../db/pool.js';
import { asService } from '../db/transaction.js';
import { mark, START_AGAIN, type Mark } from '../outbox/outbox.js';
import { pokeRollout } from '../rollouts/moves.js';

/** Ids of installations and of rollouts, of whatever tenant. */
interface Subjects {
  readonly installations: readonly string[];
  readonly rollouts: readonly string[];
}

/** Whether one of these is a row of this database; the engine says of a process only what it is about. */
export async function isAnyOfOurs(tx: Tx, { installations, rollouts }: Subjects): Promise<boolean> {
  // By the primary keys, which begin with the tenant.
  const { rowCount } = await tx.query(
    `SELECT FROM tenants t CROSS JOIN unnest($1::uuid[]) AS k(id) JOIN installations i ON i.tenant_id = t.id AND i.id = k.id
     UNION ALL
     SELECT FROM tenants t CROSS JOIN unnest($2::uuid[]) AS k(id) JOIN rollouts r ON r.tenant_id = t.id AND r.id = k.id
     LIMIT 1`,
    [installations, rollouts],
  );
  return rowCount !== 0;
}

/**
 * Marks those of these whose processes have ended although the rows are open: they were terminated at the engine, or
 * made to end. They are started again, and go on where the row stands. @returns how many
 */
export async function markEndedTooEarly(
  pool: Pool,
  { installations, rollouts }: Subjects,
  fence?: Fence,
): Promise<number> {
  if (installations.length + rollouts.length === 0) return 0;
  return asService(pool, async (tx) => {
    if (fence) await assertLease(tx, fence);
    const open = await tx.query<{ kind: string; tenant_id: string; id: string }>(
      `SELECT 'installation' AS kind, i.tenant_id, i.id FROM tenants t CROSS JOIN unnest($1::uuid[]) AS k(id)
         JOIN installations i ON i.tenant_id = t.id AND i.id = k.id
       WHERE i.ended_at IS NULL AND i.process_started_at IS NOT NULL
       UNION ALL
       SELECT 'rollout', r.tenant_id, r.id FROM tenants t CROSS JOIN unnest($2::uuid[]) AS k(id)
         JOIN rollouts r ON r.tenant_id = t.id AND r.id = k.id
       WHERE r.finished_at IS NULL AND r.closed_at IS NULL AND r.process_started_at IS NOT NULL`,
      [installations, rollouts],
    );
    const marks = open.rows.map(({ kind, tenant_id: tenantId, id }): Mark =>
      kind === 'rollout'
        ? pokeRollout(tenantId, id)
        : { receiver: 'workflow', tenantId, subject: id, detail: START_AGAIN, isStart: true },
    );
    await mark(tx, marks);
    return marks.length;
  });
}
