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
  const deliveries = await inPages(pool, fence, DELIVERIES);
  const webhooks = await inPages(pool, fence, WEBHOOKS);
  return deliveries + webhooks + (await inPages(pool, fence, MARKS));
}

async function inPages(pool: Pool, fence: Fence, page: string): Promise<number> {
  let all = 0;
  for (let ended = PER_PAGE; ended === PER_PAGE; all += ended)
    ended = await asService(pool, async (tx) => {
      await assertLease(tx, fence);
      return (await tx.query(page)).rowCount ?? 0;
    });
  return all;
}

/** Rows of one transaction. */
export const PER_PAGE = 1_000;

const DELIVERIES = `UPDATE webhook_deliveries SET due_at = now() WHERE (tenant_id, id) IN (SELECT tenant_id, id
    FROM webhook_deliveries WHERE state = 'pending'
      AND due_at > now() + CASE attempts WHEN 0 THEN interval '1 minute' ELSE interval '1 hour' END
    ORDER BY 1, 2 LIMIT ${PER_PAGE} FOR UPDATE SKIP LOCKED)`;
const WEBHOOKS = `UPDATE webhooks SET quiet_until = NULL WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM webhooks
    WHERE quiet_until > now() + interval '5 minutes' ORDER BY 1, 2 LIMIT ${PER_PAGE} FOR UPDATE SKIP LOCKED)`;
const MARKS = `UPDATE outbox SET due_at = now() WHERE (receiver, tenant_id, subject, detail) IN
    (SELECT receiver, tenant_id, subject, detail FROM outbox
      WHERE attempts > 0 AND due_at > now() + interval '5 seconds' ORDER BY 1, 2, 3, 4
      LIMIT ${PER_PAGE} FOR UPDATE SKIP LOCKED)`;
