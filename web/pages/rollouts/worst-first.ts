import type { Phase } from '../../../domain/rollout/phase.js';
import type { Rollout } from '../../service/types.js';
import { failedOf } from '../rollout/counters.js';

/** Phases in three classes: what needs a person comes first, within a class the worst one does. */
export const CLASSES = [
  ['Need a person', ['rolling_back', 'paused', 'awaiting_approval']],
  ['On their way', ['running', 'scheduled', 'draft']],
  ['Ended', ['aborted', 'finished']],
] as const satisfies readonly (readonly [title: string, phases: readonly Phase[]])[];

/** All phases, the worst one first. */
export const WORST_FIRST: readonly Phase[] = CLASSES.flatMap(([, phases]) => phases as readonly Phase[]);

/** What needs a person before what runs by itself; of one phase, the one with the most failures. */
export function worstFirst(rollouts: readonly Rollout[]): Rollout[] {
  return rollouts.toSorted(
    (a, b) =>
      WORST_FIRST.indexOf(a.phase) - WORST_FIRST.indexOf(b.phase) || failedOf(b.counters) - failedOf(a.counters),
  );
}
