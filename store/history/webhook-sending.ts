import { disabledBecause, nextAttempt, quietUntil } from '../../domain/webhook/retries.js';
import { newId } from '../db/ids.js';
import { assertLease, type Fence } from '../db/leases.js';
import { readSealed, type SealedEntry } from './live-events.js';
import type { Pool, Tx } from '../db/pool.js';
import { asService } from '../db/transaction.js';
import { iso } from '../db/times.js';

/** So many entries are looked at for one webhook before the others have their turn. */
const PAGE = 500;
/** A webhook that falls behind by more waits where it is in the history, which is there anyway. */
export const MAX_PENDING = 5_000;
/** Deliveries that go in one transaction: some milliseconds. */
export const DELIVERIES_PER_PAGE = 2_000;
/** Of one webhook, before others may have its lane. */
const ROUND = 20;
const KEPT_FOR = '7 days';

interface Behind {
  tenant_id: string;
  id: string;
  events: string[];
  position: string;
  /** @narrowed the statement asks for sealed entries */
  newest: string;
}

/**
 * Makes deliveries of what was sealed, by each webhook's own place in the history. One whose row another transaction
 * holds has its turn in a later round. @returns whether there may be more to do.
 */
export async function makeDeliveries(pool: Pool, fence: Fence, now: number): Promise<boolean> {
  return asService(pool, async (tx) => {
    await assertLease(tx, fence);
    const { rows } = await tx.query<Behind>(
      `SELECT w.tenant_id, w.id, w.events, w.position, head.number AS newest FROM webhooks w
       CROSS JOIN LATERAL (SELECT number FROM history h WHERE h.tenant_id = w.tenant_id AND h.number IS NOT NULL
         ORDER BY h.number DESC LIMIT 1) AS head
       WHERE w.disabled_at IS NULL AND w.position < head.number
         AND (SELECT count(*) FROM (SELECT FROM webhook_deliveries d WHERE d.tenant_id = w.tenant_id
           AND d.webhook_id = w.id AND d.state = 'pending' LIMIT ${MAX_PENDING}) AS p) < ${MAX_PENDING}
       ORDER BY w.tenant_id, w.id FOR UPDATE OF w SKIP LOCKED`,
    );
    let more = false;
    for (const row of rows) more = (await deliveriesOf(tx, row, now)) || more;
    return more;
  });
}

async function deliveriesOf(
  tx: Tx,
  { tenant_id: tenantId, id, events, position, newest }: Behind,
  now: number,
): Promise<boolean> {
  const entries = await readSealed(tx, tenantId, { after: Number(position), upTo: Number(newest), limit: PAGE });
  const wanted = entries.filter((entry) => events.length === 0 || events.includes(entry.event));
  if (wanted.length > 0) {
    await tx.query(
      `INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, number, event, due_at, created_at)
       SELECT $1, n.id, $2, n.number, n.event, $4, $4
         FROM jsonb_to_recordset($3::jsonb) AS n(id uuid, number bigint, event text)`,
      [tenantId, id, JSON.stringify(wanted.map(({ number, event }) => ({ id: newId(), number, event }))), iso(now)],
    );
  }
  // A full page may not be the last one.
  const upTo = entries[PAGE - 1]?.number ?? Number(newest);
  await tx.query('UPDATE webhooks SET position = $3 WHERE tenant_id = $1 AND id = $2', [tenantId, id, upTo]);
  return upTo < Number(newest);
}

/** All that one POST needs, so that no transaction is open while the receiver answers. */
export interface DueDelivery {
  readonly tenantId: string;
  readonly id: string;
  readonly webhookId: string;
  readonly url: string;
  readonly secret: string;
  readonly entry: SealedEntry;
}

interface DueRow {
  tenant_id: string;
  url: string;
  secret: string;
  webhook_id: string;
  id: string;
  /** @narrowed the delivery names it */
  number: string;
  at: Date;
  event: string;
  data: Record<string, unknown>;
  device_id: string | null;
  installation_id: string | null;
  rollout_id: string | null;
}

/** Webhooks that have something to send now. @returns each with when the first of it was due, epoch milliseconds. */
export async function readWaiting(
  pool: Pool,
  now: number,
): Promise<{ tenantId: string; webhookId: string; dueAt: number }[]> {
  const { rows } = await asService(pool, (tx) =>
    tx.query<{ tenant_id: string; id: string; due_at: Date }>(
      `SELECT w.tenant_id, w.id, d.due_at FROM webhooks w
       CROSS JOIN LATERAL (SELECT due_at FROM webhook_deliveries d WHERE d.tenant_id = w.tenant_id
         AND d.webhook_id = w.id AND d.state = 'pending' AND d.due_at <= $1 ORDER BY due_at, number LIMIT 1) AS d
       WHERE w.disabled_at IS NULL AND (w.quiet_until IS NULL OR w.quiet_until <= $1)`,
      [iso(now)],
    ),
  );
  return rows.map((row) => ({ tenantId: row.tenant_id, webhookId: row.id, dueAt: row.due_at.getTime() }));
}

/** What one webhook is to be sent now, some of it, in the order of the history where nothing was tried before. */
export async function readDue(pool: Pool, tenantId: string, webhookId: string, now: number): Promise<DueDelivery[]> {
  const { rows } = await asService(pool, (tx) =>
    tx.query<DueRow>(
      `SELECT w.tenant_id, w.url, w.secret, w.id AS webhook_id, d.id, h.number, h.at, h.event, h.data, h.device_id,
        h.installation_id, h.rollout_id
     FROM webhooks w
     CROSS JOIN LATERAL (SELECT id, number, due_at FROM webhook_deliveries d WHERE d.tenant_id = w.tenant_id
       AND d.webhook_id = w.id AND d.state = 'pending' AND d.due_at <= $1 ORDER BY due_at, number LIMIT ${ROUND}) AS d
     JOIN history h ON h.tenant_id = w.tenant_id AND h.number = d.number
     WHERE w.tenant_id = $2 AND w.id = $3 AND w.disabled_at IS NULL AND (w.quiet_until IS NULL OR w.quiet_until <= $1)
     ORDER BY d.due_at, d.number`,
      [iso(now), tenantId, webhookId],
    ),
  );
  return rows.map((row): DueDelivery => ({
    tenantId: row.tenant_id,
    id: row.id,
    webhookId: row.webhook_id,
    url: row.url,
    secret: row.secret,
    entry: {
      number: Number(row.number),
      at: row.at.getTime(),
      event: row.event,
      data: row.data,
      deviceId: row.device_id,
      installationId: row.installation_id,
      rolloutId: row.rollout_id,
    },
  }));
}

/** RFC 9110 §15.5.11: gone, and likely for ever. Standard Webhooks take it for an unsubscription. */
const GONE = 'The receiver answered 410 Gone: it wants no more deliveries.';

/** What became of an attempt. */
export type Attempted =
  | { readonly ok: true; readonly status: number }
  | { readonly ok: false; readonly status: number | null; readonly error: string };

interface AttemptRow {
  attempts: number;
  /** @narrowed the statement sets it */
  first_attempt_at: Date;
}

/**
 * Writes it down: when it is tried again, or that its day is over; and what it means for the webhook. @returns why it
 * was disabled, where it was.
 */
export async function settleAttempt(
  pool: Pool,
  fence: Fence,
  { tenantId, id, webhookId }: DueDelivery,
  attempted: Attempted,
  now: number,
): Promise<string | undefined> {
  return asService(pool, async (tx) => {
    await assertLease(tx, fence);
    const { rows: webhooks } = await tx.query<{ failures: number; failing_since: Date | null }>(
      'SELECT failures, failing_since FROM webhooks WHERE tenant_id = $1 AND id = $2 FOR UPDATE',
      [tenantId, webhookId],
    );
    const { rows } = await tx.query<AttemptRow>(
      `UPDATE webhook_deliveries
        SET attempts = attempts + 1, first_attempt_at = coalesce(first_attempt_at, $3), last_attempt_at = $3,
        last_status = $4, last_error = $5
       WHERE tenant_id = $1 AND id = $2 RETURNING attempts, first_attempt_at`,
      [tenantId, id, iso(now), attempted.status, attempted.ok ? null : attempted.error],
    );
    const [webhook, delivery] = [webhooks[0], rows[0]];
    if (!webhook || !delivery) return undefined; // deleted meanwhile
    if (attempted.ok) {
      await tx.query(
        `UPDATE webhook_deliveries SET state = 'delivered', ended_at = $3 WHERE tenant_id = $1 AND id = $2`,
        [tenantId, id, iso(now)],
      );
      await tx.query(
        'UPDATE webhooks SET failures = 0, failing_since = NULL, quiet_until = NULL WHERE tenant_id = $1 AND id = $2 AND failures > 0',
        [tenantId, webhookId],
      );
      return undefined;
    }
    const again = nextAttempt(delivery.attempts, delivery.first_attempt_at.getTime(), now);
    if (again === undefined)
      await tx.query(`UPDATE webhook_deliveries SET state = 'failed', ended_at = $3 WHERE tenant_id = $1 AND id = $2`, [
        tenantId,
        id,
        iso(now),
      ]);
    else
      await tx.query('UPDATE webhook_deliveries SET due_at = $3 WHERE tenant_id = $1 AND id = $2', [
        tenantId,
        id,
        iso(again),
      ]);
    const since = webhook.failing_since?.getTime() ?? now;
    const because = attempted.status === 410 ? GONE : disabledBecause(since, now, attempted.error);
    await tx.query(
      `UPDATE webhooks
        SET failures = failures + 1, failing_since = $3, quiet_until = $4,
        disabled_at = CASE WHEN $5::text IS NULL THEN disabled_at
        ELSE $6 END, disabled_because = coalesce($5, disabled_because)
       WHERE tenant_id = $1 AND id = $2`,
      [tenantId, webhookId, iso(since), iso(quietUntil(webhook.failures + 1, now)), because ?? null, iso(now)],
    );
    return because;
  });
}

/** Of what ended, the last days are kept: a page goes, in one transaction. @returns whether there may be more */
export async function dropOldDeliveries(pool: Pool, fence: Fence): Promise<boolean> {
  return asService(pool, async (tx) => {
    await assertLease(tx, fence);
    const { rowCount } = await tx.query(
      `DELETE FROM webhook_deliveries WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM webhook_deliveries
        WHERE ended_at < now() - interval '${KEPT_FOR}' ORDER BY ended_at LIMIT ${DELIVERIES_PER_PAGE})`,
    );
    return rowCount === DELIVERIES_PER_PAGE;
  });
}
