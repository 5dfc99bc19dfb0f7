import { groupAt, onlyStep } from '../../domain/rollout/plan.js';
import { positionsOf } from './positions.js';
import { groupSize } from '../../domain/rollout/group-size.js';
import type { TargetState } from '../../domain/rollout/facts.js';
import type { Tx } from '../db/pool.js';
import { filterCondition } from '../fleet/filter.js';
import { targetCondition } from './condition.js';
import { holdDevices } from './hold-devices.js';
import { workPage } from './paged-works.js';
import { BEGINNING, lockTargets, TARGETS_PER_PAGE } from './pages.js';
import { addCounters, type CounterChange } from './counters.js';
import type { StoredRollout } from './rows.js';
import { iso } from '../db/times.js';

/**
 * Takes down the next page of targets, judges of the next page whether it may be admitted, puts the next page into its
 * group, or does the next page of what people asked for. Resumes where it was after a crash.
 */
export async function materialisePage(tx: Tx, rollout: StoredRollout, now: number): Promise<void> {
  if (!rollout.collected) return collectPage(tx, rollout, now);
  if (rollout.admissibleTo !== null) return judgeAdmissiblePage(tx, rollout);
  return rollout.formed ? workPage(tx, rollout, now) : formGroup(tx, rollout, now);
}

/**
 * Devices by their id, so that a page begins where the last one ended.
 */
async function collectPage(
  tx: Tx,
  { tenantId, id, plan, collectedTo, facts }: StoredRollout,
  now: number,
): Promise<void> {
  const values: unknown[] = [tenantId, id, collectedTo, iso(facts.createdAt)];
  const condition = targetCondition(plan, values, { rollout: '$2' });
  const { rows } = await tx.query<{ id: string }>(
    `SELECT d.id FROM devices d WHERE d.tenant_id = $1 AND ($3::uuid IS NULL OR d.id > $3)
      AND d.created_at <= $4::timestamptz + interval '1 second' AND ${condition} ORDER BY d.id
      LIMIT ${TARGETS_PER_PAGE}`,
    values,
  );
  const page = rows.map((row) => row.id);
  await holdDevices(tx, tenantId, page);
  await tx.query(
    `INSERT INTO rollout_targets (tenant_id, rollout_id, device_id, rank, admissible)
     SELECT $1, $2, p.id, md5($2::uuid::text || p.id::text)::uuid, $4 OR ${REACHABLE}
     FROM devices p WHERE p.tenant_id = $1 AND p.id = ANY($3::uuid[]) ON CONFLICT DO NOTHING`,
    [tenantId, id, page, plan.pace.offline === 'offer'],
  );
  if (page.length === TARGETS_PER_PAGE)
    await tx.query(`UPDATE rollouts SET collected_to = $3 WHERE tenant_id = $1 AND id = $2`, [
      tenantId,
      id,
      page.at(-1),
    ]);
  else {
    await tx.query(
      `UPDATE rollouts SET collected_at = $3, target_count = (SELECT count(*) FROM rollout_targets WHERE tenant_id = $1
        AND rollout_id = $2) WHERE tenant_id = $1 AND id = $2`,
      [tenantId, id, iso(now)],
    );
  }
}

/**
 * Whether the slot holds the content of the firmware, confirmed, with nothing open that would change it. `p.id` is the
 * device. A LIMIT keeps each look an index scan: as EXISTS it was hashed, and each page read the slots of the whole
 * fleet, three times.
 */
const HELD = `(SELECT true FROM device_slots s JOIN firmwares f ON f.tenant_id = s.tenant_id AND f.sha256 = s.sha256
                 WHERE s.tenant_id = $1 AND s.device_id = p.id AND s.slot = $4 AND s.confirmed AND f.id = $5
                   LIMIT 1) IS NOT NULL
         AND (SELECT true FROM installations i WHERE i.tenant_id = $1 AND i.device_id = p.id AND i.slot = $4
           AND i.ended_at IS NULL LIMIT 1) IS NULL`;

/** A group opens: its targets are asked whether they hold the content, before any is admitted. */
export async function askHeld(tx: Tx, { tenantId, id }: StoredRollout, position: number): Promise<void> {
  await tx.query(`UPDATE rollout_groups SET held_to = $4 WHERE tenant_id = $1 AND rollout_id = $2 AND position = $3`, [
    tenantId,
    id,
    position,
    BEGINNING,
  ]);
}

/** The next page of targets of a group concludes where its slot holds the content already. @returns how many do. */
export async function concludeHeld(
  tx: Tx,
  { tenantId, id, plan }: StoredRollout,
  position: number,
  now: number,
): Promise<number> {
  const step = onlyStep(plan);
  const { rows: page } = await tx.query<{ device_id: string; rank: string }>(
    `SELECT device_id, rank FROM rollout_targets t WHERE tenant_id = $1 AND rollout_id = $2 AND group_position = $3
       AND rank > (SELECT g.held_to FROM rollout_groups g WHERE g.tenant_id = $1 AND g.rollout_id = $2 AND g.position = $3)
     ORDER BY rank LIMIT ${TARGETS_PER_PAGE}`,
    [tenantId, id, position],
  );
  await lockTargets(
    tx,
    { tenantId, id },
    page.map((row) => row.device_id),
  );
  const { rows } = await tx.query<{ device_id: string }>(
    `UPDATE rollout_targets t SET state = 'alreadyInstalled', because = 'its slot already held the content', ended_at = $6
     FROM unnest($3::uuid[]) AS p(id) CROSS JOIN LATERAL (SELECT ${HELD} AS held OFFSET 0) h
     WHERE h.held AND t.tenant_id = $1 AND t.rollout_id = $2 AND t.device_id = p.id AND t.state = 'pending'
       AND t.admission IS NULL
     RETURNING t.device_id`,
    [tenantId, id, page.map((row) => row.device_id), step.slot, step.firmwareId, iso(now)],
  );
  await addCounters(
    tx,
    rows.map((): CounterChange => ({ tenantId, rolloutId: id, position, from: 'pending', to: 'alreadyInstalled' })),
  );
  await tx.query(`UPDATE rollout_groups SET held_to = $4 WHERE tenant_id = $1 AND rollout_id = $2 AND position = $3`, [
    tenantId,
    id,
    position,
    page.length < TARGETS_PER_PAGE ? null : page.at(-1)?.rank,
  ]);
  return rows.length;
}

/**
 * `device_reachable`, without the walk for those that connect themselves: most, and the walk is what a page would spend
 * most of its time with.
 */
const REACHABLE = `CASE WHEN (SELECT true FROM device_credentials x WHERE x.tenant_id = $1 AND x.device_id = p.id
  AND x.revoked_at IS NULL LIMIT 1) THEN p.online ELSE device_reachable($1, p.id) END`;

/**
 * The group whose turn it is takes the next page of the targets that have none, in the order of their rank. After the
 * last one, that one takes whatever is left: devices that have ceased to match any group since the plan was checked,
 * and in no group would never end.
 */
async function formGroup(
  tx: Tx,
  { tenantId, id, plan, forming, targetCount, facts }: StoredRollout,
  now: number,
): Promise<void> {
  const position = Math.min(forming, plan.groups.length - 1);
  const isRest = forming > position;
  const group = groupAt(plan.groups, position);
  const wanted = isRest ? null : groupSize(group, targetCount ?? 0);
  const left =
    wanted === null ? TARGETS_PER_PAGE : Math.min(TARGETS_PER_PAGE, wanted - groupAt(facts.groups, position).size);
  const values: unknown[] = [tenantId, id, position, left - 1];
  const matches = (target: string) =>
    isRest || group.filter === null
      ? 'true'
      : `EXISTS (SELECT FROM devices d WHERE d.tenant_id = ${target}.tenant_id AND d.id = ${target}.device_id AND ${filterCondition(group.filter, values)})`;
  // By a range of ranks, never by a join with the page: right after they were snapshotted PostgreSQL believes that
  // there are hardly any targets, and joined each row of the page with all of them (measured: over 15 s a page at
  // 20,000). A range costs one pass at most, whatever is believed.
  const { rows } =
    left <= 0
      ? { rows: [] }
      : await tx.query<{ state: TargetState }>(
          `UPDATE rollout_targets t SET group_position = $3 WHERE t.tenant_id = $1 AND t.rollout_id = $2
            AND t.group_position IS NULL AND ${matches('t')} AND t.rank <= coalesce(
       (SELECT p.rank FROM rollout_targets p WHERE p.tenant_id = $1 AND p.rollout_id = $2 AND p.group_position IS NULL
         AND ${matches('p')} ORDER BY p.rank OFFSET $4 LIMIT 1),
       'ffffffff-ffff-ffff-ffff-ffffffffffff') RETURNING t.state`,
          values,
        );
  await addCounters(
    tx,
    rows.map(({ state }) => ({ tenantId, rolloutId: id, position, from: null, to: state })),
  );
  if (rows.length === TARGETS_PER_PAGE) return;
  if (isRest)
    await tx.query(`UPDATE rollouts SET materialised_at = $3 WHERE tenant_id = $1 AND id = $2`, [
      tenantId,
      id,
      iso(now),
    ]);
  else await tx.query(`UPDATE rollouts SET forming = forming + 1 WHERE tenant_id = $1 AND id = $2`, [tenantId, id]);
}
/**
 * The next page of pending targets comes to its end. Only under the lock of the rollout's row, as every move out of
 * `pending`.
 * @param groups of these only; null = of all
 */
export async function endPending(
  tx: Tx,
  { tenantId, id, facts }: StoredRollout,
  groups: readonly string[] | null,
  as: 'canceled' | 'timedOut',
  because: string,
  now: number,
): Promise<number> {
  const { rows } = await tx.query<{ group_position: number | null; unattempted: boolean }>(
    `WITH page AS (SELECT device_id FROM rollout_targets WHERE tenant_id = $1 AND rollout_id = $2 AND state = 'pending'
      AND ($6::integer[] IS NULL OR group_position = ANY($6))
      ORDER BY device_id LIMIT ${TARGETS_PER_PAGE} FOR NO KEY UPDATE)
     UPDATE rollout_targets t SET state = $3, because = $4, ended_at = $5, unattempted = t.attempt = 0
     FROM page p WHERE t.tenant_id = $1
       AND t.rollout_id = $2 AND t.device_id = p.device_id RETURNING t.group_position, t.unattempted`,
    [tenantId, id, as, because, iso(now), positionsOf(facts, groups)],
  );
  await addCounters(
    tx,
    rows.map((row): CounterChange => ({
      tenantId,
      rolloutId: id,
      position: row.group_position,
      from: 'pending',
      to: as,
      ...(row.unattempted ? { unattempted: 'to' } : {}),
    })),
  );
  return rows.length;
}

/**
 * The plan says otherwise about devices that are away: its process goes through the targets, before it looks at
 * anything else.
 */
export async function judgeAdmissibleAnew(tx: Tx, { tenantId, id }: StoredRollout): Promise<void> {
  await tx.query(`UPDATE rollouts SET admissible_to = $3 WHERE tenant_id = $1 AND id = $2`, [tenantId, id, BEGINNING]);
}

/**
 * The next page of targets that may yet be admitted: all, or those that can be reached. A page, because presence of a
 * device waits for its target. Locked by one statement and judged by the next: what a device says meanwhile either was
 * seen, or comes after and is written by the new plan (moves.ts).
 */
async function judgeAdmissiblePage(tx: Tx, { tenantId, id, plan, admissibleTo }: StoredRollout): Promise<void> {
  const { rows } = await tx.query<{ device_id: string }>(
    `SELECT device_id FROM rollout_targets WHERE tenant_id = $1 AND rollout_id = $2 AND device_id > $3
      AND (ended_at IS NULL OR back_state = 'pending')
     ORDER BY device_id LIMIT ${TARGETS_PER_PAGE} FOR NO KEY UPDATE`,
    [tenantId, id, admissibleTo],
  );
  await tx.query(
    `UPDATE rollout_targets t SET admissible = n.admissible
     FROM unnest($3::uuid[]) AS k(device_id)
       CROSS JOIN LATERAL (SELECT $4 OR device_reachable($1, k.device_id) AS admissible OFFSET 0) AS n
     WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.device_id = k.device_id AND t.admissible <> n.admissible`,
    [tenantId, id, rows.map((row) => row.device_id), plan.pace.offline === 'offer'],
  );
  const to = rows[TARGETS_PER_PAGE - 1]?.device_id ?? null;
  await tx.query(`UPDATE rollouts SET admissible_to = $3 WHERE tenant_id = $1 AND id = $2`, [tenantId, id, to]);
}
