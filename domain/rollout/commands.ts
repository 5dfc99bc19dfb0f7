import type { GroupApproval, Gate, Pace, Schedule, StopRule } from './plan.js';

/** Which of the ended targets are tried again. */
export const RETRYABLE_OUTCOMES = ['failed', 'rejected', 'canceled', 'timedOut', 'superseded'] as const;
/** An end of a target that `retry` may name; a successful or skipped target is never tried again. */
export type RetryableOutcome = (typeof RETRYABLE_OUTCOMES)[number];

/** What a person asks of a rollout. */
export type Command =
  | { readonly do: 'start' }
  | { readonly do: 'pause'; readonly because: string | null }
  /** `reason` null: the only one there is, or `operator`. `comment`: for the history. */
  | { readonly do: 'resume'; readonly reason: string | null; readonly comment?: string | undefined }
  | { readonly do: 'abort'; readonly cancelOpen: boolean; readonly because: string | null }
  /** Every device that was updated returns to what its slot held before. */
  | { readonly do: 'rollback'; readonly because: string | null }
  | { readonly do: 'retry'; readonly outcomes: readonly RetryableOutcome[] }
  /** Targets of the group that are away are not waited for any more. */
  | { readonly do: 'skip'; readonly group: string }
  /** `group` null: the rollout itself. */
  | { readonly do: 'approve'; readonly group: string | null }
  | { readonly do: 'reject'; readonly group: string | null; readonly because: string }
  | { readonly do: 'amend'; readonly amendment: Amendment };

/** What may change while it runs; what is absent stays. `groups` by their names. */
export interface Amendment {
  readonly name?: string;
  readonly description?: string | null;
  readonly pace?: Pace;
  readonly stopIf?: readonly StopRule[];
  readonly schedule?: Schedule;
  readonly groups?: readonly {
    readonly name: string;
    readonly gate?: Gate;
    readonly soak?: number;
    readonly approval?: GroupApproval | null;
  }[];
}
