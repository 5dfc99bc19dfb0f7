import { oneRow } from '../db/one-row.js';
import { onlyStep } from '../../domain/rollout/plan.js';
import { executing, slotNow } from '../../domain/installation/device-aggregate.js';
import type { Installation } from '../../domain/installation/installation.js';
import { judgeRollback } from '../../domain/rollout/admission.js';
import type { RollbackState } from '../../domain/rollout/facts.js';
import { deviceKey } from '../db/keys.js';
import type { Tx } from '../db/pool.js';
import { recordset } from '../db/recordset.js';
import { iso } from '../db/times.js';
import { inOrderOf } from '../rollouts/in-order.js';
import { loadAggregates } from '../installations/device-aggregate.js';
import { recordByService } from './report.js';
import { addRollbackCounters, leaveContent, type LeftContent } from '../rollouts/rollback-moves.js';
import { holdDevices } from '../rollouts/hold-devices.js';
import type { StoredRollout } from '../rollouts/rows.js';
import { TARGETS_PER_PAGE } from '../rollouts/pages.js';
import { installationOf, startInstallations, type RolloutInstallation, type Start } from './start-installations.js';

interface PreparedRow {
  group_position: number | null;
  /** @narrowed the statement sets it */
  back_state: RollbackState;
}

/**
 * Targets that hold the content because of the rollout: those that it brought it to, and those whose attempt was given
 * up or stopped, and whose device says meanwhile that its slot holds it. `t` is the target, $3 the slot, $4 the
 * firmware.
 */
const UPDATED = `t.back_state IS NULL AND (t.state = 'installed'
  OR (t.state IN ('failed', 'timedOut', 'canceled', 'superseded') AND t.installation_id IS NOT NULL
    AND (SELECT s.sha256 FROM device_slots s WHERE s.tenant_id = t.tenant_id AND s.device_id = t.device_id AND s.slot = $3)
      = (SELECT f.sha256 FROM firmwares f WHERE f.tenant_id = t.tenant_id AND f.id = $4)))`;

/**
 * The next page of updated targets learns what it is to get back; where that is unknown or deleted, it is named
 * with the reason.
 */
export async function prepareRollback(tx: Tx, { tenantId, id, plan }: StoredRollout): Promise<number> {
  const { slot, firmwareId } = onlyStep(plan);
  const updated = await tx.query<{ device_id: string }>(
    `SELECT t.device_id FROM rollout_targets t WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND ${UPDATED}
     ORDER BY t.device_id LIMIT ${TARGETS_PER_PAGE}`,
    [tenantId, id, slot, firmwareId],
  );
  const devices = updated.rows.map((row) => row.device_id);
  await holdDevices(tx, tenantId, devices);
  const { rows } = await tx.query<PreparedRow>(
    `WITH page AS (
       SELECT t.device_id, t.prior_sha256, (SELECT f.id FROM firmwares f WHERE f.tenant_id = t.tenant_id
         AND f.sha256 = t.prior_sha256 AND f.state = 'ready' ORDER BY f.created_at DESC, f.id LIMIT 1) AS firmware_id
       FROM rollout_targets t WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND ${UPDATED}
         AND t.device_id = ANY($6::uuid[]) ORDER BY t.device_id FOR NO KEY UPDATE OF t)
     UPDATE rollout_targets t SET back_firmware_id = p.firmware_id, admissible = $5
       OR device_reachable(t.tenant_id, t.device_id), back_state = CASE WHEN p.firmware_id IS NULL THEN 'failed'
       ELSE 'pending' END,
       back_because = CASE WHEN p.prior_sha256 IS NULL THEN 'the earlier content of its slot is unknown'
         WHEN p.firmware_id IS NULL THEN 'the earlier content of its slot (sha256 ' || p.prior_sha256 || ') is not among the firmwares, or was deleted' END
     FROM page p WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.device_id = p.device_id
       RETURNING t.group_position, t.back_state`,
    [tenantId, id, slot, firmwareId, plan.pace.offline === 'offer', devices],
  );
  await addRollbackCounters(
    tx,
    rows.map((row) => ({ tenantId, rolloutId: id, position: row.group_position, from: null, to: row.back_state })),
  );
  return rows.length;
}

interface Candidate {
  readonly device_id: string;
  readonly back_attempt: number;
  readonly back_installation_id: string | null;
  readonly firmware_id: string | null;
  readonly sha256: string | null;
  readonly version: string | null;
}

/** What one candidate became: an installation, or an end without one. */
interface Decided {
  readonly candidate: Candidate;
  readonly to: RollbackState;
  readonly because: string | null;
  readonly installation: Installation | null;
  /** What the target is once its slot holds other content; null = it stays what it is. */
  readonly left: LeftContent['as'] | null;
}

/**
 * Starts up to `count` installations of what was there before, as `admit` does under the same lock. Downgrades are the
 * point: no approval is needed.
 */
export async function admitRollback(
  tx: Tx,
  rollout: StoredRollout,
  position: number,
  count: number,
  now: number,
): Promise<{ started: number; concluded: number }> {
  const { tenantId, id, plan } = rollout;
  const step = onlyStep(plan);
  const { rows: chosen } = await tx.query<{ device_id: string }>(
    `SELECT device_id FROM rollout_targets WHERE tenant_id = $1 AND rollout_id = $2 AND group_position = $3
      AND back_state = 'pending' AND admissible AND back_ready_at <= $4
     ORDER BY back_ready_at, rank LIMIT $5`,
    [tenantId, id, position, iso(now), count],
  );
  const aggregates = await loadAggregates(
    tx,
    chosen.map((row) => ({ tenantId, deviceId: row.device_id, installationIds: [] })),
  );
  const { rows: locked } = await tx.query<Candidate>(
    `SELECT t.device_id, t.back_attempt, t.back_installation_id, f.id AS firmware_id, f.sha256, f.version
     FROM rollout_targets t LEFT JOIN firmwares f ON f.tenant_id = t.tenant_id AND f.id = t.back_firmware_id
       AND f.state = 'ready'
     WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.device_id = ANY($3::uuid[]) AND t.back_state = 'pending'
       ORDER BY t.device_id FOR NO KEY UPDATE OF t`,
    [tenantId, id, chosen.map((row) => row.device_id)],
  );
  const held = inOrderOf(chosen, locked);
  const { rows: own } = await tx.query<{ sha256: string | null }>(
    `SELECT sha256 FROM firmwares WHERE tenant_id = $1 AND id = $2`,
    [tenantId, step.firmwareId],
  );
  const decided = held.map((candidate): Decided => {
    const aggregate = aggregates.get(deviceKey(tenantId, candidate.device_id))?.aggregate;
    const slot = aggregate && slotNow(aggregate, step.slot);
    const admission = judgeRollback(slot, earlierOf(candidate), own[0]?.sha256 ?? undefined);
    if (admission.do === 'conclude')
      return {
        candidate,
        to: admission.as,
        because: admission.because,
        installation: null,
        left: admission.as === 'done' ? 'canceled' : admission.isOther ? 'superseded' : null,
      };
    const what = { ...admission.content, deviceId: candidate.device_id };
    const rules = { allowDowngrade: true, replaces: own[0]?.sha256 ?? null };
    const isBehind = aggregate !== undefined && executing(aggregate) !== undefined;
    const installation = installationOf(rollout, what, rules, isBehind, now);
    return { candidate, to: isBehind ? 'queued' : 'inFlight', because: null, installation, left: null };
  });
  const starts = decided.flatMap(({ installation, candidate }): Start[] =>
    installation ? [{ installation, retryOf: candidate.back_installation_id, details: { rollBack: true } }] : [],
  );
  await startInstallations(tx, rollout, starts, now);
  await tx.query(
    `UPDATE rollout_targets t
      SET back_state = n.state, back_because = n.because, back_attempt = n.attempt,
      back_installation_id = coalesce(n.installation_id, t.back_installation_id)
     FROM ${recordset('$3', 'device_id uuid, state text, because text, attempt integer, installation_id uuid')} AS n
       WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.device_id = n.device_id`,
    [
      tenantId,
      id,
      JSON.stringify(
        decided.map(({ candidate, to, because, installation }) => ({
          device_id: candidate.device_id,
          state: to,
          because,
          attempt: candidate.back_attempt + (installation ? 1 : 0),
          installation_id: installation?.id ?? null,
        })),
      ),
    ],
  );
  await addRollbackCounters(
    tx,
    decided.map(({ to }) => ({ tenantId, rolloutId: id, position, from: 'pending', to })),
  );
  await leaveContent(
    tx,
    rollout,
    decided.flatMap(({ candidate, left }) => (left === null ? [] : [{ deviceId: candidate.device_id, as: left }])),
  );
  return { started: starts.length, concluded: decided.length - starts.length };
}

/** What a target is to get back; undefined where that was deleted. */
function earlierOf({ firmware_id, sha256, version }: Candidate): Omit<RolloutInstallation, 'deviceId'> | undefined {
  return firmware_id === null || sha256 === null ? undefined : { firmwareId: firmware_id, sha256, version };
}

/** How many of a group could begin now, counted up to `room`; and when the next back-off ends. */
export async function observeRollback(
  tx: Tx,
  { tenantId, id }: StoredRollout,
  position: number,
  room: number,
  now: number,
): Promise<{ ready: number; nextRetryAt: number | null }> {
  const { rows } = await tx.query<{ ready: string; retry: Date | null }>(
    `SELECT (SELECT count(*) FROM (SELECT FROM rollout_targets WHERE tenant_id = $1 AND rollout_id = $2
      AND group_position = $3 AND back_state = 'pending' AND admissible AND back_ready_at <= $4
      LIMIT $5) AS r) AS ready,
       (SELECT min(back_ready_at) FROM rollout_targets WHERE tenant_id = $1 AND rollout_id = $2 AND group_position = $3
         AND back_state = 'pending' AND admissible AND back_ready_at > $4) AS retry`,
    [tenantId, id, position, iso(now), room],
  );
  const { ready, retry } = oneRow(rows, 'the targets that could roll back now');
  return { ready: Number(ready), nextRetryAt: retry?.getTime() ?? null };
}

/**
 * 1 while an updated target has not yet learnt what it gets back, else 0: the planner asks only whether there is one.
 */
export async function countToRollBack(tx: Tx, { tenantId, id, plan }: StoredRollout): Promise<number> {
  const { slot, firmwareId } = onlyStep(plan);
  const { rows } = await tx.query(
    `SELECT FROM rollout_targets t WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND ${UPDATED} LIMIT 1`,
    [tenantId, id, slot, firmwareId],
  );
  return rows.length;
}

/**
 * Ends one page of targets that still wait for their roll back as `failed`. @returns how many; fewer than a page = none
 * is left.
 */
export async function giveUpRollback(tx: Tx, { tenantId, id }: StoredRollout, because: string): Promise<number> {
  const { rows } = await tx.query<{ group_position: number | null }>(
    `WITH page AS (SELECT device_id FROM rollout_targets WHERE tenant_id = $1 AND rollout_id = $2
      AND back_state = 'pending' ORDER BY device_id LIMIT ${TARGETS_PER_PAGE} FOR NO KEY UPDATE)
     UPDATE rollout_targets t SET back_state = 'failed', back_because = $3 FROM page p WHERE t.tenant_id = $1
       AND t.rollout_id = $2 AND t.device_id = p.device_id RETURNING t.group_position`,
    [tenantId, id, because],
  );
  await addRollbackCounters(
    tx,
    rows.map((row) => ({ tenantId, rolloutId: id, position: row.group_position, from: 'pending', to: 'failed' })),
  );
  return rows.length;
}

/**
 * Asks the next page of those to stop whose way back is queued behind another installation: no device knows of them,
 * so they end at once. @returns how many
 */
export async function stopRollback(
  tx: Tx,
  { tenantId, id }: StoredRollout,
  because: string,
  now: number,
): Promise<number> {
  const { rows } = await tx.query<{ device_id: string; installation: string }>(
    `SELECT t.device_id, i.id AS installation FROM rollout_targets t
       JOIN installations i ON i.tenant_id = t.tenant_id AND i.id = t.back_installation_id
     WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.back_state = 'queued' ORDER BY t.device_id
     LIMIT ${TARGETS_PER_PAGE}`,
    [tenantId, id],
  );
  const queued = rows.map((row) => ({ deviceId: row.device_id, installationId: row.installation }));
  await recordByService(tx, tenantId, queued, { type: 'cancel', reason: because }, now);
  return rows.length;
}
