import { mark } from '../outbox/outbox.js';
import type { Tx } from '../db/pool.js';
import { targetCondition } from '../rollouts/condition.js';
import { holdDevices } from '../rollouts/hold-devices.js';
import { pokeRollout } from '../rollouts/moves.js';
import { addCounters, type StoredRollout } from '../rollouts/rows.js';
import { BEGINNING, lockTargets, TARGETS_PER_PAGE } from '../rollouts/targets.js';
import { iso } from '../db/times.js';

/** Why a target left: it is how those are found that match again. */
const NO_MATCH = 'it no longer matches the filter';

/**
 * Of a dynamic rollout, the next page of the fleet: devices that have come to match join the last group; with the last
 * page, those that have ceased to match before their turn leave. What is asked for meanwhile begins anew. A sweep
 * begins with a transaction of its own: a request that changes a device holds that device and waits for the row that
 * is deleted there, so that this one must not wait for devices.
 */
export async function sweepPage(
  tx: Tx,
  rollout: StoredRollout,
  now: number,
): Promise<{ joined: number; left: number; done: boolean }> {
  const { tenantId, id, sweptTo } = rollout;
  if (sweptTo === null) {
    await tx.query(`DELETE FROM rollout_sweeps WHERE tenant_id = $1 AND rollout_id = $2`, [tenantId, id]);
    await tx.query(`UPDATE rollouts SET swept_to = $3 WHERE tenant_id = $1 AND id = $2`, [tenantId, id, BEGINNING]);
    return { joined: 0, left: 0, done: false };
  }
  const page = await matching(tx, rollout, sweptTo);
  const joined = await join(tx, rollout, page);
  const done = page.length < TARGETS_PER_PAGE;
  const again = done ? await rejoin(tx, rollout) : 0;
  const left = done ? await leave(tx, rollout, now) : 0;
  await tx.query(
    `UPDATE rollouts SET swept_to = $3, swept_at = CASE WHEN $3::uuid IS NULL THEN $4 ELSE swept_at END
      WHERE tenant_id = $1 AND id = $2`,
    [tenantId, id, done ? null : page.at(-1), iso(now)],
  );
  return { joined: joined + again, left, done };
}

/** The next page of devices that match and are no targets. */
async function matching(tx: Tx, { tenantId, id, plan }: StoredRollout, after: string): Promise<string[]> {
  const values: unknown[] = [tenantId, id, after];
  const condition = targetCondition(plan, values, { rollout: '$2' });
  const { rows } = await tx.query<{ id: string }>(
    `SELECT d.id FROM devices d WHERE d.tenant_id = $1 AND d.id > $3 AND ${condition}
       AND NOT EXISTS (SELECT FROM rollout_targets t WHERE t.tenant_id = $1 AND t.rollout_id = $2
         AND t.device_id = d.id)
     ORDER BY d.id LIMIT ${TARGETS_PER_PAGE}`,
    values,
  );
  return rows.map((row) => row.id);
}

async function join(tx: Tx, { tenantId, id, plan }: StoredRollout, devices: readonly string[]): Promise<number> {
  const last = plan.groups.length - 1;
  await holdDevices(tx, tenantId, devices);
  const { rows } = await tx.query(
    `INSERT INTO rollout_targets (tenant_id, rollout_id, device_id, rank, admissible, group_position)
     SELECT $1, $2, d.id, md5($2::uuid::text || d.id::text)::uuid, $5 OR device_reachable($1, d.id), $4
     FROM devices d WHERE d.tenant_id = $1 AND d.id = ANY($3::uuid[]) ON CONFLICT DO NOTHING RETURNING device_id`,
    [tenantId, id, devices, last, plan.pace.offline === 'offer'],
  );
  await addCounters(
    tx,
    rows.map(() => ({ tenantId, rolloutId: id, position: last, from: null, to: 'pending' })),
  );
  return rows.length;
}

/** Those that have left and match again join where they were. */
async function rejoin(tx: Tx, rollout: StoredRollout): Promise<number> {
  const { tenantId, id, plan } = rollout;
  const values: unknown[] = [tenantId, id];
  const condition = targetCondition(plan, values, { rollout: '$2' });
  const { rows: back } = await tx.query<{ device_id: string }>(
    `SELECT t.device_id FROM rollout_targets t JOIN devices d ON d.tenant_id = $1 AND d.id = t.device_id
     WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.state = 'skipped' AND t.because = '${NO_MATCH}'
       AND ${condition}`,
    values,
  );
  const devices = back.map((row) => row.device_id);
  await holdDevices(tx, tenantId, devices);
  await lockTargets(tx, rollout, devices);
  const { rows } = await tx.query<{ group_position: number | null }>(
    `UPDATE rollout_targets t SET state = 'pending', because = NULL, ended_at = NULL,
       admissible = $4 OR device_reachable($1, t.device_id)
     WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.device_id = ANY($3::uuid[]) AND t.state = 'skipped'
       AND t.because = '${NO_MATCH}' AND EXISTS (SELECT FROM devices d WHERE d.tenant_id = $1 AND d.id = t.device_id)
     RETURNING t.group_position`,
    [tenantId, id, devices, plan.pace.offline === 'offer'],
  );
  await addCounters(
    tx,
    rows.map((row) => ({ tenantId, rolloutId: id, position: row.group_position, from: 'skipped', to: 'pending' })),
  );
  return rows.length;
}

/** What was tried is finished, whatever it matches now: a retry sets back its attempts, not that it was admitted. */
async function leave(tx: Tx, rollout: StoredRollout, now: number): Promise<number> {
  const { tenantId, id, plan } = rollout;
  const values: unknown[] = [tenantId, id, iso(now)];
  const condition = targetCondition(plan, values, { rollout: '$2' });
  const { rows } = await tx.query<{ group_position: number | null }>(
    `WITH held AS (SELECT t.device_id FROM rollout_targets t
       WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.state = 'pending' AND t.admission IS NULL
         AND NOT EXISTS (SELECT FROM devices d WHERE d.tenant_id = $1 AND d.id = t.device_id AND ${condition})
       ORDER BY t.device_id FOR NO KEY UPDATE OF t)
     UPDATE rollout_targets t SET state = 'skipped', because = '${NO_MATCH}', ended_at = $3
     FROM held h WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.device_id = h.device_id
     RETURNING t.group_position`,
    values,
  );
  await addCounters(
    tx,
    rows.map((row) => ({ tenantId, rolloutId: id, position: row.group_position, from: 'pending', to: 'skipped' })),
  );
  return rows.length;
}

/** A device was made or changed: dynamic rollouts of its tenant look through the fleet again. */
export async function wantSweeps(tx: Tx, tenantId: string): Promise<void> {
  const { rows } = await tx.query<{ rollout_id: string }>(
    `INSERT INTO rollout_sweeps (tenant_id, rollout_id) SELECT tenant_id, id FROM rollouts WHERE tenant_id = $1
      AND finished_at IS NULL AND closed_at IS NULL AND (plan->'targets'->>'dynamic')::boolean ORDER BY id
     ON CONFLICT DO NOTHING RETURNING rollout_id`,
    [tenantId],
  );
  await mark(
    tx,
    rows.map((row) => pokeRollout(tenantId, row.rollout_id)),
  );
}
