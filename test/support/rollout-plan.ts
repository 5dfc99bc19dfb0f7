import { newRollout } from '../../protocol/http/rollout-plan.js';
import { toPlan } from '../../protocol/http/to-plan.js';
import type { Plan } from '../../domain/rollout/plan.js';

export const FIRMWARE = '123e4567-e89b-12d3-a456-426655440000';

/** The least that a plan must say. */
export const LEAST = {
  name: 'switch 1.5.0',
  steps: [{ slot: 'firmware', firmwareId: FIRMWARE }],
  targets: { filter: 'tag==north' },
};

/** The plan that comes of what an operator sends beside that. */
export function planOf(sent: Record<string, unknown> = {}): Plan {
  return toPlan(newRollout.parse({ ...LEAST, ...sent })).plan;
}
