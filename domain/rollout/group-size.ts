import type { GroupPlan } from './plan.js';

/** "Each group takes the next ⌈percent · N / 100⌉"; null = as many as match, or the rest. */
export function groupSize(group: Pick<GroupPlan, 'count' | 'percent'>, targets: number): number | null {
  if (group.count !== null) return group.count;
  // 0.1 · 3 is not 0.3 for a computer: what is a whole number for people is not rounded up.
  return group.percent === null ? null : Math.ceil(Number(((group.percent * targets) / 100).toFixed(9)));
}
