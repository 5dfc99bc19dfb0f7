import {
  NO_ROLLBACK_COUNTERS,
  NO_COUNTERS,
  TARGET_STATES,
  type Counters,
  type GroupFacts,
  type RolloutFacts,
  type TargetState,
} from '../../domain/rollout/facts.js';
import { etaOf, etaToKeep } from '../../domain/rollout/eta.js';
import { derivePhase } from '../../domain/rollout/phase.js';
import { DEFAULTS, type Plan } from '../../domain/rollout/plan.js';
import type { PagedWork, SweepPart } from './works.js';
import type { Tx } from '../db/pool.js';
import { iso } from '../db/times.js';

/** A rollout as it was read: its plan and its facts. Every change holds the lock on its row. */
export interface StoredRollout {
  readonly tenantId: string;
  readonly id: string;
  /** Without the devices that it names: each tick reads it. */
  readonly plan: Plan;
  readonly defaulted: readonly string[];
  readonly version: number;
  readonly facts: RolloutFacts;
  readonly bytes: readonly number[];
  readonly waitingOn: string | null;
  /** When its process looks again; null = only news moves it. */
  readonly dueAt: number | null;
  /** When something happens by time alone (domain/rollout/steps.ts, `Waiting`). */
  readonly actsAt: number | null;
  /** What one device takes, by what was known when it was created; milliseconds. */
  readonly deviceMs: number | null;
  /** As it was told last (domain/rollout/eta.ts). */
  readonly eta: number | null;
  readonly createdBy: string;
  readonly updatedAt: number;
  readonly processStarted: boolean;
  readonly forming: number;
  readonly targetCount: number | null;
  readonly collectedTo: string | null;
  readonly sweptTo: string | null;
  /** What its sweep looks at: devices that join, targets that come back, or those that leave. */
  readonly sweepPart: SweepPart;
  /** Up to which device the targets know whether they may be admitted; null = all do. */
  readonly admissibleTo: string | null;
  readonly collected: boolean;
  /** Each target is in its group. */
  readonly formed: boolean;
  /** What people asked for and is not done with each target yet, in their order. */
  readonly works: readonly PagedWork[];
}

/** What `toStored` reads, for a SELECT whose table is named `rollouts`. */
export const ROLLOUT_COLUMNS = `tenant_id, id, plan, defaulted, version, phase, waiting_on, due_at, acts_at, loosened, device_ms, eta, created_by, created_at, updated_at, collected_to, collected_at, target_count, forming,
  materialised_at, start_requested_at, started_at, approvals, pauses, fired, aborted, rolling_back, swept_at, swept_to, sweep_part, admissible_to, works, ended_at, finished_at, closed_at, process_started_at,
  EXISTS (SELECT FROM rollout_sweeps s WHERE s.tenant_id = rollouts.tenant_id
    AND s.rollout_id = rollouts.id) AS sweep_wanted,
  EXISTS (SELECT FROM tenants t WHERE t.id = rollouts.tenant_id AND t.state <> 'active') AS suspended`;

/** A row of `rollouts`. node-postgres gives timestamptz as Date and bigint as string. */
export interface RolloutRow {
  tenant_id: string;
  id: string;
  plan: Plan;
  defaulted: string[];
  version: number;
  waiting_on: string | null;
  due_at: Date | null;
  acts_at: Date | null;
  device_ms: number | null;
  eta: Date | null;
  created_by: string;
  created_at: Date;
  updated_at: Date;
  collected_to: string | null;
  collected_at: Date | null;
  target_count: number | null;
  forming: number;
  materialised_at: Date | null;
  start_requested_at: Date | null;
  started_at: Date | null;
  approvals: RolloutFacts['approvals'];
  loosened: RolloutFacts['loosened'];
  pauses: RolloutFacts['pauses'];
  fired: RolloutFacts['fired'];
  aborted: RolloutFacts['aborted'];
  rolling_back: RolloutFacts['rollingBack'];
  swept_at: Date | null;
  swept_to: string | null;
  sweep_part: SweepPart;
  admissible_to: string | null;
  works: PagedWork[];
  sweep_wanted: boolean;
  suspended: boolean;
  ended_at: Date | null;
  finished_at: Date | null;
  closed_at: Date | null;
  process_started_at: Date | null;
}

/** A row of rollout_groups, with one column for each counter. `bytes` is a bigint in text. */
export type GroupRow = Record<(typeof COUNTER_COLUMNS)[TargetState], number> & {
  rollout_id: string;
  name: string;
  size: number;
  bytes: string;
  prefix_ended: number;
  prefix_failed: number;
  prefix_to: number;
  unattempted_rejected: number;
  unattempted_timed_out: number;
  away: number;
  held_to: string | null;
  moved_at: Date | null;
  back_pending: number;
  back_queued: number;
  back_in_flight: number;
  back_done: number;
  back_failed: number;
  opened_at: Date | null;
  soaking_since: Date | null;
  asked_at: Date | null;
  approvals: GroupFacts['approvals'];
  passed_at: Date | null;
  failed_at: Date | null;
  because: string | null;
};

/** The column of each counter. */
export const COUNTER_COLUMNS = {
  pending: 'pending',
  queued: 'queued',
  inFlight: 'in_flight',
  installed: 'installed',
  alreadyInstalled: 'already_installed',
  skipped: 'skipped',
  failed: 'failed',
  rejected: 'rejected',
  canceled: 'canceled',
  timedOut: 'timed_out',
  superseded: 'superseded',
} as const satisfies Record<TargetState, string>;

/** A row and its groups as the planner knows them. Groups are taken in the order given: by position. */
export function toStored(row: RolloutRow, groups: readonly GroupRow[]): StoredRollout {
  return {
    tenantId: row.tenant_id,
    id: row.id,
    plan: withDefaults(row.plan),
    defaulted: row.defaulted,
    version: row.version,
    facts: toFacts(row, groups),
    bytes: groups.map((group) => Number(group.bytes)),
    waitingOn: row.waiting_on,
    dueAt: ms(row.due_at),
    actsAt: ms(row.acts_at),
    deviceMs: row.device_ms,
    eta: ms(row.eta),
    createdBy: row.created_by,
    updatedAt: row.updated_at.getTime(),
    processStarted: row.process_started_at !== null,
    forming: row.forming,
    targetCount: row.target_count,
    collectedTo: row.collected_to,
    sweptTo: row.swept_to,
    sweepPart: row.sweep_part,
    admissibleTo: row.admissible_to,
    collected: row.collected_at !== null,
    formed: row.materialised_at !== null,
    works: row.works,
  };
}

/** Members that a plan did not have when this one was kept. */
function withDefaults(plan: Plan): Plan {
  return { ...plan, pace: { ...plan.pace, awayAfter: plan.pace.awayAfter ?? DEFAULTS.pace.awayAfter } };
}

function toFacts(row: RolloutRow, groups: readonly GroupRow[]): RolloutFacts {
  const moves = groups.flatMap(({ moved_at }) => moved_at?.getTime() ?? []);
  return {
    materialised: row.materialised_at !== null && row.admissible_to === null && row.works.length === 0,
    createdAt: row.created_at.getTime(),
    startRequestedAt: ms(row.start_requested_at),
    startedAt: ms(row.started_at),
    approvals: row.approvals,
    loosened: row.loosened,
    pauses: row.pauses,
    fired: row.fired,
    aborted: row.aborted,
    rollingBack: row.rolling_back,
    ...(row.suspended && { suspended: true }),
    sweptAt: ms(row.swept_at),
    // One that has begun goes on to its end.
    sweepWanted: row.sweep_wanted || row.swept_to !== null,
    endedAt: ms(row.ended_at),
    finishedAt: ms(row.finished_at),
    closedAt: ms(row.closed_at),
    groups: groups.map(toGroup),
    progressedAt: moves.length === 0 ? null : Math.max(...moves),
    wantPlace: 0,
    toStop: { begun: 0, notBegun: 0 },
    toRollBack: 0,
    starts: { lastMinute: 0, oldestLeavesAt: null },
  };
}

function toGroup(row: GroupRow): GroupFacts {
  return {
    name: row.name,
    size: row.size,
    counters: toCounters(row),
    openedAt: ms(row.opened_at),
    asksHeld: row.held_to !== null,
    soakingSince: ms(row.soaking_since),
    askedAt: ms(row.asked_at),
    approvals: row.approvals,
    passedAt: ms(row.passed_at),
    failedAt: ms(row.failed_at),
    because: row.because,
    prefix: { ended: row.prefix_ended, failed: row.prefix_failed, to: row.prefix_to },
    unattempted: { rejected: row.unattempted_rejected, timedOut: row.unattempted_timed_out },
    away: row.away,
    awayAt: null,
    ready: 0,
    fresh: 0,
    nextRetryAt: null,
    retrying: 0,
    back: {
      ...NO_ROLLBACK_COUNTERS,
      pending: row.back_pending,
      queued: row.back_queued,
      inFlight: row.back_in_flight,
      done: row.back_done,
      failed: row.back_failed,
    },
  };
}

function toCounters(row: GroupRow): Counters {
  return { ...NO_COUNTERS, ...Object.fromEntries(TARGET_STATES.map((state) => [state, row[COUNTER_COLUMNS[state]]])) };
}

function ms(date: Date | null): number | null {
  return date === null ? null : date.getTime();
}

/**
 * Writes what changed of the facts and the plan. Counters are not written here: they are only ever added to
 * (moves.ts).
 */
export async function saveRollout(tx: Tx, before: StoredRollout, after: StoredRollout, now: number): Promise<void> {
  if (before === after) return;
  const { facts: f, plan } = after;
  await tx.query(
    `UPDATE rollouts
      SET plan = $3, version = $4, phase = $5, waiting_on = $6, due_at = $7, updated_at = $8, start_requested_at = $9,
      started_at = $10, approvals = $11, pauses = $12,
       fired = $13, aborted = $14, ended_at = $15, finished_at = $16, closed_at = $17, defaulted = $18, rolling_back = $19, name = $20,
       acts_at = $21, loosened = $22
     WHERE tenant_id = $1 AND id = $2`,
    [
      after.tenantId,
      after.id,
      JSON.stringify(plan),
      after.version,
      derivePhase(f, plan).phase,
      after.waitingOn,
      iso(after.dueAt),
      iso(now),
      iso(f.startRequestedAt),
      iso(f.startedAt),
      JSON.stringify(f.approvals),
      JSON.stringify(f.pauses),
      JSON.stringify(f.fired),
      f.aborted === null ? null : JSON.stringify(f.aborted),
      iso(f.endedAt),
      iso(f.finishedAt),
      iso(f.closedAt),
      JSON.stringify(after.defaulted),
      f.rollingBack === null ? null : JSON.stringify(f.rollingBack),
      plan.name,
      iso(after.actsAt),
      f.loosened === null ? null : JSON.stringify(f.loosened),
    ],
  );
  for (const [position, group] of f.groups.entries())
    if (group !== before.facts.groups[position]) await saveGroup(tx, after, position, group);
}

/**
 * What it waits for, and until when: for people, and for the reconciler that looks for processes that have vanished.
 * Nothing is written where nothing changed much.
 */
export async function writeRolloutStatus(
  tx: Tx,
  rollout: StoredRollout,
  { waitingOn, dueAt, actsAt }: { waitingOn: string | null; dueAt: number | null; actsAt: number | null },
  now: number,
): Promise<void> {
  const eta = etaToKeep(rollout.eta, etaOf(rollout.facts, rollout.plan, rollout.deviceMs, now), now);
  if (waitingOn === rollout.waitingOn && dueAt === rollout.dueAt && actsAt === rollout.actsAt && eta === rollout.eta)
    return;
  await tx.query(
    `UPDATE rollouts SET waiting_on = $3, due_at = $4, eta = $5, acts_at = $6 WHERE tenant_id = $1 AND id = $2`,
    [rollout.tenantId, rollout.id, waitingOn, iso(dueAt), iso(eta), iso(actsAt)],
  );
}

async function saveGroup(tx: Tx, { tenantId, id }: StoredRollout, position: number, g: GroupFacts): Promise<void> {
  await tx.query(
    `UPDATE rollout_groups
      SET opened_at = $4, soaking_since = $5, asked_at = $6, approvals = $7, passed_at = $8, failed_at = $9,
      because = $10
     WHERE tenant_id = $1 AND rollout_id = $2 AND position = $3`,
    [
      tenantId,
      id,
      position,
      iso(g.openedAt),
      iso(g.soakingSince),
      iso(g.askedAt),
      JSON.stringify(g.approvals),
      iso(g.passedAt),
      iso(g.failedAt),
      g.because,
    ],
  );
}
