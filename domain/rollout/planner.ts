import { finalDeadline, nextDeadline, NO_PROGRESS_MS, overdueGroups, stopScope } from './deadlines.js';
import {
  endedOf,
  isOverridden,
  openOf,
  sizeOf,
  sumOf,
  type Counters,
  type GroupFacts,
  type RolloutFacts,
} from './facts.js';
import { judgeGate } from './gates.js';
import { rateNow, RATE_WINDOW_MS } from './pace.js';
import { groupAt, type GroupPlan, type Plan } from './plan.js';
import { describe, iso } from './sentences.js';
import { rollingBack } from './rolling-back.js';
import { steps, waiting, type Planned, type Step } from './steps.js';
import { crossedRules } from './stop-rules.js';
import { earliest } from '../times.js';

/**
 * What is next for a rollout (docs/architecture.md §6). Pure: no clock, no I/O; the same facts at the same time give
 * the same answer. The same function runs it and will simulate it.
 *
 * Read from above: each line either ends the question or leaves it to the next one. What stops goes before what starts.
 */
export function planNext(facts: RolloutFacts, plan: Plan, now: number): Planned {
  const counters = sumOf(facts.groups);
  return (
    over(facts) ??
    (facts.materialised ? undefined : steps({ do: 'materialise' })) ??
    rollingBack(facts, plan, counters, now) ??
    aborting(facts, counters) ??
    rules(facts, plan) ??
    starting(facts, plan, now) ??
    ending(facts, plan, counters, now) ??
    sweeping(facts, plan, now) ??
    holding(facts) ??
    gates(facts, plan, now) ??
    finishing(facts, plan, counters) ??
    suspended(facts, counters, plan, now) ??
    paused(facts, counters, plan, now) ??
    opening(facts) ??
    admitting(facts, plan, counters, now) ??
    waiting(
      plan.targets.dynamic ? describe.open(facts, counters) : describe.running(facts, counters),
      later(facts, plan, now),
      acting(facts, plan, now, false),
    )
  );
}

/** The group that is waited for, and everything that comes after it: groups go in order. */
function currentGroup(facts: RolloutFacts): GroupFacts | undefined {
  return facts.groups.find((group) => group.passedAt === null);
}

function over(facts: RolloutFacts): Planned | undefined {
  if (facts.finishedAt !== null) return { steps: [], waitingOn: null, outcome: 'finished' };
  return facts.closedAt !== null ? { steps: [], waitingOn: null, outcome: 'aborted' } : undefined;
}

function aborting({ aborted, toStop }: RolloutFacts, counters: Counters): Planned | undefined {
  if (!aborted) return undefined;
  const { because, cancelOpen } = aborted;
  if (counters.pending > 0) return steps({ do: 'end_pending', groups: null, as: 'canceled', because });
  if (toStop.notBegun > 0 || (cancelOpen && toStop.begun > 0))
    return steps({ do: 'stop_open', groups: null, only: cancelOpen ? 'all' : 'notBegun', as: 'canceled', because });
  return openOf(counters) > 0 ? waiting(describe.aborting(counters), null) : steps({ do: 'close' });
}

function rules(facts: RolloutFacts, plan: Plan): Planned | undefined {
  const crossed = crossedRules(facts, plan);
  return crossed.length > 0 ? steps(...crossed.map((one): Step => ({ do: 'fire_rule', ...one }))) : undefined;
}

function starting(facts: RolloutFacts, { approval, schedule }: Plan, now: number): Planned | undefined {
  if (facts.startedAt !== null) return undefined;
  const missing = approval.required - facts.approvals.length;
  const voided = facts.loosened?.voided ?? null;
  if (facts.startRequestedAt === null) return waiting(describe.draft(missing, voided), null);
  if (missing > 0) return waiting(describe.unapproved(missing, facts.startRequestedAt, voided), null);
  if (schedule.startAt !== null && schedule.startAt > now)
    return waiting(describe.startTime(schedule.startAt), schedule.startAt);
  return facts.suspended ? waiting(describe.suspended(0), null) : steps({ do: 'begin' });
}

/** The times after which nothing more begins: the plan's end, and the deadline that each target has. */
function ending(facts: RolloutFacts, plan: Plan, counters: Counters, now: number): Planned | undefined {
  const toStop = facts.toStop.begun + facts.toStop.notBegun;
  if (now >= finalDeadline(facts, plan)) {
    const because = `the rollout made no progress for ${describe.duration(NO_PROGRESS_MS)}`;
    if (counters.pending > 0) return steps({ do: 'end_pending', groups: null, as: 'timedOut', because });
    if (toStop > 0) return steps({ do: 'stop_open', groups: null, only: 'all', as: 'timedOut', because });
  }
  const late = overdueGroups(facts, plan, now);
  if (late.length > 0) {
    const because = `not ended within ${describe.duration(plan.timeouts.target)} of the opening of its group`;
    const groups = late.map(({ name }) => name);
    if (late.some((group) => group.counters.pending > 0))
      return steps({ do: 'end_pending', groups, as: 'timedOut', because });
    // What is counted to be stopped is what these have open, as long as nothing stops all.
    if (toStop > 0 && stopScope(facts, plan, now) !== 'all')
      return steps({ do: 'stop_open', groups, only: 'all', as: 'timedOut', because });
  }
  const { endAt, atEnd } = plan.schedule;
  if (endAt === null || now < endAt) return undefined;
  if (facts.endedAt === null) return steps({ do: 'end' });
  const because = `the end time of the rollout, ${iso(endAt)}, has passed`;
  if (counters.pending > 0) return steps({ do: 'end_pending', groups: null, as: 'canceled', because });
  return atEnd === 'cancelOpen' && toStop > 0
    ? steps({ do: 'stop_open', groups: null, only: 'all', as: 'canceled', because })
    : undefined;
}

/**
 * How long a device that came to match may wait unseen, where nothing said that it did (a version that it reported, a
 * time that passed).
 */
const SWEEP_EVERY_MS = 60_000;

function sweeping(
  { sweptAt, sweepWanted, endedAt, startedAt }: RolloutFacts,
  { targets }: Plan,
  now: number,
): Planned | undefined {
  if (!targets.dynamic || startedAt === null || endedAt !== null) return undefined;
  return sweepWanted || now >= (sweptAt ?? startedAt) + SWEEP_EVERY_MS ? steps({ do: 'sweep' }) : undefined;
}

/** What holds the content when its group opens needs nothing: that is looked up before anything is admitted. */
function holding({ groups }: RolloutFacts): Planned | undefined {
  const asked = groups.find((group) => group.asksHeld === true);
  return asked && steps({ do: 'conclude_held', group: asked.name });
}

/** The gates of all groups that are open, in order; the first that asks for a step gets it. */
function gates(facts: RolloutFacts, plan: Plan, now: number): Planned | undefined {
  // What a gate that fails holds back: in a dynamic rollout also the devices that have yet to come.
  const something =
    facts.groups.some((group) => endedOf(group.counters) < sizeOf(group)) ||
    (plan.targets.dynamic && facts.endedAt === null);
  for (const [index, group] of facts.groups.entries()) {
    if (group.openedAt === null || group.passedAt !== null || group.failedAt !== null) continue;
    const step = gate(groupAt(plan.groups, index), group, something, facts, now);
    if (step) return steps(step);
  }
  return undefined;
}

function gate(
  plan: GroupPlan,
  group: GroupFacts,
  something: boolean,
  facts: RolloutFacts,
  now: number,
): Step | undefined {
  if (isOverridden(group)) return approved(plan, group, group.because ?? '', now);
  const { verdict, because } = judgeGate(plan, group);
  const { name } = group;
  switch (verdict) {
    case 'passed':
      return { do: 'pass_group', group: name, because };
    case 'failed':
    case 'inconclusive': {
      const reason = verdict === 'failed' ? 'gate_failed' : 'gate_inconclusive';
      return { do: 'fail_group', group: name, reason, because, pause: something };
    }
    case 'wait':
      return group.soakingSince === null && group.askedAt === null
        ? undefined
        : { do: 'soak', group: name, since: null };
    case 'satisfied':
      if (plan.soak > 0 && group.soakingSince === null) return { do: 'soak', group: name, since: now };
      if (group.soakingSince !== null && now < group.soakingSince + plan.soak) return undefined;
      // "… and the soak is over without a stop rule": while one holds the rollout, its group does not pass.
      if (plan.soak > 0 && facts.pauses.some((pause) => pause.reason === 'failure_budget')) return undefined;
      return approved(plan, group, because, now);
  }
}

function approved(plan: GroupPlan, group: GroupFacts, because: string, now: number): Step | undefined {
  const { approval } = plan;
  if (approval === null || group.approvals.length >= approval.required)
    return { do: 'pass_group', group: group.name, because };
  if (group.askedAt === null) return { do: 'ask_approval', group: group.name };
  if (approval.expiresAfter === null || now < group.askedAt + approval.expiresAfter) return undefined;
  const lapsed = `group "${group.name}" was not approved within ${describe.duration(approval.expiresAfter)}`;
  return approval.onExpiry === 'abort'
    ? { do: 'abort', because: lapsed, cancelOpen: false }
    : { do: 'fail_group', group: group.name, reason: 'approval', because: lapsed, pause: true };
}

/** Nothing is left that a pause, a gate or a rate could hold back. */
function finishing(facts: RolloutFacts, plan: Plan, counters: Counters): Planned | undefined {
  if (plan.targets.dynamic && facts.endedAt === null) return undefined;
  const left = counters.pending + openOf(counters);
  if (left > 0 || facts.groups.some((group) => endedOf(group.counters) < sizeOf(group))) return undefined;
  const open = facts.groups.find(
    (group) => group.openedAt !== null && group.passedAt === null && group.failedAt === null,
  );
  // Groups whose targets all held the content before still pass, one after the other, unless something stands before
  // them without an override.
  const blocked =
    facts.pauses.length > 0 || facts.groups.some((group) => group.failedAt !== null && group.passedAt === null);
  const unopened = facts.groups.some((group) => group.openedAt === null);
  if (facts.endedAt === null && (open || (unopened && !blocked))) return undefined;
  return steps({ do: 'finish' });
}

function suspended(facts: RolloutFacts, counters: Counters, plan: Plan, now: number): Planned | undefined {
  return facts.suspended
    ? waiting(describe.suspended(openOf(counters)), later(facts, plan, now), acting(facts, plan, now, false))
    : undefined;
}

function paused(facts: RolloutFacts, counters: Counters, plan: Plan, now: number): Planned | undefined {
  return facts.pauses.length === 0
    ? undefined
    : waiting(describe.paused(facts.pauses, counters), later(facts, plan, now), acting(facts, plan, now, false));
}

function opening(facts: RolloutFacts): Planned | undefined {
  const next = currentGroup(facts);
  return next && next.openedAt === null ? steps({ do: 'open_group', group: next.name }) : undefined;
}

function admitting(facts: RolloutFacts, plan: Plan, counters: Counters, now: number): Planned | undefined {
  const waits = facts.groups.filter((group) => group.openedAt !== null && group.counters.pending > 0);
  const room = plan.pace.maxInFlight - counters.inFlight;
  // These began to wait before: their start was counted when they were admitted.
  if (room > 0 && facts.wantPlace > 0) return steps({ do: 'give_places', count: Math.min(room, facts.wantPlace) });
  if (waits.length === 0) return undefined;
  if (room <= 0)
    return waiting(
      describe.capacity(counters, plan.pace.maxInFlight),
      later(facts, plan, now),
      acting(facts, plan, now, false),
    );
  const rate = rateNow(plan.pace, counters);
  const starts = rate - facts.starts.lastMinute;
  if (starts <= 0) {
    const until = facts.starts.oldestLeavesAt ?? now + RATE_WINDOW_MS;
    return waiting(
      describe.startRate(facts.starts.lastMinute, rate, until),
      earliest(until, later(facts, plan, now)),
      earliest(waits.some((one) => one.ready > 0) ? until : null, acting(facts, plan, now, true)),
    );
  }
  // A retry, also of an earlier group, goes behind all that had no try.
  const untried = waits.find((one) => one.fresh > 0);
  if (untried) return steps({ do: 'admit', group: untried.name, count: Math.min(room, starts, untried.fresh) });
  const group = waits.find((one) => one.ready > 0);
  if (group) return steps({ do: 'admit', group: group.name, count: Math.min(room, starts, group.ready) });
  return waiting(describe.noneReady(facts, waits, counters), later(facts, plan, now), acting(facts, plan, now, true));
}

/** When to look again although nothing was heard: when something happens, or when it is time for a sweep. */
function later(facts: RolloutFacts, plan: Plan, now: number): number | null {
  const sweep =
    plan.targets.dynamic && facts.endedAt === null && facts.startedAt !== null
      ? (facts.sweptAt ?? facts.startedAt) + SWEEP_EVERY_MS
      : null;
  return earliest(sweep !== null && sweep > now ? sweep : null, acting(facts, plan, now, true));
}

/**
 * The next moment at which something happens by time alone: the end of the rollout or of its targets, of a soak, of the
 * time for an approval, or of a back-off.
 * @param admits whether a target whose back-off is over may begin: not while the rollout is paused or its places taken
 */
function acting(facts: RolloutFacts, plan: Plan, now: number, admits: boolean): number | null {
  const { endAt } = plan.schedule;
  const deadline = nextDeadline(facts, plan, now);
  // Until a person has resumed it, no soak ends in a passed gate.
  const heldInSoak = facts.pauses.some((pause) => pause.reason === 'failure_budget');
  const times = facts.groups.flatMap((group, index) => {
    const { soak, approval } = groupAt(plan.groups, index);
    const running = group.openedAt !== null && group.passedAt === null && group.failedAt === null;
    return [
      running && group.soakingSince !== null && !heldInSoak ? group.soakingSince + soak : null,
      running && group.askedAt !== null && approval?.expiresAfter != null
        ? group.askedAt + approval.expiresAfter
        : null,
      admits && group.openedAt !== null ? group.nextRetryAt : null,
      running ? group.awayAt : null,
    ];
  });
  // What has passed is no time to wait until: the process would look again and again.
  return earliest(...[endAt, deadline, ...times].filter((time) => time !== null && time > now));
}
