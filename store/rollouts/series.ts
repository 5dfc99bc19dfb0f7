import type { SeriesPoint } from '../../domain/rollout/series.js';
import { oneRow } from '../db/one-row.js';
import type { Tx } from '../db/pool.js';

/** From the first to the last minute in which something happened, epoch milliseconds; undefined = nothing did. */
export async function seriesRange(
  tx: Tx,
  tenantId: string,
  id: string,
): Promise<{ readonly first: number; readonly last: number } | undefined> {
  const { rows } = await tx.query<{ first: Date | null; last: Date | null }>(
    `SELECT min(at) AS first, max(at) AS last FROM rollout_series WHERE tenant_id = $1 AND rollout_id = $2`,
    [tenantId, id],
  );
  const { first, last } = oneRow(rows, 'min() and max() answer one row');
  return first && last ? { first: first.getTime(), last: last.getTime() } : undefined;
}

/** What a rollout did in each step in which it did something; steps begin at whole multiples of `stepMs`. */
export async function readSeries(tx: Tx, tenantId: string, id: string, stepMs: number): Promise<SeriesPoint[]> {
  const { rows } = await tx.query<{ at: Date; started: string; ended: string; failed: string }>(
    `SELECT date_bin(make_interval(secs => $3), at, 'epoch'::timestamptz) AS at, sum(started) AS started,
       sum(ended) AS ended, sum(failed) AS failed
     FROM rollout_series WHERE tenant_id = $1 AND rollout_id = $2 GROUP BY 1 ORDER BY 1`,
    [tenantId, id, stepMs / 1_000],
  );
  return rows.map((row) => ({
    at: row.at.getTime(),
    started: Number(row.started),
    ended: Number(row.ended),
    failed: Number(row.failed),
  }));
}
