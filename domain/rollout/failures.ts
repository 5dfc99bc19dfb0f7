import type { TargetState } from './facts.js';

/** Ends of a target that are failures: what `any` of a stop rule counts (docs/contracts/rollouts.md, "Stop rules"). */
export const FAILURES = ['failed', 'rejected', 'timedOut'] as const satisfies readonly TargetState[];
/** How a target failed. */
export type Failure = (typeof FAILURES)[number];

/** Whether a target that ended so has failed. */
export function isFailure(state: TargetState): state is Failure {
  return (FAILURES as readonly TargetState[]).includes(state);
}

/** How many targets of a group failed in one way, for one reason. */
export interface FailureCount {
  readonly group: string;
  readonly outcome: Failure;
  /** Of the error of its last installation, or of the refusal at admission. */
  readonly code: string;
  readonly count: number;
  /** One of them. */
  readonly exampleDeviceId: string;
}
