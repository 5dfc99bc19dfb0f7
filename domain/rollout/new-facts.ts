import { NO_COUNTERS, NO_ROLLBACK_COUNTERS, NONE_UNATTEMPTED, type GroupFacts, type RolloutFacts } from './facts.js';

/** A group that has not opened: its targets are pending, and nothing was observed of them yet. */
export function newGroup(name: string, size: number): GroupFacts {
  return {
    name,
    size,
    counters: { ...NO_COUNTERS, pending: size },
    openedAt: null,
    soakingSince: null,
    askedAt: null,
    approvals: [],
    passedAt: null,
    failedAt: null,
    because: null,
    prefix: { ended: 0, failed: 0, to: 0 },
    unattempted: NONE_UNATTEMPTED,
    away: 0,
    awayAt: null,
    ready: 0,
    fresh: 0,
    nextRetryAt: null,
    retrying: 0,
    back: NO_ROLLBACK_COUNTERS,
  };
}

/** A rollout whose targets are in their groups, and of which nothing was asked yet. @param at epoch milliseconds */
export function newFacts(at: number, groups: readonly GroupFacts[]): RolloutFacts {
  return {
    materialised: true,
    createdAt: at,
    startRequestedAt: null,
    startedAt: null,
    approvals: [],
    loosened: null,
    pauses: [],
    fired: [],
    aborted: null,
    rollingBack: null,
    sweptAt: null,
    sweepWanted: false,
    endedAt: null,
    finishedAt: null,
    closedAt: null,
    groups,
    progressedAt: null,
    wantPlace: 0,
    toStop: { begun: 0, notBegun: 0 },
    toRollBack: 0,
    starts: { lastMinute: 0, oldestLeavesAt: null },
  };
}
