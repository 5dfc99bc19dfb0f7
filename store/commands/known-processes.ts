import type { Tx } from '../db/pool.js';

/** Whether one of these is a row of this database; the engine says of a process only what it is about. */
export async function isAnyOfOurs(
  tx: Tx,
  { installations, rollouts }: { installations: readonly string[]; rollouts: readonly string[] },
): Promise<boolean> {
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
