import { mark } from '../outbox/outbox.js';
import type { Tx } from '../db/pool.js';
import { targetCondition } from '../rollouts/condition.js';
import { holdDevices } from '../rollouts/hold-devices.js';
import { pokeRollout } from '../rollouts/moves.js';
import { addCounters } from '../rollouts/counters.js';
import type { StoredRollout } from '../rollouts/rows.js';
import type { SweepPart } from '../rollouts/works.js';
import { BEGINNING, lockTargets, TARGETS_PER_PAGE } from '../rollouts/pages.js';
import { iso } from '../db/times.js';

/** Why a target left: it is how those are found that match again. */
const NO_MATCH = 'it no longer matches the filter';

/** Targets that a page looks at, to find those that it changes: some 50 ms where it finds none. */
const LOOKED_AT = 5 * TARGETS_PER_PAGE;

/** What comes after each part of a sweep. */
const NEXT_PART = { join: 'rejoin', rejoin: 'leave', leave: null } as const satisfies Record<
  SweepPart,
  SweepPart | null
>;

/**
 * Of a dynamic rollout, the next page of its sweep: devices that have come to match join the last group; targets that
 * had left and match again come back; those that have ceased to match before their turn leave. What is asked for
 * meanwhile begins anew. A sweep begins with a transaction of its own: a request that changes a device holds that
 * device and waits for the row that is deleted there, so that this one must not wait for devices.
 */
export async function sweepPage(
  tx: Tx,
  rollout: StoredRollout,
  now: number,
): Promise<{ joined: number; left: number }> {
  const { tenantId, id, sweptTo, sweepPart } = rollout;
  if (sweptTo === null) {
    await tx.query(`DELETE FROM rollout_sweeps WHERE tenant_id = $1 AND rollout_id = $2`, [tenantId, id]);
    await sweepGoesOn(tx, rollout, 'join', BEGINNING);
    return { joined: 0, left: 0 };
  }
  const { changed, after } = await PARTS[sweepPart](tx, rollout, sweptTo, now);
  const next = NEXT_PART[sweepPart];
  if (after !== undefined) await sweepGoesOn(tx, rollout, sweepPart, after);
  else if (next !== null) await sweepGoesOn(tx, rollout, next, BEGINNING);
  else
    await tx.query(
      `UPDATE rollouts SET swept_to = NULL, sweep_part = 'join', swept_at = $3 WHERE tenant_id = $1 AND id = $2`,
      [tenantId, id, iso(now)],
    );
  return sweepPart === 'leave' ? { joined: 0, left: changed } : { joined: changed, left: 0 };
}

async function sweepGoesOn(tx: Tx, { tenantId, id }: StoredRollout, part: SweepPart, after: string): Promise<void> {
  await tx.query(`UPDATE rollouts SET swept_to = $3, sweep_part = $4 WHERE tenant_id = $1 AND id = $2`, [
    tenantId,
    id,
    after,
    part,
  ]);
}

interface PartOfSweep {
  readonly changed: number;
  /** The device, or the rank of the target, after which the next page begins; undefined = there is none. */
  readonly after: string | undefined;
}

const PARTS: Record<SweepPart, (tx: Tx, rollout: StoredRollout, from: string, now: number) => Promise<PartOfSweep>> = {
  join: async (tx, rollout, from) => {
    const page = await matching(tx, rollout, from);
    return { changed: await join(tx, rollout, page), after: page[TARGETS_PER_PAGE - 1] };
  },
  rejoin: async (tx, rollout, from) => {
    const { devices, after } = await changing(tx, rollout, 'skipped', from);
    return { changed: await rejoin(tx, rollout, devices), after };
  },
  leave: async (tx, rollout, from, now) => {
    const { devices, after } = await changing(tx, rollout, 'pending', from);
    return { changed: await leave(tx, rollout, devices, now), after };
  },
};

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

/**
 * Targets of the next page, by rank, that the sweep changes: of those that had left the ones that match again, and of
 * pending ones that no try was made with the ones that match no more. What was tried is finished, whatever it matches
 * now: a retry sets back its attempts, not that it was admitted. Of targets that stay as they are it looks at more than
 * a page, for it locks none.
 */
async function changing(
  tx: Tx,
  { tenantId, id, plan }: StoredRollout,
  state: 'skipped' | 'pending',
  from: string,
): Promise<{ devices: string[]; after: string | undefined }> {
  const values: unknown[] = [tenantId, id, from, state];
  const condition = targetCondition(plan, values, { rollout: '$2' });
  const { rows } = await tx.query<{ device_id: string; rank: string; changes: boolean; looked: number }>(
    `WITH looked AS (SELECT t.device_id, t.rank, t.admission, t.because FROM rollout_targets t
       WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.state = $4 AND t.rank > $3 ORDER BY t.rank LIMIT ${LOOKED_AT}),
     judged AS (SELECT l.device_id, l.rank, count(*) OVER ()::int AS looked, row_number() OVER (ORDER BY l.rank) AS place,
         CASE WHEN $4 = 'skipped' THEN l.because = '${NO_MATCH}' AND (SELECT true FROM devices d
             WHERE d.tenant_id = $1 AND d.id = l.device_id AND ${condition} LIMIT 1) IS NOT NULL
           ELSE l.admission IS NULL AND (SELECT true FROM devices d
             WHERE d.tenant_id = $1 AND d.id = l.device_id AND ${condition} LIMIT 1) IS NULL END AS changes
       FROM looked l)
     SELECT device_id, rank, changes, looked FROM judged WHERE changes OR place = looked ORDER BY rank
     LIMIT ${TARGETS_PER_PAGE}`,
    values,
  );
  const last = rows.at(-1);
  const isWhole = rows.length < TARGETS_PER_PAGE && (last?.looked ?? 0) < LOOKED_AT;
  return {
    devices: rows.filter(({ changes }) => changes).map((row) => row.device_id),
    after: isWhole ? undefined : last?.rank,
  };
}

/** Those that have left and match again join where they were. */
async function rejoin(tx: Tx, rollout: StoredRollout, devices: readonly string[]): Promise<number> {
  const { tenantId, id, plan } = rollout;
  if (devices.length === 0) return 0;
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

async function leave(tx: Tx, rollout: StoredRollout, devices: readonly string[], now: number): Promise<number> {
  const { tenantId, id } = rollout;
  if (devices.length === 0) return 0;
  await lockTargets(tx, rollout, devices);
  const { rows } = await tx.query<{ group_position: number | null }>(
    `UPDATE rollout_targets t SET state = 'skipped', because = '${NO_MATCH}', ended_at = $4
     WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.device_id = ANY($3::uuid[]) AND t.state = 'pending'
       AND t.admission IS NULL RETURNING t.group_position`,
    [tenantId, id, devices, iso(now)],
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
