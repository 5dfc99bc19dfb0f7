import { assertLease, type Fence } from '../db/leases.js';
import type { Pool } from '../db/pool.js';
import { asService } from '../db/transaction.js';

/**
 * A pause that was written while PostgreSQL's clock was ahead (a machine that came back from a power loss with a wrong
 * one) would last until the clock has caught up. What lies further ahead than such a pause can be is over now. The
 * longest pauses: 5 s in the outbox (outbox.ts), an hour of a delivery and 5 minutes of a webhook
 * (domain/webhook/retries.ts). A delivery that was never tried is due when it is made.
 *
 * Claims and leases from the future are judged where they are read (`claim`, `holdLease`). Times that people asked for,
 * and deadlines, stay as they are. A row that another transaction holds is left to the next round.
 * @returns how many pauses ended.
 * @throws LeaseLost
 */
export async function endPausesFromTheFuture(pool: Pool, fence: Fence): Promise<number> {
  return asService(pool, async (tx) => {
    await assertLease(tx, fence);
    const deliveries = await tx.query(
      `UPDATE webhook_deliveries SET due_at = now() WHERE (tenant_id, id) IN (SELECT tenant_id, id
         FROM webhook_deliveries WHERE state = 'pending'
           AND due_at > now() + CASE attempts WHEN 0 THEN interval '1 minute' ELSE interval '1 hour' END
         ORDER BY 1, 2 FOR UPDATE SKIP LOCKED)`,
    );
    const webhooks = await tx.query(
      `UPDATE webhooks SET quiet_until = NULL WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM webhooks
         WHERE quiet_until > now() + interval '5 minutes' ORDER BY 1, 2 FOR UPDATE SKIP LOCKED)`,
    );
    // Rows of the outbox are locked last.
    const marks = await tx.query(
      `UPDATE outbox SET due_at = now() WHERE (receiver, tenant_id, subject, detail) IN
         (SELECT receiver, tenant_id, subject, detail FROM outbox
           WHERE attempts > 0 AND due_at > now() + interval '5 seconds' ORDER BY 1, 2, 3, 4 FOR UPDATE SKIP LOCKED)`,
    );
    return (deliveries.rowCount ?? 0) + (webhooks.rowCount ?? 0) + (marks.rowCount ?? 0);
  });
}
