import type { Plan } from '../../domain/rollout/plan.js';
import { filterCondition } from '../fleet/filter.js';

/**
 * Which devices a plan is about: those that match its filter, and those that are named. `rollout` is the parameter that
 * holds the rollout's id.
 */
export function targetCondition({ targets }: Plan, values: unknown[], { rollout }: { rollout: string }): string {
  // IS TRUE keeps this one look into a hash per device: as a join, or as = ANY, each page may go through all names.
  const named = `(d.id IN (SELECT unnest(r.device_ids) FROM rollouts r WHERE r.tenant_id = $1
    AND r.id = ${rollout})) IS TRUE`;
  return targets.filter === null ? named : `(${filterCondition(targets.filter, values)} OR ${named})`;
}
