import type { Plan } from '../domain/rollout/plan.js';

/** SQL over `devices d` for a filter of specs/rollouts.md; its values are appended to `values` and bound. */
export function filterCondition(filter: string, values: unknown[]): string {
  values.push(filter);
  throw new Error('filters come with the filter language');
}

/** Which devices a plan is about: those that match its filter, and those that are named. `rollout` is the parameter that holds the rollout's id. */
export function targetCondition({ targets }: Plan, values: unknown[], { rollout }: { rollout: string }): string {
  const named = `d.id = ANY(ARRAY(SELECT unnest(r.device_ids) FROM rollouts r WHERE r.tenant_id = $1 AND r.id = ${rollout}))`;
  return targets.filter === null ? named : `(${filterCondition(targets.filter, values)} OR ${named})`;
}
