import { defined } from '../defined.js';
import { endedOf, openOf, sizeOf, sumOf, type Counters, type GroupFacts, type RolloutFacts } from './facts.js';
import { judgeGate } from './gates.js';
import { rateNow, RATE_WINDOW_MS } from './pace.js';
import { groupAt, type GroupPlan, type Plan } from './plan.js';
import { plural } from '../plural.js';
import { describe, iso } from './sentences.js';
import type { Planned, Step, Waiting } from './steps.js';
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
    paused(facts, counters, plan, now) ??
    opening(facts) ??
    admitting(facts, plan, counters, now) ??
    waiting(
      plan.targets.dynamic ? describe.open(facts, counters) : describe.running(facts, counters),
      later(facts, plan, now),
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

/**
 * The roll back: nothing begins any more, what is open stops or ends, and then group by group, the newest first, at the
 * pace of the plan.
 */
function rollingBack(facts: RolloutFacts, plan: Plan, counters: Counters, now: number): Planned | undefined {
  if (!facts.rollingBack) return undefined;
  const { because, at } = facts.rollingBack;
  if (counters.pending > 0) return steps({ do: 'end_pending', as: 'canceled', because });
  if (facts.toStop.begun + facts.toStop.notBegun > 0)
    return steps({ do: 'stop_open', only: 'all', as: 'canceled', because });
  if (facts.toRollBack > 0) return steps({ do: 'prepare_back' });
  const back = (state: 'pending' | 'inFlight' | 'done' | 'failed') =>
    facts.groups.reduce((sum, group) => sum + group.back[state], 0);
  const open = openOf(counters) + back('inFlight');
  const deadline = at + plan.timeouts.target;
  if (back('pending') > 0) {
    if (now >= deadline)
      return steps({
        do: 'give_up_back',
        because: `not reached within ${describe.duration(plan.timeouts.target)} of the start of the roll back`,
      });
    // The newest group first; one whose devices are all away or in a back-off holds up no other.
    const group = defined(
      facts.groups.findLast((one) => one.back.pending > 0 && one.back.ready > 0) ??
        facts.groups.findLast((one) => one.back.pending > 0),
      'what is pending in all is pending in a group',
    );
    const room = plan.pace.maxInFlight - open;
    const starts = rateNow(plan.pace, counters) - facts.starts.lastMinute;
    if (room > 0 && starts > 0 && group.back.ready > 0)
      return steps({ do: 'admit_back', group: group.name, count: Math.min(room, starts, group.back.ready) });
    const until = starts <= 0 ? (facts.starts.oldestLeavesAt ?? now + RATE_WINDOW_MS) : null;
    const retries = facts.groups.map((one) => one.back.nextRetryAt).filter((time) => time !== null && time > now);
    return waiting(describe.rollingBack(back('pending'), open, group.name), earliest(until, deadline, ...retries));
  }
  if (open > 0) return waiting(describe.rollingBack(0, open, null), null);
  const [done, failed] = [back('done'), back('failed')];
  return steps({
    do: 'rolled_back',
    because: `rolled back: ${because}; ${plural(done, 'device holds its earlier content', 'devices hold their earlier content')} again${failed > 0 ? `, ${plural(failed, 'device does', 'devices do')} not` : ''}`,
  });
}

function aborting({ aborted, toStop }: RolloutFacts, counters: Counters): Planned | undefined {
  if (!aborted) return undefined;
  const { because, cancelOpen } = aborted;
  if (counters.pending > 0) return steps({ do: 'end_pending', as: 'canceled', because });
  if (toStop.notBegun > 0 || (cancelOpen && toStop.begun > 0))
    return steps({ do: 'stop_open', only: cancelOpen ? 'all' : 'notBegun', as: 'canceled', because });
  return openOf(counters) > 0 ? waiting(describe.aborting(counters), null) : steps({ do: 'close' });
}

function rules(facts: RolloutFacts, plan: Plan): Planned | undefined {
  const crossed = crossedRules(facts, plan);
  return crossed.length > 0 ? steps(...crossed.map((one): Step => ({ do: 'fire_rule', ...one }))) : undefined;
}

function starting(facts: RolloutFacts, { approval, schedule }: Plan, now: number): Planned | undefined {
  if (facts.startedAt !== null) return undefined;
  const missing = approval.required - facts.approvals.length;
  if (facts.startRequestedAt === null) return waiting(describe.draft(missing), null);
  if (missing > 0) return waiting(describe.unapproved(missing, facts.startRequestedAt), null);
  if (schedule.startAt !== null && schedule.startAt > now)
    return waiting(describe.startTime(schedule.startAt), schedule.startAt);
  return steps({ do: 'begin' });
}

/** The times after which nothing more begins: the plan's end, and the deadline that each target has. */
function ending(facts: RolloutFacts, plan: Plan, counters: Counters, now: number): Planned | undefined {
  const deadline = deadlineOf(facts, plan);
  if (deadline !== null && now >= deadline) {
    const because = `not ended within ${describe.duration(plan.timeouts.target)} of the start of the rollout`;
    if (counters.pending > 0) return steps({ do: 'end_pending', as: 'timedOut', because });
    if (facts.toStop.begun + facts.toStop.notBegun > 0)
      return steps({ do: 'stop_open', only: 'all', as: 'timedOut', because });
  }
  const { endAt, atEnd } = plan.schedule;
  if (endAt === null || now < endAt) return undefined;
  if (facts.endedAt === null) return steps({ do: 'end' });
  const because = `the end time of the rollout, ${iso(endAt)}, has passed`;
  if (counters.pending > 0) return steps({ do: 'end_pending', as: 'canceled', because });
  return atEnd === 'cancelOpen' && facts.toStop.begun + facts.toStop.notBegun > 0
    ? steps({ do: 'stop_open', only: 'all', as: 'canceled', because })
    : undefined;
}

/**
 * When the targets that have not ended end as timed out, in epoch milliseconds; null = never
 * (docs/contracts/rollouts.md, "Admission").
 */
export function deadlineOf(facts: RolloutFacts, plan: Plan): number | null {
  // A dynamic rollout stays open: it ends by its endAt, or by a person.
  return facts.startedAt === null || plan.targets.dynamic ? null : facts.startedAt + plan.timeouts.target;
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

function paused(facts: RolloutFacts, counters: Counters, plan: Plan, now: number): Planned | undefined {
  return facts.pauses.length === 0
    ? undefined
    : waiting(describe.paused(facts.pauses, counters), later(facts, plan, now));
}

function opening(facts: RolloutFacts): Planned | undefined {
  const next = currentGroup(facts);
  return next && next.openedAt === null ? steps({ do: 'open_group', group: next.name }) : undefined;
}

function admitting(facts: RolloutFacts, plan: Plan, counters: Counters, now: number): Planned | undefined {
  const waits = facts.groups.filter((group) => group.openedAt !== null && group.counters.pending > 0);
  if (waits.length === 0) return undefined;
  const open = openOf(counters);
  const room = plan.pace.maxInFlight - open;
  if (room <= 0) return waiting(describe.capacity(open, plan.pace.maxInFlight), later(facts, plan, now));
  const rate = rateNow(plan.pace, counters);
  const starts = rate - facts.starts.lastMinute;
  if (starts <= 0) {
    const until = facts.starts.oldestLeavesAt ?? now + RATE_WINDOW_MS;
    return waiting(describe.startRate(facts.starts.lastMinute, rate, until), earliest(until, later(facts, plan, now)));
  }
  const group = waits.find((one) => one.ready > 0);
  if (group) return steps({ do: 'admit', group: group.name, count: Math.min(room, starts, group.ready) });
  return waiting(describe.noneReady(waits, openOf(counters)), later(facts, plan, now));
}

/** The next moment at which time alone changes something. */
function later(facts: RolloutFacts, plan: Plan, now: number): number | null {
  const { endAt } = plan.schedule;
  const deadline = deadlineOf(facts, plan);
  const times = facts.groups.flatMap((group, index) => {
    const { soak, approval } = groupAt(plan.groups, index);
    const running = group.openedAt !== null && group.passedAt === null && group.failedAt === null;
    return [
      running && group.soakingSince !== null ? group.soakingSince + soak : null,
      running && group.askedAt !== null && approval?.expiresAfter != null
        ? group.askedAt + approval.expiresAfter
        : null,
      group.openedAt !== null ? group.nextRetryAt : null,
      running ? group.awayAt : null,
    ];
  });
  const sweep =
    plan.targets.dynamic && facts.endedAt === null && facts.startedAt !== null
      ? (facts.sweptAt ?? facts.startedAt) + SWEEP_EVERY_MS
      : null;
  // What has passed is no time to wait until: the process would look again and again.
  return earliest(...[endAt, deadline, sweep, ...times].filter((time) => time !== null && time > now));
}

function steps(...list: Step[]): Planned {
  return { steps: list, waitingOn: null, outcome: null };
}

function waiting(sentence: string, until: number | null): Planned {
  const waitingOn: Waiting = { sentence, until };
  return { steps: [], waitingOn, outcome: null };
}
