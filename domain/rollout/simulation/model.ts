/**
 * A fleet as a simulation knows it: what was seen of devices of these kinds before, as distributions
 * (store/rollouts/model.ts reads them). Plain, readonly, JSON-safe: it crosses to a thread. Durations are milliseconds,
 * shares 0..1.
 */
export interface FleetModel {
  /** How many targets each group of the plan has, in the order of the groups. */
  readonly groups: readonly number[];
  readonly kinds: readonly KindModel[];
  /** Share of the targets that hold the content already. */
  readonly held: number;
  /** Share of the targets that are skipped when their turn comes, such as those that hold a newer version. */
  readonly skipped: number;
  /** Share of the targets that are refused when their turn comes, such as those whose version cannot be compared. */
  readonly refused: number;
  /** Share of the targets that can be reached when the rollout begins. */
  readonly online: number;
  /** Of those that cannot: how long they have been away. */
  readonly away: Quantiles;
  /** Of those that cannot: the share that was never there. They do not come. */
  readonly neverSeen: number;
  /** Of the content: what each download transfers. */
  readonly bytes: number;
  /** One sentence for each thing that is not known but assumed. */
  readonly assumptions: readonly string[];
}

/** Devices of one type. */
export interface KindModel {
  readonly name: string;
  /** How many of the targets, in proportion to the other kinds. */
  readonly weight: number;
  /** From the offer until the device begins. */
  readonly accept: Quantiles;
  /** Of this content. */
  readonly download: Quantiles;
  /** From the end of the download to the confirmed end, reboot included, without a soak. */
  readonly install: Quantiles;
  /** For each attempt, how likely it ends so; together at most 1. */
  readonly failures: Readonly<Record<FailureKind, number>>;
}

/**
 * How an attempt can go wrong, by what follows of it: a download or an installation that may be tried again, one that
 * ends the same way each time, a device that refuses, one that falls silent.
 */
export const FAILURE_KINDS = ['download', 'install', 'final', 'rejected', 'timeout'] as const;
/** A kind of failure that was counted in the past of the fleet. */
export type FailureKind = (typeof FAILURE_KINDS)[number];

/**
 * Values at evenly spaced quantiles, ascending: the first is the least that was seen, the last the greatest. At least
 * one.
 */
export type Quantiles = readonly number[];

/** More say no more about 2,000 samples, and cross to the thread with every kind of device. */
const MAX_QUANTILES = 101;

/** @param values what was seen, in any order; at least one */
export function quantilesOf(values: readonly number[]): Quantiles {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length <= MAX_QUANTILES) return sorted;
  return Array.from({ length: MAX_QUANTILES }, (_, index) => at(sorted, index / (MAX_QUANTILES - 1)));
}

/** The value below which the share `p` lies, by linear interpolation. */
export function at(sorted: Quantiles, p: number): number {
  const place = p * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below] ?? 0;
  return low + ((sorted[below + 1] ?? low) - low) * (place - below);
}
