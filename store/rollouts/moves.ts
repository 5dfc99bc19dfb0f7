import { defined } from '../../domain/defined.js';
import type { Installation } from '../../domain/installation/installation.js';
import { isEnded } from '../../domain/installation/states.js';
import { isEndedTarget, type TargetState } from '../../domain/rollout/facts.js';
import type { RetryPlan } from '../../domain/rollout/plan.js';
import { earlierContent, targetAfter, type TargetMove } from '../../domain/rollout/target.js';
import type { Mark } from '../outbox/outbox.js';
import type { Tx } from '../db/pool.js';
import { recordset } from '../db/recordset.js';
import { pinEarlier } from './pins.js';
import { addCounters, type CounterChange } from './counters.js';
import { iso } from '../db/times.js';

/** A change of an installation that belongs to a rollout. */
export interface InstallationChange {
  readonly before: Installation;
  readonly after: Installation;
  /** When its device was heard last, epoch milliseconds; null = never. */
  readonly heardAt: number | null;
}

/** "Poked at most once a second": a mark that stands already stays as it is. */
const DEBOUNCE_MS = 1_000;

/** What is to be told to a rollout's process. */
export function pokeRollout(tenantId: string, rolloutId: string, dueAt?: number): Mark {
  return {
    receiver: 'workflow',
    tenantId,
    subject: rolloutId,
    detail: 'rollout',
    ...(dueAt === undefined ? {} : { dueAt }),
  };
}

/**
 * Moves the targets whose installations ended, began to wait, or got their turn: in the transaction of the report
 * itself, so that no counter is ever behind what is acknowledged. Locks come after those of devices and installations
 * (docs/architecture.md §2). @returns whom to tell.
 */
export async function moveTargets(tx: Tx, changes: readonly InstallationChange[], now: number): Promise<Mark[]> {
  const relevant = changes.filter(
    ({ before, after }) =>
      after.rolloutId !== null &&
      (before.place !== after.place ||
        (before.state !== after.state &&
          (isEnded(after.state) || after.state === 'queued' || before.state === 'queued'))),
  );
  if (relevant.length === 0) return [];
  const byId = new Map(relevant.map((change) => [change.after.id, change]));
  const { rows } = await tx.query<OpenTargetRow>(
    `SELECT t.tenant_id, t.rollout_id, t.device_id, t.group_position, t.state, t.attempt, t.end_as, t.installation_id,
      t.prior_sha256,
      r.plan->'retry' AS retry,
       EXISTS (SELECT FROM installations i JOIN installations e ON e.tenant_id = i.tenant_id AND e.id = i.retry_of
         WHERE i.tenant_id = t.tenant_id AND i.id = t.installation_id AND e.revision IS NOT NULL) AS was_offered,
       (SELECT f.size FROM installations i JOIN firmwares f ON f.tenant_id = i.tenant_id AND f.id = i.firmware_id
         WHERE i.tenant_id = t.tenant_id AND i.id = t.installation_id) AS size
     FROM rollout_targets t JOIN rollouts r ON r.tenant_id = t.tenant_id AND r.id = t.rollout_id
     WHERE (t.tenant_id, t.rollout_id, t.device_id) IN (SELECT tenant_id, rollout_id, device_id
       FROM ${recordset('$1', 'tenant_id text, rollout_id uuid, device_id uuid')} AS k)
       AND t.installation_id = ANY($2::uuid[]) AND t.ended_at IS NULL
     ORDER BY 1, 2, 3 FOR NO KEY UPDATE OF t`,
    [
      JSON.stringify(
        relevant.map(({ after }) => ({
          tenant_id: after.tenantId,
          rollout_id: after.rolloutId,
          device_id: after.deviceId,
        })),
      ),
      [...byId.keys()],
    ],
  );
  const moves: TargetRow[] = [];
  for (const row of rows) {
    const { before, after, heardAt } = defined(
      byId.get(row.installation_id),
      'only targets of these installations are read',
    );
    const move = targetAfter(
      before,
      after,
      { state: row.state, attempt: row.attempt, wasOffered: row.was_offered, endAs: row.end_as },
      row.retry,
      heardAt,
      now,
    );
    if (move)
      moves.push({
        tenantId: row.tenant_id,
        rolloutId: row.rollout_id,
        deviceId: row.device_id,
        position: row.group_position,
        from: row.state,
        bytes: Number(row.size ?? 0),
        prior: earlierContent(after, row.prior_sha256),
        isPinned: row.prior_sha256 === earlierContent(after, row.prior_sha256),
        ...move,
      });
  }
  await applyMoves(tx, moves, now);
  for (const one of moves.filter(({ isPinned }) => !isPinned))
    await pinEarlier(tx, { tenantId: one.tenantId, id: one.rolloutId }, one.prior === null ? [] : [one.prior]);
  const told = new Map(
    [...moves, ...wantPlace(relevant)].map(({ tenantId, rolloutId }) => [
      `${tenantId}/${rolloutId}`,
      pokeRollout(tenantId, rolloutId, now + DEBOUNCE_MS),
    ]),
  );
  return [...told.values()];
}

/** Rollouts that are asked for a place: also for one on a way back. */
function wantPlace(changes: readonly InstallationChange[]): { tenantId: string; rolloutId: string }[] {
  return changes.flatMap(({ after: { tenantId, rolloutId, place } }) =>
    rolloutId !== null && place === 'wanted' ? [{ tenantId, rolloutId }] : [],
  );
}

interface OpenTargetRow {
  tenant_id: string;
  rollout_id: string;
  device_id: string;
  group_position: number | null;
  state: TargetState;
  attempt: number;
  was_offered: boolean;
  end_as: 'canceled' | 'timedOut' | null;
  /** @narrowed it is looked for by its id */
  installation_id: string;
  prior_sha256: string | null;
  retry: RetryPlan;
  size: string | null;
}

interface TargetRow extends TargetMove {
  readonly tenantId: string;
  readonly rolloutId: string;
  readonly deviceId: string;
  /** null = in no group yet. */
  readonly position: number | null;
  readonly from: TargetMove['state'];
  readonly bytes: number;
  /** SHA-256 of what its slot held before; null = unknown. */
  readonly prior: string | null;
  readonly isPinned: boolean;
}

async function applyMoves(tx: Tx, moves: readonly TargetRow[], now: number): Promise<void> {
  if (moves.length === 0) return;
  await tx.query(
    `UPDATE rollout_targets t
      SET state = n.state, because = n.because, ready_at = coalesce(n.ready_at, '-infinity'), ended_at = n.ended_at,
       prior_sha256 = n.prior_sha256, unattempted = n.unattempted, attempt = t.attempt - n.unheard
     FROM ${recordset('$1', 'tenant_id text, rollout_id uuid, device_id uuid, state text, because text, ready_at timestamptz, ended_at timestamptz, prior_sha256 text, unattempted boolean, unheard integer')} AS n
     WHERE t.tenant_id = n.tenant_id AND t.rollout_id = n.rollout_id AND t.device_id = n.device_id`,
    [
      JSON.stringify(
        moves.map((one) => ({
          tenant_id: one.tenantId,
          rollout_id: one.rolloutId,
          device_id: one.deviceId,
          state: one.state,
          because: one.because,
          ready_at: iso(one.readyAt),
          ended_at: isEndedTarget(one.state) ? iso(now) : null,
          prior_sha256: one.prior,
          unattempted: one.isUnattempted ?? false,
          unheard: one.isUnheard ? 1 : 0,
        })),
      ),
    ],
  );
  await addCounters(
    tx,
    moves.map((one): CounterChange => ({
      tenantId: one.tenantId,
      rolloutId: one.rolloutId,
      position: one.position,
      from: one.from,
      to: one.state,
      ...(one.state === 'installed' ? { bytes: one.bytes } : {}),
      ...(one.isUnattempted ? { unattempted: 'to' } : {}),
    })),
  );
}

/**
 * Keeps what targets know of their devices: whether these can be reached. A gateway that comes or goes takes all that
 * is behind it along. Locked by one statement and judged by the next: what is judged while another transaction is
 * waited for would be what was true before that one.
 * @returns whom to tell: a rollout that waits for devices learns of one that is there.
 */
export async function refreshAdmissible(
  tx: Tx,
  devices: readonly { tenantId: string; deviceId: string }[],
  now: number,
): Promise<Mark[]> {
  if (devices.length === 0) return [];
  const { rows: held } = await tx.query<{ tenant_id: string; rollout_id: string; device_id: string }>(
    `WITH RECURSIVE behind(tenant_id, id) AS (
       SELECT tenant_id, id FROM ${recordset('$1', 'tenant_id text, id uuid')} AS k
       UNION SELECT d.tenant_id, d.id FROM devices d JOIN behind b ON d.tenant_id = b.tenant_id
         AND d.connected_by = b.id)
     SELECT t.tenant_id, t.rollout_id, t.device_id
     FROM behind b JOIN rollout_targets t ON t.tenant_id = b.tenant_id AND t.device_id = b.id
     WHERE t.ended_at IS NULL OR t.back_state = 'pending' ORDER BY 1, 2, 3 FOR NO KEY UPDATE OF t`,
    [JSON.stringify(devices.map((one) => ({ tenant_id: one.tenantId, id: one.deviceId })))],
  );
  if (held.length === 0) return [];
  const { rows } = await tx.query<{ tenant_id: string; rollout_id: string }>(
    `UPDATE rollout_targets t SET admissible = n.reachable
     FROM (SELECT k.*, device_reachable(k.tenant_id, k.device_id) AS reachable
           FROM ${recordset('$1', 'tenant_id text, rollout_id uuid, device_id uuid')} AS k OFFSET 0) AS n
     JOIN rollouts r ON r.tenant_id = n.tenant_id AND r.id = n.rollout_id
     WHERE (t.tenant_id, t.rollout_id, t.device_id) = (n.tenant_id, n.rollout_id, n.device_id)
       AND t.admissible <> n.reachable AND r.plan->'pace'->>'offline' <> 'offer'
     RETURNING t.tenant_id, t.rollout_id`,
    [JSON.stringify(held)],
  );
  const rollouts = new Map(rows.map((row) => [`${row.tenant_id}/${row.rollout_id}`, row]));
  return [...rollouts.values()].map((row) => pokeRollout(row.tenant_id, row.rollout_id, now + DEBOUNCE_MS));
}

/** A device is deleted: its targets end, whatever its installations still wait for. */
export async function endTargetsOf(tx: Tx, tenantId: string, deviceId: string, now: number): Promise<Mark[]> {
  const { rows } = await tx.query<{ rollout_id: string; group_position: number | null; was: TargetState }>(
    `WITH held AS (SELECT rollout_id, state FROM rollout_targets WHERE tenant_id = $1 AND device_id = $2
      AND ended_at IS NULL ORDER BY rollout_id FOR NO KEY UPDATE)
     UPDATE rollout_targets t SET state = 'skipped', because = 'the device was deleted', ended_at = $3 FROM held h
     WHERE t.tenant_id = $1 AND t.device_id = $2 AND t.rollout_id = h.rollout_id
       RETURNING t.rollout_id, t.group_position, h.state AS was`,
    [tenantId, deviceId, iso(now)],
  );
  await addCounters(
    tx,
    rows.map((row): CounterChange => ({
      tenantId,
      rolloutId: row.rollout_id,
      position: row.group_position,
      from: row.was,
      to: 'skipped',
    })),
  );
  return rows.map((row) => pokeRollout(tenantId, row.rollout_id));
}
