import { backOff } from '../../domain/back-off.js';
import { assertLease, type Fence } from '../db/leases.js';
import type { Pool, Tx } from '../db/pool.js';
import { recordset } from '../db/recordset.js';
import { iso } from '../db/times.js';
import { asService } from '../db/transaction.js';

/** Whom a mark is for: the engine, the broker's retained documents, or the broker's access list. */
export type Receiver = 'workflow' | 'document' | 'credential';

/** As `detail` of a mark for the engine: the process of an installation has ended before its row, and starts again. */
export const START_AGAIN = 'start again';

/** As `detail` of a mark for the engine: the process of a queued installation is to ask for its turn again. */
export const ASK_AGAIN = 'ask again';

/**
 * "Bring this receiver up to date about this subject." workflow: an installation, or a rollout (then `detail` says so).
 * document: a device, and the slot as `detail`. credential: a device. There is at most one row per subject and
 * receiver; a second mark raises its generation.
 */
export interface Mark {
  receiver: Receiver;
  tenantId: string;
  subject: string;
  detail?: string;
  /** Epoch milliseconds; absent = now. A later mark that is due earlier wins. */
  dueAt?: number;
  /** workflow: no process was started yet, so that it may wait for its turn behind those that run. */
  isStart?: boolean;
}

/**
 * A marked subject that this sender holds. `generation` tells whether it was marked again meanwhile; it is a bigint in
 * text.
 */
export interface Claimed {
  receiver: Receiver;
  tenantId: string;
  subject: string;
  detail: string;
  generation: string;
  attempts: number;
}

/**
 * Wakes the sender: PostgreSQL's channel. Only the API and the activities notify; the ingester wakes the sender in its
 * own process.
 */
export const CHANNEL = 'slipway_outbox';

/** Marks subjects. Sorted, so that two batches that mark the same subjects cannot deadlock. */
export async function mark(tx: Tx, marks: readonly Mark[]): Promise<void> {
  if (marks.length === 0) return;
  await tx.query(
    `INSERT INTO outbox (receiver, tenant_id, subject, detail, due_at, is_start)
     SELECT receiver, tenant_id, subject, detail, min(coalesce(due_at, now())), bool_and(is_start)
     FROM jsonb_to_recordset($1::jsonb) AS n(receiver text, tenant_id text, subject uuid, detail text,
       due_at timestamptz, is_start boolean)
     GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
     ON CONFLICT (receiver, tenant_id, subject, detail) DO UPDATE
       SET generation = outbox.generation + 1, marked_at = now(), due_at = least(outbox.due_at, excluded.due_at),
         is_start = outbox.is_start AND excluded.is_start`,
    [
      JSON.stringify(
        marks.map((one) => ({
          receiver: one.receiver,
          tenant_id: one.tenantId,
          subject: one.subject,
          detail: one.detail ?? '',
          is_start: one.isStart ?? false,
          due_at: one.dueAt === undefined ? null : iso(one.dueAt),
        })),
      ),
    ],
  );
}

/**
 * Marks the documents of these devices and of everything behind them: their node may have changed, or they are about to
 * go.
 */
export async function markDocumentsOf(tx: Tx, tenantId: string, deviceIds: readonly string[]): Promise<void> {
  const slots = await tx.query<{ device_id: string; slot: string }>(
    `WITH RECURSIVE behind(id) AS (
       SELECT unnest($2::uuid[])
       UNION SELECT d.id FROM devices d JOIN behind ON d.connected_by = behind.id WHERE d.tenant_id = $1)
     SELECT p.device_id, p.slot FROM published_documents p JOIN behind ON p.device_id = behind.id WHERE p.tenant_id = $1
     UNION SELECT i.device_id, i.slot FROM installations i JOIN behind ON i.device_id = behind.id
       WHERE i.tenant_id = $1 AND i.executing`,
    [tenantId, deviceIds],
  );
  await mark(
    tx,
    slots.rows.map((row) => ({ receiver: 'document' as const, tenantId, subject: row.device_id, detail: row.slot })),
  );
}

/** Wakes the sender once this transaction commits. */
export async function wakeSender(tx: Tx): Promise<void> {
  await tx.query(`SELECT pg_notify('${CHANNEL}', '')`);
}

/**
 * Takes up to `limit` due rows for `leaseMs`; no other sender gets them meanwhile. A sender that dies loses its lease,
 * and the rows are sent again: every receiver is idempotent. Receiver and limit stand in the text, so that it is
 * planned once and not each time.
 * @param room of those rows, how many that begin; what runs already comes first.
 * @throws LeaseLost where a fence is given that another one has passed.
 */
export function claim(
  pool: Pool,
  receiver: Receiver,
  limit: number,
  leaseMs: number,
  fence?: Fence,
  room = limit,
): Promise<Claimed[]> {
  return asService(pool, (tx) => claimIn(tx, receiver, limit, leaseMs, fence, room));
}

/**
 * The same in a transaction that reads next what the rows are about: a mark that comes meanwhile raises a generation
 * that this one has read already.
 */
export async function claimIn(
  tx: Tx,
  receiver: Receiver,
  limit: number,
  leaseMs: number,
  fence?: Fence,
  room = limit,
): Promise<Claimed[]> {
  if (fence) await assertLease(tx, fence);
  const { rows } = await tx.query<{
    receiver: Receiver;
    tenant_id: string;
    subject: string;
    detail: string;
    generation: string;
    attempts: number;
  }>(
    `UPDATE outbox o SET leased_until = now() + $1 * interval '1 millisecond'
     FROM (SELECT * FROM (${dueRows(receiver, 'NOT is_start', `${limit}`, '$1')}) AS running UNION ALL SELECT *
       FROM (${dueRows(receiver, 'is_start', '$2', '$1')}) AS beginning) AS due
     WHERE o.receiver = due.receiver AND o.tenant_id = due.tenant_id AND o.subject = due.subject
       AND o.detail = due.detail
     RETURNING o.receiver, o.tenant_id, o.subject, o.detail, o.generation, o.attempts`,
    [leaseMs, room],
  );
  return rows.map((row) => ({
    receiver: row.receiver,
    tenantId: row.tenant_id,
    subject: row.subject,
    detail: row.detail,
    generation: row.generation,
    attempts: row.attempts,
  }));
}

/**
 * The due rows of a receiver that are free, locked, the longest due first. A claim that ends further ahead than it can
 * last was made while PostgreSQL's clock was ahead, and is none.
 * @param lease how long a claim lasts, in milliseconds; SQL, as `limit`
 */
function dueRows(receiver: Receiver, which: 'is_start' | 'NOT is_start', limit: string, lease: string): string {
  return `SELECT receiver, tenant_id, subject, detail FROM outbox
          WHERE receiver = '${receiver}' AND ${which} AND due_at <= now()
            AND (leased_until IS NULL OR leased_until < now()
              OR leased_until > clock_timestamp() + ${lease} * interval '1 millisecond')
          ORDER BY due_at LIMIT ${limit} FOR UPDATE SKIP LOCKED`;
}

/**
 * What was claimed and is not being sent is free at once, instead of when its claim runs out: a predecessor's, or our
 * own where PostgreSQL went away in the middle. The leader is the only sender, and its rounds for one receiver come
 * one after the other.
 */
export async function releaseClaims(pool: Pool, receiver: Receiver, fence: Fence): Promise<void> {
  await asService(pool, async (tx) => {
    await assertLease(tx, fence);
    await tx.query(
      `UPDATE outbox SET leased_until = NULL WHERE (receiver, tenant_id, subject, detail) IN
        (SELECT receiver, tenant_id, subject, detail FROM outbox WHERE receiver = $1 AND leased_until IS NOT NULL
          ORDER BY 1, 2, 3, 4 FOR UPDATE)`,
      [receiver],
    );
  });
}

/**
 * What became of a claimed row: sent; to be looked at again at a time; or failed, to be tried again. `rest`: what was
 * marked meanwhile is not sent before (epoch milliseconds), so that a busy subject is told of at its pace.
 */
export type Settled = { claimed: Claimed; again?: number; rest?: number; error?: string };

/** First and longest wait after a failure: short enough that work begins within seconds once the receiver is back. */
const BACK_OFF = { firstMs: 250, maxMs: 5_000 };

/** Deletes what was sent, if nothing was marked meanwhile; puts the rest back. */
export async function settle(pool: Pool, outcomes: readonly Settled[], fence?: Fence): Promise<void> {
  if (outcomes.length === 0) return;
  await asService(pool, async (tx) => {
    if (fence) await assertLease(tx, fence);
    await settleIn(tx, outcomes);
  });
}

/**
 * The same in a transaction that has asserted its lease, after what else became of the rows was written: rows of the
 * outbox are locked last.
 */
export async function settleIn(tx: Tx, outcomes: readonly Settled[]): Promise<void> {
  if (outcomes.length === 0) return;
  const records = outcomes.map(({ claimed, again, rest, error }) => ({
    receiver: claimed.receiver,
    tenant_id: claimed.tenantId,
    subject: claimed.subject,
    detail: claimed.detail,
    generation: claimed.generation,
    again: error !== undefined || again === undefined ? null : iso(again),
    pause_ms: error === undefined ? null : backOff(claimed.attempts + 1, BACK_OFF),
    rest: rest === undefined ? null : iso(rest),
    attempts: error === undefined ? 0 : claimed.attempts + 1,
    last_error: error?.slice(0, 500) ?? null,
  }));
  await tx.query(
    `WITH n AS (SELECT * FROM ${recordset(
      '$1',
      `receiver text, tenant_id text, subject uuid, detail text, generation bigint,
                  again timestamptz, pause_ms float8, rest timestamptz, attempts integer, last_error text`,
    )} AS n),
          held AS (SELECT o.receiver, o.tenant_id, o.subject, o.detail, o.generation = n.generation AS untouched,
            coalesce(n.again, now() + n.pause_ms * interval '1 millisecond') AS again, n.rest, n.attempts, n.last_error
                   FROM outbox o JOIN n USING (receiver, tenant_id, subject, detail) ORDER BY 1, 2, 3, 4
                     FOR UPDATE OF o),
          gone AS (DELETE FROM outbox o USING held h WHERE h.untouched AND h.again IS NULL
                   AND (o.receiver, o.tenant_id, o.subject, o.detail) = (h.receiver, h.tenant_id, h.subject, h.detail))
     UPDATE outbox o SET leased_until = NULL, attempts = h.attempts, last_error = h.last_error,
            due_at = CASE WHEN h.untouched THEN h.again WHEN h.last_error IS NULL THEN greatest(o.due_at, h.rest)
              ELSE greatest(o.due_at, h.again) END
     FROM held h WHERE NOT (h.untouched AND h.again IS NULL)
       AND (o.receiver, o.tenant_id, o.subject, o.detail) = (h.receiver, h.tenant_id, h.subject, h.detail)`,
    [JSON.stringify(records)],
  );
}
