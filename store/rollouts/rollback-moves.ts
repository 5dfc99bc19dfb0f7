import { defined } from '../../domain/defined.js';
import { isEnded } from '../../domain/installation/states.js';
import type { RollbackState, TargetState } from '../../domain/rollout/facts.js';
import type { RetryPlan } from '../../domain/rollout/plan.js';
import type { TurnRefusal } from '../../domain/rollout/turn.js';
import { targetAfter } from '../../domain/rollout/target.js';
import type { Mark } from '../outbox/outbox.js';
import type { Tx } from '../db/pool.js';
import { recordset } from '../db/recordset.js';
import { pokeRollout, type InstallationChange } from './moves.js';
import { addCounters, type CounterChange } from './counters.js';
import { iso } from '../db/times.js';

/** A change of one target's roll back; null = it was in none before. */
interface RollbackMove {
  readonly tenantId: string;
  readonly rolloutId: string;
  /** null = the target is in no group yet, and so in no counter. */
  readonly position: number | null;
  readonly from: RollbackState | null;
  readonly to: RollbackState;
}

const COLUMN = {
  pending: 'back_pending',
  queued: 'back_queued',
  inFlight: 'back_in_flight',
  done: 'back_done',
  failed: 'back_failed',
} as const satisfies Record<RollbackState, string>;
const COLUMNS = Object.values(COLUMN);

/** Each row once and in order, as the other counters. */
export async function addRollbackCounters(tx: Tx, moves: readonly RollbackMove[]): Promise<void> {
  const rows = new Map<string, Record<string, unknown>>();
  for (const { tenantId, rolloutId, position, from, to } of moves) {
    if (position === null) continue;
    const key = `${tenantId}/${rolloutId}/${String(position).padStart(4, '0')}`;
    const row = rows.get(key) ?? {
      tenant_id: tenantId,
      rollout_id: rolloutId,
      position,
      ...Object.fromEntries(COLUMNS.map((name) => [name, 0])),
    };
    if (from !== null) row[COLUMN[from]] = (row[COLUMN[from]] as number) - 1;
    row[COLUMN[to]] = (row[COLUMN[to]] as number) + 1;
    rows.set(key, row);
  }
  for (const [, row] of [...rows].sort(([a], [b]) => (a < b ? -1 : 1))) {
    await tx.query(
      `UPDATE rollout_groups SET ${COLUMNS.map((name, index) => `${name} = ${name} + $${index + 4}`).join(', ')}
        WHERE tenant_id = $1 AND rollout_id = $2 AND position = $3`,
      [row['tenant_id'], row['rollout_id'], row['position'], ...COLUMNS.map((name) => row[name])],
    );
  }
}

/** What a target is once its slot does not hold the content of the rollout any more. */
const LEFT = {
  canceled: 'it was rolled back',
  superseded: 'it was installed, and its slot holds other content now',
} as const;

/** Of a roll back: an installed target whose slot holds something else now. */
export interface LeftContent {
  readonly deviceId: string;
  readonly as: keyof typeof LEFT;
}

/** Targets that were installed are so no more; what failed before stays what it was. */
export async function leaveContent(
  tx: Tx,
  { tenantId, id }: { readonly tenantId: string; readonly id: string },
  left: readonly LeftContent[],
): Promise<void> {
  if (left.length === 0) return;
  const { rows } = await tx.query<{ group_position: number | null; state: TargetState }>(
    `UPDATE rollout_targets t SET state = n.state, because = n.because
     FROM ${recordset('$3', 'device_id uuid, state text, because text')} AS n
     WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.device_id = n.device_id AND t.state = 'installed'
     RETURNING t.group_position, t.state`,
    [
      tenantId,
      id,
      JSON.stringify(left.map(({ deviceId, as }) => ({ device_id: deviceId, state: as, because: LEFT[as] }))),
    ],
  );
  await addCounters(
    tx,
    rows.map((row): CounterChange => ({
      tenantId,
      rolloutId: id,
      position: row.group_position,
      from: 'installed',
      to: row.state,
    })),
  );
}

/** What the end of an installation, or its turn, means to a target that is rolled back. Retries follow the plan. */
export async function moveRollbackTargets(
  tx: Tx,
  changes: readonly InstallationChange[],
  now: number,
): Promise<Mark[]> {
  const ended = new Map(
    changes
      .filter(
        ({ before, after }) =>
          after.rolloutId !== null &&
          ((!isEnded(before.state) && isEnded(after.state)) ||
            before.place !== after.place ||
            (before.state !== after.state && before.state === 'queued')),
      )
      .map((change) => [change.after.id, change]),
  );
  if (ended.size === 0) return [];
  const { rows } = await tx.query<{
    tenant_id: string;
    rollout_id: string;
    device_id: string;
    group_position: number | null;
    back_attempt: number;
    /** @narrowed the statement asks for these two */
    back_state: 'queued' | 'inFlight';
    /** @narrowed it is looked for by its id */
    back_installation_id: string;
    retry: RetryPlan;
  }>(
    `SELECT t.tenant_id, t.rollout_id, t.device_id, t.group_position, t.back_attempt, t.back_state,
      t.back_installation_id,
      r.plan->'retry' AS retry
     FROM rollout_targets t JOIN rollouts r ON r.tenant_id = t.tenant_id AND r.id = t.rollout_id
     WHERE (t.tenant_id, t.rollout_id, t.device_id) IN (SELECT tenant_id, rollout_id, device_id
       FROM ${recordset('$1', 'tenant_id text, rollout_id uuid, device_id uuid')} AS k)
       AND t.back_state IN ('queued', 'inFlight') AND t.back_installation_id = ANY($2::uuid[]) ORDER BY 1, 2, 3
         FOR NO KEY UPDATE OF t`,
    [
      JSON.stringify(
        [...ended.values()].map(({ after }) => ({
          tenant_id: after.tenantId,
          rollout_id: after.rolloutId,
          device_id: after.deviceId,
        })),
      ),
      [...ended.keys()],
    ],
  );
  const moves = rows.flatMap((row) => {
    const { before, after, heardAt } = defined(
      ended.get(row.back_installation_id),
      'only targets of these installations are read',
    );
    const target = { state: row.back_state, attempt: row.back_attempt, wasOffered: true, endAs: null };
    const move = targetAfter(before, after, target, row.retry, heardAt, now);
    if (move === undefined) return [];
    const isOther = after.error?.code === ('CONTENT_CHANGED' satisfies TurnRefusal);
    return [{ row, to: rollbackStateOf(move.state), move, isOther }];
  });
  for (const { row, to, move } of moves) {
    await tx.query(
      `UPDATE rollout_targets
        SET back_state = $4, back_because = $5, back_ready_at = coalesce($6, '-infinity'::timestamptz),
         back_attempt = back_attempt - $7
        WHERE tenant_id = $1 AND rollout_id = $2 AND device_id = $3`,
      [row.tenant_id, row.rollout_id, row.device_id, to, move.because, iso(move.readyAt), move.isUnheard ? 1 : 0],
    );
  }
  await addRollbackCounters(
    tx,
    moves.map(({ row, to }) => ({
      tenantId: row.tenant_id,
      rolloutId: row.rollout_id,
      position: row.group_position,
      from: row.back_state,
      to,
    })),
  );
  for (const { row, to, isOther } of moves)
    if (to === 'done' || isOther)
      await leaveContent(tx, { tenantId: row.tenant_id, id: row.rollout_id }, [
        { deviceId: row.device_id, as: isOther ? 'superseded' : 'canceled' },
      ]);
  return [...new Map(rows.map((row) => [row.rollout_id, row])).values()].map((row) =>
    pokeRollout(row.tenant_id, row.rollout_id, now + 1_000),
  );
}

/** What a move of a target means to its way back. */
function rollbackStateOf(state: TargetState): RollbackState {
  switch (state) {
    case 'pending':
    case 'queued':
    case 'inFlight':
      return state;
    case 'installed':
    case 'alreadyInstalled':
      return 'done';
    default:
      return 'failed';
  }
}

interface EndedRollbackRow {
  rollout_id: string;
  group_position: number | null;
  /** @narrowed the statement asks for those that have one */
  was: RollbackState;
}

/** A device is deleted, and with it what its roll back still waits for. @returns the marks for the outbox. */
export async function endRollbackOf(tx: Tx, tenantId: string, deviceId: string): Promise<Mark[]> {
  const { rows } = await tx.query<EndedRollbackRow>(
    `WITH held AS (SELECT rollout_id, back_state FROM rollout_targets WHERE tenant_id = $1 AND device_id = $2
      AND back_state IN ('pending', 'queued', 'inFlight') ORDER BY rollout_id FOR NO KEY UPDATE)
     UPDATE rollout_targets t SET back_state = 'failed', back_because = 'the device was deleted' FROM held h
     WHERE t.tenant_id = $1 AND t.device_id = $2 AND t.rollout_id = h.rollout_id
       RETURNING t.rollout_id, t.group_position, h.back_state AS was`,
    [tenantId, deviceId],
  );
  await addRollbackCounters(
    tx,
    rows.map((row) => ({
      tenantId,
      rolloutId: row.rollout_id,
      position: row.group_position,
      from: row.was,
      to: 'failed',
    })),
  );
  return rows.map((row) => pokeRollout(tenantId, row.rollout_id));
}
