import type { Pool, Tx } from '../db/pool.js';
import { asService } from '../db/transaction.js';
import { DELIVERIES_PER_PAGE } from './webhook-sending.js';

/** All deliveries of webhooks that were deleted, each page in a transaction of its own. @returns how many went */
export async function dropDeliveriesLeft(pool: Pool): Promise<number> {
  let all = 0;
  for (;;) {
    const dropped = await asService(pool, dropPage);
    if (dropped === undefined) return all;
    all += dropped;
  }
}

/** @returns how many there were; undefined where no webhook left any, or other processes are at them */
async function dropPage(tx: Tx): Promise<number | undefined> {
  const { rows } = await tx.query<{ tenant_id: string; webhook_id: string }>(
    'SELECT tenant_id, webhook_id FROM webhook_leftovers ORDER BY 1, 2 LIMIT 1 FOR UPDATE SKIP LOCKED',
  );
  const [left] = rows;
  if (!left) return undefined;
  const { rowCount } = await tx.query(
    `DELETE FROM webhook_deliveries WHERE tenant_id = $1 AND id IN (SELECT id FROM webhook_deliveries
       WHERE tenant_id = $1 AND webhook_id = $2 ORDER BY created_at DESC, id DESC LIMIT ${DELIVERIES_PER_PAGE})`,
    [left.tenant_id, left.webhook_id],
  );
  const dropped = rowCount ?? 0;
  if (dropped < DELIVERIES_PER_PAGE)
    await tx.query('DELETE FROM webhook_leftovers WHERE tenant_id = $1 AND webhook_id = $2', [
      left.tenant_id,
      left.webhook_id,
    ]);
  return dropped;
}
