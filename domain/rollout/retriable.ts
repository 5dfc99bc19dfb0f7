import { deadlineOf } from './deadlines.js';
import type { RolloutFacts, TargetState } from './facts.js';
import type { Plan } from './plan.js';
import { iso } from './sentences.js';

/**
 * Which groups can be tried again: what would be pending past its deadline would end at once, and never be tried.
 * @param now epoch milliseconds
 * @returns their positions, and why there is none although targets ended so
 */
export function retriable(
  { groups }: Pick<RolloutFacts, 'groups'>,
  plan: Plan,
  outcomes: readonly TargetState[],
  now: number,
): { readonly positions: readonly number[]; readonly refused?: string } {
  const another = 'create another rollout for the devices that are left';
  const { endAt } = plan.schedule;
  if (endAt !== null && now >= endAt)
    return {
      positions: [],
      refused: `nothing can be tried again: its end, ${iso(endAt)}, has passed (schedule.endAt); ${another}`,
    };
  const asked = groups.filter(({ counters }) => outcomes.some((outcome) => counters[outcome] > 0));
  const late = asked.filter((group) => now >= (deadlineOf(group, plan) ?? Infinity));
  const last = Math.max(...late.map((group) => deadlineOf(group, plan) ?? 0));
  if (late.length > 0 && late.length === asked.length)
    return {
      positions: [],
      refused: `nothing can be tried again: its targets had until ${iso(last)} (timeouts.target, from the opening of their group); ${another}`,
    };
  return { positions: asked.filter((group) => !late.includes(group)).map((group) => groups.indexOf(group)) };
}
