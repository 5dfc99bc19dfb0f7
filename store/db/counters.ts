import type { Pool } from './pool.js';
import { asService } from './transaction.js';

/** By name, in the table and in /metrics of the API. */
export const REPORTS_RECORDED = 'slipway_device_reports_recorded_total';
/** Reason: why a message of a device was refused. */
export const MESSAGES_REFUSED = 'slipway_device_messages_refused_total';
/** Reason: one of `CONNECTION_LIMITS`, which a connection to the embedded broker was over. */
export const CONNECTIONS_REFUSED = 'slipway_device_connections_refused_total';
/**
 * What limits connections: there are too many of a device, or from an address; it sends too many messages in a second,
 * or too many bytes before it was let in; its handshake takes too long, or too many begin at its address.
 */
export const CONNECTION_LIMITS = ['device', 'address', 'messages', 'bytes', 'handshake'] as const;
/** A histogram: the reason is the upper bound in seconds, and each count is in all buckets above it too. */
export const INGEST_SECONDS = 'slipway_ingest_seconds_bucket';
/** Upper bounds of the buckets in seconds, as Prometheus spells them. */
export const INGEST_BOUNDS = ['0.05', '0.25', '1', '5', '30', '+Inf'] as const;
/** Reason: one of `FAILURE_REASONS`. Each was tried again. */
export const PROCESS_FAILURES = 'slipway_process_failures_total';
/** Which part of the engine failed. */
export const FAILURE_REASONS = ['activity', 'workflow', 'worker'] as const;

/** What was counted under a name and, where it has several, a reason. Only ever rises. */
export interface Count {
  name: string;
  reason: string;
  value: number;
}

/**
 * Adds to what is there. Sorted, so that two processes that add the same ones wait for each other instead of
 * deadlocking.
 */
export async function addCounts(pool: Pool, counts: readonly Count[]): Promise<void> {
  if (counts.length === 0) return;
  await asService(pool, (tx) =>
    tx.query(
      `INSERT INTO counters (name, reason, value)
     SELECT name, reason, sum(value) FROM jsonb_to_recordset($1::jsonb) AS n(name text, reason text, value bigint)
       GROUP BY 1, 2 ORDER BY 1, 2
     ON CONFLICT (name, reason) DO UPDATE SET value = counters.value + excluded.value`,
      [JSON.stringify(counts)],
    ),
  );
}

/** Ordered by name, then reason. A name that was never counted has no row. */
export async function readCounts(pool: Pool): Promise<Count[]> {
  const { rows } = await asService(pool, (tx) =>
    tx.query<{ name: string; reason: string; value: string }>(
      'SELECT name, reason, value FROM counters ORDER BY name, reason',
    ),
  );
  return rows.map(({ name, reason, value }) => ({ name, reason, value: Number(value) }));
}
