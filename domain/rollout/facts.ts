import type { StopOutcome } from './plan.js';

/** What a target is at any moment; the words are those of the counters (docs/contracts/rollouts.md, "States"). */
export const TARGET_STATES = [
  'pending',
  'queued',
  'inFlight',
  'installed',
  'alreadyInstalled',
  'skipped',
  'failed',
  'rejected',
  'canceled',
  'timedOut',
  'superseded',
] as const;
/** A target is in exactly one of these. */
export type TargetState = (typeof TARGET_STATES)[number];

/** How many targets are in each state; their sum is the size of the group, skipped ones included. */
export type Counters = Readonly<Record<TargetState, number>>;

/** Why nothing is admitted although there would be room: a set, each with its start. Resuming removes one. */
export const PAUSE_REASONS = [
  'operator',
  'failure_budget',
  'gate_failed',
  'gate_inconclusive',
  'approval',
  // Nothing sets these two yet: they are for maintenance windows and for a freeze of the whole tenant.
  'window',
  'freeze',
] as const;
/** Each reason stands in the set at most once. */
export type PauseReason = (typeof PAUSE_REASONS)[number];

/** One reason of the set, and since when it stands. `since`: epoch milliseconds. */
export interface Pause {
  readonly reason: PauseReason;
  readonly since: number;
  /** One sentence. */
  readonly because: string;
  /** The group whose gate or approval it is about. */
  readonly group?: string;
  /** All groups that it is about, where there is more than one. */
  readonly groups?: readonly string[];
  /** Of an approval: votes were voided, and it ends once they are given again. */
  readonly isVoided?: boolean;
}

/** An approval by one person or key. `at`: epoch milliseconds. */
export interface Vote {
  readonly by: string;
  readonly at: number;
  /** Of the plan that was approved; absent in votes of before they named it. */
  readonly version?: number;
}

/** What loosened the plan since it was approved last. `at`: epoch milliseconds of the newest. */
export interface Loosening {
  /** The version of the plan that came of it. */
  readonly version: number;
  readonly at: number;
  /** The persons, who with four eyes cannot approve what they made. */
  readonly by: readonly string[];
  /** What voided votes, and how many, for sentences; null = none had been given. */
  readonly voided: string | null;
}

/** What happened to one group so far. Its state is derived (phase.ts). */
export interface GroupFacts {
  readonly name: string;
  /** How many targets it has. */
  readonly size: number;
  readonly counters: Counters;
  readonly openedAt: number | null;
  /** It has just opened, and not all of its targets have been asked whether they hold the content. */
  readonly asksHeld?: boolean;
  /** Since when its gate is satisfied without a break: the soak counts from here. */
  readonly soakingSince: number | null;
  readonly askedAt: number | null;
  readonly approvals: readonly Vote[];
  readonly passedAt: number | null;
  readonly failedAt: number | null;
  /**
   * One sentence about why it passed or failed, or about why its gate was overridden, where its approval is still
   * asked for.
   */
  readonly because: string | null;
  /**
   * The longest run of targets, in the order of their admission, that have all ended: what the sequential test sees.
   */
  readonly prefix: {
    readonly ended: number;
    readonly failed: number;
    /** The number of the last admission in it; those that were skipped are passed over. */
    readonly to: number;
  };
  /** Of those that ended so: how many had no installation of their own. Stop rules do not count these. */
  readonly unattempted: Unattempted;
  /**
   * Pending targets that were not seen for `pace.awayAfter` since the group opened. Counted only while nothing of the
   * group is in flight: before that it decides nothing. In a soak, and while approvals are awaited, those that returned
   * still count (`awayOfGate`).
   */
  readonly away: number;
  /** When the next pending target becomes away; null = none does by time alone. */
  readonly awayAt: number | null;
  /**
   * How many of its pending targets could be admitted now, counted no further than is needed; and how many of these had
   * no try yet.
   */
  readonly ready: number;
  readonly fresh: number;
  /** When the next back-off of a device that is online ends; null = none runs. */
  readonly nextRetryAt: number | null;
  /** How many back-offs of devices that are online run; null = more than were counted. */
  readonly retrying: number | null;
  /** Of a roll back: its targets, by how far they are; `ready` as above. */
  readonly back: RollbackCounters & { readonly ready: number; readonly nextRetryAt: number | null };
}

/** A refusal at admission, and a deadline before any attempt. */
export interface Unattempted {
  readonly rejected: number;
  readonly timedOut: number;
}

/** Every target that ended had an installation of its own. */
export const NONE_UNATTEMPTED: Unattempted = { rejected: 0, timedOut: 0 };

/** How far a target that was updated is rolled back (docs/contracts/rollouts.md, "Stop rules"). */
export const ROLLBACK_STATES = ['pending', 'queued', 'inFlight', 'done', 'failed'] as const;
/** State of a target during a rollback; targets that were never updated have none. */
export type RollbackState = (typeof ROLLBACK_STATES)[number];
/** How many updated targets are in each state of the rollback. */
export type RollbackCounters = Readonly<Record<RollbackState, number>>;

/** Before a rollback began: no target is being rolled back, and no retry is due. */
export const NO_ROLLBACK_COUNTERS: GroupFacts['back'] = {
  pending: 0,
  queued: 0,
  inFlight: 0,
  done: 0,
  failed: 0,
  ready: 0,
  nextRetryAt: null,
};

/** Everything that the planner sees of a rollout. Plain, readonly, JSON-safe. */
export interface RolloutFacts {
  /** Every target is snapshotted, is in its group, and is known to be admissible or not. */
  readonly materialised: boolean;
  readonly createdAt: number;
  /** A person asked for the start, or the plan names a time. */
  readonly startRequestedAt: number | null;
  readonly startedAt: number | null;
  readonly approvals: readonly Vote[];
  /** null = the plan is as it was created, or was only tightened. */
  readonly loosened: Loosening | null;
  readonly pauses: readonly Pause[];
  /** Rules that have acted, by their key (stop-rules.ts). */
  readonly fired: readonly string[];
  readonly aborted: { readonly at: number; readonly because: string; readonly cancelOpen: boolean } | null;
  /** Every device that was updated gets back what its slot held before. */
  readonly rollingBack: { readonly at: number; readonly because: string } | null;
  /** Its tenant is suspended: nothing begins, and what is open goes on. */
  readonly suspended?: boolean;
  /** Of a dynamic rollout: when the fleet was looked through last, and whether something has changed since. */
  readonly sweptAt: number | null;
  readonly sweepWanted: boolean;
  /** Set once the plan's end has come. */
  readonly endedAt: number | null;
  readonly finishedAt: number | null;
  /** Aborted, and the last installation has ended too. */
  readonly closedAt: number | null;
  readonly groups: readonly GroupFacts[];
  /** When a target moved last, or the rollout began; null = neither happened. */
  readonly progressedAt: number | null;
  /** Queued installations whose turn has come, and that wait for a place; counted no further than is needed. */
  readonly wantPlace: number;
  /** Installations that are open and have not been asked to stop, counted only where they are to be stopped. */
  readonly toStop: { readonly begun: number; readonly notBegun: number };
  /** Installed targets that a roll back has not taken up yet, counted no further than one. */
  readonly toRollBack: number;
  /** Starts in the last 60 s, and when the oldest of them leaves that window; null = there is none. */
  readonly starts: { readonly lastMinute: number; readonly oldestLeavesAt: number | null };
}

/** Zero for every state. */
export const NO_COUNTERS: Counters = Object.fromEntries(TARGET_STATES.map((state) => [state, 0])) as Record<
  TargetState,
  number
>;

/** Counters over all of these groups; zeros for none. */
export function sumOf(groups: readonly { readonly counters: Counters }[]): Counters {
  // Member by member: a simulation asks some hundred thousand times, and a loop over the names took a third of its
  // time.
  return groups.reduce<Counters>(
    (sum, { counters: c }) => ({
      pending: sum.pending + c.pending,
      queued: sum.queued + c.queued,
      inFlight: sum.inFlight + c.inFlight,
      installed: sum.installed + c.installed,
      alreadyInstalled: sum.alreadyInstalled + c.alreadyInstalled,
      skipped: sum.skipped + c.skipped,
      failed: sum.failed + c.failed,
      rejected: sum.rejected + c.rejected,
      canceled: sum.canceled + c.canceled,
      timedOut: sum.timedOut + c.timedOut,
      superseded: sum.superseded + c.superseded,
    }),
    NO_COUNTERS,
  );
}

/** A person overrode its gate, and its approval is asked for all the same. */
export function isOverridden(group: Pick<GroupFacts, 'askedAt' | 'because' | 'passedAt' | 'failedAt'>): boolean {
  return group.askedAt !== null && group.because !== null && group.passedAt === null && group.failedAt === null;
}

/** Open installations; only those that are in flight take a place of the cap. */
export function openOf(c: Counters): number {
  return c.queued + c.inFlight;
}

/**
 * Targets that have come to their end, and count: what was skipped has nothing to do any more, and leaves every share.
 */
export function endedOf(c: Counters): number {
  return c.installed + c.alreadyInstalled + c.failed + c.rejected + c.canceled + c.timedOut + c.superseded;
}

/** Whether a target in this state has come to its end. */
export function isEndedTarget(state: TargetState): boolean {
  return state !== 'pending' && state !== 'queued' && state !== 'inFlight';
}

/** The targets of a group that count: without those that were skipped. */
export function sizeOf({ size, counters }: Pick<GroupFacts, 'size' | 'counters'>): number {
  return size - counters.skipped;
}

/**
 * How many of a group its gate does not wait for. While the group soaks or waits for approvals, that never becomes less
 * by a device that returns: its soak would begin anew with each return, and its votes would be lost.
 * @param counted pending targets that are away now; 0 while something of the group is open
 */
export function awayOfGate(
  {
    counters: c,
    soakingSince,
    askedAt,
    away: known,
  }: Pick<GroupFacts, 'counters' | 'soakingSince' | 'askedAt' | 'away'>,
  counted: number,
): number {
  const isSatisfied = soakingSince !== null || askedAt !== null;
  return isSatisfied ? Math.max(counted, Math.min(known, c.pending + openOf(c))) : counted;
}

/** Installations that ended by themselves, and the bad ones among them: what shares of stop rules are about. */
export interface InstallationsEnded {
  readonly ended: number;
  readonly bad: Readonly<Record<StopOutcome, number>>;
}

/**
 * Content that was there before, a refusal at admission, a deadline before any attempt, a cancellation and another
 * rollout that took over tell nothing of the new version.
 */
export function installationsEnded(
  groups: readonly Pick<GroupFacts, 'counters' | 'unattempted'>[],
): InstallationsEnded {
  let [installed, failed, rejected, timedOut] = [0, 0, 0, 0];
  for (const { counters, unattempted } of groups) {
    installed += counters.installed;
    failed += counters.failed;
    rejected += counters.rejected - unattempted.rejected;
    timedOut += counters.timedOut - unattempted.timedOut;
  }
  const any = failed + rejected + timedOut;
  return { ended: installed + any, bad: { failed, rejected, timedOut, any } };
}

/** Targets that hold the content, also those that held it before. */
export function succeededOf(c: Counters): number {
  return c.installed + c.alreadyInstalled;
}
