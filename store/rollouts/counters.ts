import { isEndedTarget, type TargetState } from '../../domain/rollout/facts.js';
import { isFailure } from '../../domain/rollout/failures.js';
import type { Tx } from '../db/pool.js';
import { COUNTER_COLUMNS } from './rows.js';

/** One target that went from one state to another; `from` is null where it joins its group. */
export interface CounterChange {
  readonly tenantId: string;
  readonly rolloutId: string;
  /** null = the target is in no group yet, and so in no counter. */
  readonly position: number | null;
  readonly from: TargetState | null;
  readonly to: TargetState;
  /** Of the content, where it was installed. */
  readonly bytes?: number;
  /** Which of both states the target has, or had, without an installation of its own. */
  readonly unattempted?: 'from' | 'to';
}

/** What a series has for each minute; a target that is tried again counts again. */
const SERIES = ['new_started', 'new_ended', 'new_failed'] as const;
const SUMS = Object.values(COUNTER_COLUMNS);
const UNATTEMPTED_COLUMNS = { rejected: 'unattempted_rejected', timedOut: 'unattempted_timed_out' } as const;
const UNATTEMPTED = Object.values(UNATTEMPTED_COLUMNS);

/**
 * Adds to the counters of groups, each row once and in order, so that two batches cannot deadlock, and to the series of
 * the minute: its rows are written under the lock of their group's, and need no order of their own.
 */
export async function addCounters(tx: Tx, changes: readonly CounterChange[]): Promise<void> {
  const rows = new Map<string, Record<string, unknown>>();
  for (const { tenantId, rolloutId, position, from, to, bytes, unattempted } of changes) {
    if (position === null) continue;
    const key = `${tenantId}/${rolloutId}/${position}`;
    const row = rows.get(key) ?? {
      tenant_id: tenantId,
      rollout_id: rolloutId,
      position,
      size: 0,
      bytes: 0,
      unattempted_rejected: 0,
      unattempted_timed_out: 0,
      ...Object.fromEntries([...SUMS, ...SERIES].map((name) => [name, 0])),
    };
    const add = (column: string, by: number) => (row[column] = (row[column] as number) + by);
    if (from === null) add('size', 1);
    else add(COUNTER_COLUMNS[from], -1);
    add(COUNTER_COLUMNS[to], 1);
    add('bytes', bytes ?? 0);
    if (from === 'pending' && (to === 'inFlight' || to === 'queued')) add('new_started', 1);
    if (from !== null && !isEndedTarget(from) && isEndedTarget(to) && to !== 'skipped') add('new_ended', 1);
    if (from !== null && isFailure(to)) add('new_failed', 1);
    const state = unattempted === 'to' ? to : from;
    if (unattempted && (state === 'rejected' || state === 'timedOut'))
      add(UNATTEMPTED_COLUMNS[state], unattempted === 'to' ? 1 : -1);
    rows.set(key, row);
  }
  if (rows.size === 0) return;
  const columns = [...SUMS, ...UNATTEMPTED, 'size', 'bytes'];
  await tx.query(
    `WITH n AS (SELECT *
      FROM jsonb_to_recordset($1::jsonb) AS n(tenant_id text, rollout_id uuid, position smallint,
      ${[...columns, ...SERIES].map((name) => `${name} bigint`).join(', ')})),
          held AS (SELECT g.tenant_id, g.rollout_id, g.position FROM rollout_groups g
            JOIN n USING (tenant_id, rollout_id, position) ORDER BY 1, 2, 3 FOR NO KEY UPDATE OF g),
          moved AS (UPDATE rollout_groups g SET ${columns.map((name) => `${name} = g.${name} + n.${name}`).join(', ')}, moved_at = clock_timestamp()
     FROM n JOIN held USING (tenant_id, rollout_id, position)
     WHERE (g.tenant_id, g.rollout_id, g.position) = (n.tenant_id, n.rollout_id, n.position) RETURNING n.*)
     INSERT INTO rollout_series AS s (tenant_id, rollout_id, position, at, started, ended, failed)
     SELECT tenant_id, rollout_id, position, date_trunc('minute', clock_timestamp()), new_started, new_ended, new_failed
     FROM moved WHERE new_started > 0 OR new_ended > 0
     ON CONFLICT (tenant_id, rollout_id, position, at) DO UPDATE SET started = s.started + excluded.started,
       ended = s.ended + excluded.ended, failed = s.failed + excluded.failed`,
    [JSON.stringify([...rows.values()])],
  );
}
