import type { RolloutFacts } from '../domain/rollout/facts.js';
import type { Phase } from '../domain/rollout/phase.js';
import type { BackState, TargetState } from '../domain/rollout/facts.js';
import type { Plan } from '../domain/rollout/plan.js';

/** A rollout as people see it. Times are epoch milliseconds. */
export interface RolloutView {
  readonly tenantId: string;
  readonly id: string;
  readonly plan: Plan;
  /** JSON pointers of what the operator left out and a default filled in. */
  readonly defaulted: readonly string[];
  /** The template that it was created from, and JSON pointers of what still is as it came from there. */
  readonly templateId: string | null;
  readonly fromTemplate: readonly string[];
  /** Of the plan. */
  readonly version: number;
  readonly facts: RolloutFacts;
  /** Bytes of content that each group installed, in the order of the groups. */
  readonly bytes: readonly number[];
  readonly phase: Phase;
  readonly because: string;
  /** One sentence; null once it ended. */
  readonly waitingOn: string | null;
  readonly nextActionAt: number | null;
  /** When the last target ends, as far as the pace so far tells; null = nothing tells. */
  readonly eta: number | null;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Whether Temporal has been told of it: before that there is nothing to look at. */
  readonly processStarted: boolean;
}

export interface TargetView {
  readonly deviceId: string;
  /** null until the groups are formed. */
  readonly group: string | null;
  readonly state: TargetState;
  readonly attempt: number;
  readonly installationId: string | null;
  readonly because: string | null;
  /** Where it is on its way back; null = it is not rolled back. */
  readonly back: { readonly state: BackState; readonly because: string | null; readonly installationId: string | null } | null;
  /** When its back-off ends. */
  readonly retryAt: number | null;
}
