import { REASON_CHARACTERS } from '../../domain/installation/policy.js';
import { shortened } from '../../domain/shortened.js';
import type { Tx } from '../db/pool.js';
import { positionsOf } from '../rollouts/positions.js';
import { ADMITTED_AT_ONCE } from './observe.js';
import type { StoredRollout } from '../rollouts/rows.js';
import { recordByService } from './report.js';
import { loadAggregates } from '../installations/device-aggregate.js';

/**
 * Asks the next page of open installations to stop, each once: one that cannot any more goes on to its own end. What
 * the target becomes then is written before, for a cancellation may end at once.
 * @param groups of these only; null = of all
 * @returns how many were asked.
 */
export async function stopOpen(
  tx: Tx,
  { tenantId, id, facts }: StoredRollout,
  groups: readonly string[] | null,
  only: 'notBegun' | 'all',
  as: 'canceled' | 'timedOut',
  because: string,
  now: number,
): Promise<number> {
  const begun = only === 'notBegun' ? 'AND i.started_at IS NULL' : '';
  const { rows } = await tx.query<{ device_id: string; id: string }>(
    `SELECT t.device_id, i.id FROM rollout_targets t JOIN installations i ON i.tenant_id = t.tenant_id
      AND i.id = t.installation_id
     WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.state IN ('queued', 'inFlight') AND t.end_as IS NULL
       AND i.ended_at IS NULL ${begun} AND ($3::integer[] IS NULL OR t.group_position = ANY($3))
     LIMIT ${ADMITTED_AT_ONCE}`,
    [tenantId, id, positionsOf(facts, groups)],
  );
  if (rows.length === 0) return 0;
  await loadAggregates(
    tx,
    rows.map((row) => ({ tenantId, deviceId: row.device_id, installationIds: [row.id] })),
  );
  await tx.query(
    `UPDATE rollout_targets SET end_as = $4, because = $5 WHERE tenant_id = $1 AND rollout_id = $2
      AND device_id = ANY($3::uuid[]) AND state IN ('queued', 'inFlight')`,
    [tenantId, id, rows.map((row) => row.device_id), as, because],
  );
  const open = rows.map((row) => ({ deviceId: row.device_id, installationId: row.id }));
  const cancel = { type: 'cancel', reason: shortened(because, REASON_CHARACTERS) } as const;
  await recordByService(tx, tenantId, open, cancel, now);
  return rows.length;
}
