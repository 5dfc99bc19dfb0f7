import { openOf, type GroupFacts, type RolloutFacts } from './facts.js';
import { groupAt, type Plan } from './plan.js';

/**
 * Times at which targets end that have not ended by themselves, so that every rollout ends (docs/contracts/rollouts.md,
 * "Admission"). Epoch milliseconds throughout.
 */

/** As long as a rollout may stand still: its targets end then, also those of groups that never opened. */
export const NO_PROGRESS_MS = 90 * 86_400_000;

/**
 * When the targets of a group that have not ended end as timed out: it counts from the opening of the group, so that
 * those of a later group have as long as those of the first. null = never: it has not opened, or the rollout is
 * dynamic, which stays open until its endAt or a person ends it.
 */
export function deadlineOf({ openedAt }: Pick<GroupFacts, 'openedAt'>, plan: Plan): number | null {
  return openedAt === null || plan.targets.dynamic ? null : openedAt + plan.timeouts.target;
}

/** Groups whose deadline has passed. */
export function overdueGroups(
  { startedAt, groups }: Pick<RolloutFacts, 'startedAt' | 'groups'>,
  plan: Plan,
  now: number,
): readonly GroupFacts[] {
  return startedAt === null ? [] : groups.filter((group) => now >= (deadlineOf(group, plan) ?? Infinity));
}

/**
 * When a rollout that stands still ends: `NO_PROGRESS_MS` after the last thing that happened in it, or that was to
 * happen by time (a soak, a vote), but not before the deadlines of its open groups. Infinity = never.
 */
export function finalDeadline(facts: Omit<RolloutFacts, 'toStop'>, plan: Plan): number {
  if (facts.startedAt === null || plan.targets.dynamic) return Infinity;
  let last = Math.max(facts.startedAt, facts.progressedAt ?? 0);
  let open = 0;
  for (const pause of facts.pauses) last = Math.max(last, pause.since);
  for (const [index, group] of facts.groups.entries()) {
    const { soak, approval } = groupAt(plan.groups, index);
    last = Math.max(
      last,
      group.openedAt ?? 0,
      group.passedAt ?? 0,
      group.failedAt ?? 0,
      (group.soakingSince ?? 0) + soak,
      (group.askedAt ?? 0) + (approval?.expiresAfter ?? 0),
    );
    if (group.counters.pending + openOf(group.counters) > 0) open = Math.max(open, deadlineOf(group, plan) ?? 0);
  }
  return Math.max(last + NO_PROGRESS_MS, open);
}

/** Of which groups the open installations are to be stopped now: of all, of these, or of none. */
export function stopScope(facts: Omit<RolloutFacts, 'toStop'>, plan: Plan, now: number): 'all' | readonly string[] {
  const { endAt, atEnd } = plan.schedule;
  const all =
    facts.aborted !== null ||
    facts.rollingBack !== null ||
    (endAt !== null && now >= endAt && atEnd === 'cancelOpen') ||
    now >= finalDeadline(facts, plan);
  return all ? 'all' : overdueGroups(facts, plan, now).map(({ name }) => name);
}

/**
 * The next time at which targets end by time alone, in epoch milliseconds; null = there is none. What has passed is not
 * in it.
 */
export function nextDeadline(facts: RolloutFacts, plan: Plan, now: number): number | null {
  const times = facts.groups
    .filter((group) => group.counters.pending + openOf(group.counters) > 0)
    .map((group) => deadlineOf(group, plan) ?? Infinity);
  const next = Math.min(...[...times, finalDeadline(facts, plan)].filter((time) => time > now));
  return next === Infinity ? null : next;
}

/** When the last target ends at the latest, as far as that is known; Infinity = it is not: a group has yet to open. */
export function lastDeadline({ groups }: RolloutFacts, plan: Plan): number {
  return Math.max(...groups.map((group) => deadlineOf(group, plan) ?? Infinity));
}
