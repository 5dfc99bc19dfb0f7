import type { TargetState } from '../../domain/rollout/facts.js';

/** Targets of these groups that ended so are to be pending again, with all their attempts. */
export interface Retry {
  readonly do: 'retry';
  readonly positions: readonly number[];
  readonly outcomes: readonly TargetState[];
}

/** Pending targets of a group whose devices have been away since then are to end as skipped. */
export interface Skip {
  readonly do: 'skip';
  readonly position: number;
  readonly because: string;
  /** Epoch milliseconds: what was seen later is not away. */
  readonly seenBefore: number;
}

/**
 * What a person asked for and may be about each target of a rollout. A page is done at once, and the rest by the
 * rollout's process, page by page, before it looks at anything else: no lock lasts longer than a page, and nothing is
 * decided by what is half done. It stands in `rollouts.works`: members may be added, never renamed.
 */
export type PagedWork = (Retry | Skip) & {
  /** The device after which the next page begins. */
  readonly after: string;
};

/** The parts of a sweep of a dynamic rollout, in their order. */
export type SweepPart = 'join' | 'rejoin' | 'leave';
