import type { PrintableRollout } from '../../protocol/http/rollout.js';
import type { PrintableTarget } from '../../protocol/http/rollout-parts.js';

/** A rollout as people see it: what is printed of it, and what only the service asks. Times are epoch milliseconds. */
export interface RolloutView extends PrintableRollout {
  readonly tenantId: string;
  /** Whether Temporal has been told of it: before that there is nothing to look at. */
  readonly processStarted: boolean;
}

/** One device of a rollout. */
export type TargetView = PrintableTarget;
