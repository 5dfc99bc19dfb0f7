import type { Pool, Tx } from '../db/pool.js';
import { asService } from '../db/transaction.js';
import { TARGETS_PER_PAGE } from './pages.js';

/**
 * Deletes the next page of targets whose rollout was deleted. Any number of processes may do so at once.
 * @returns how many there were; undefined where no rollout left any, or others are at them
 */
export async function dropLeftoverPage(tx: Tx): Promise<number | undefined> {
  const { rows } = await tx.query<{ tenant_id: string; rollout_id: string }>(
    'SELECT tenant_id, rollout_id FROM rollout_leftovers ORDER BY 1, 2 LIMIT 1 FOR UPDATE SKIP LOCKED',
  );
  const [left] = rows;
  if (!left) return undefined;
  const { rowCount } = await tx.query(
    `DELETE FROM rollout_targets WHERE tenant_id = $1 AND rollout_id = $2 AND device_id IN (SELECT device_id
       FROM rollout_targets WHERE tenant_id = $1 AND rollout_id = $2 ORDER BY device_id LIMIT ${TARGETS_PER_PAGE})`,
    [left.tenant_id, left.rollout_id],
  );
  const dropped = rowCount ?? 0;
  if (dropped < TARGETS_PER_PAGE)
    await tx.query('DELETE FROM rollout_leftovers WHERE tenant_id = $1 AND rollout_id = $2', [
      left.tenant_id,
      left.rollout_id,
    ]);
  return dropped;
}

/** All of them, each page in a transaction of its own. @returns how many targets went */
export async function dropLeftovers(pool: Pool): Promise<number> {
  let all = 0;
  for (;;) {
    const dropped = await asService(pool, dropLeftoverPage);
    if (dropped === undefined) return all;
    all += dropped;
  }
}
