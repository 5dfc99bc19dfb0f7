/**
 * What one part of the bench is, and what it brings back. Everything here is plain data once it is measured: it goes
 * into a file and into a page.
 */

/** One figure, beside what bounds it, in the same unit. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The ceiling (or the floor) that was measured in the same run. */
  readonly beside?: { readonly name: string; readonly value: number };
  readonly target?: Target;
  /** What else belongs to it: other percentiles, what was found. */
  readonly detail?: string;
}

/** Where the figure is meant to be: itself, or its ratio to what stands beside it. */
export interface Target {
  readonly of: 'value' | 'ratio';
  readonly is: 'at least' | 'at most';
  readonly value: number;
}

export interface Measured {
  readonly figures: readonly Figure[];
  /** How it was measured, a sentence each: the place to check a figure. */
  readonly method: readonly string[];
  /** What was noticed and is no figure: a plan that scans, a count that does not add up. */
  readonly notes?: readonly string[];
}

/** What a part is given. */
export interface Context {
  /** 1 = as the targets mean it; less = fewer devices and shorter, for trying the bench itself. */
  readonly scale: number;
  /** Also what takes many minutes. */
  readonly full: boolean;
  /** So many at full scale; at a smaller one in proportion, at least `least`. */
  count(atFullScale: number, least: number): number;
  /** Called in reverse order when the part has ended, however it did. */
  atEnd(close: () => unknown): void;
  say(text: string): void;
}

/** Names of the parts, in the order in which they run and stand on the page; a result's file and `--only` bear them. */
export const PART_NAMES = [
  'installations',
  'reports',
  'latency',
  'transfer',
  'lists',
  'age',
  'bulk',
  'rollout',
  'live',
  'forecast',
  'storm',
  'mosquitto',
  'memory',
  'startup',
] as const;
export type PartName = (typeof PART_NAMES)[number];

export interface Part {
  readonly title: string;
  run(context: Context): Promise<Measured>;
}

export function ratioOf({ value, beside }: Figure): number | undefined {
  return beside === undefined || beside.value === 0 ? undefined : value / beside.value;
}

/** undefined where there is no target, or nothing to hold against it. */
export function isMet(figure: Figure): boolean | undefined {
  const { target } = figure;
  const measured = target?.of === 'ratio' ? ratioOf(figure) : figure.value;
  if (target === undefined || measured === undefined) return undefined;
  return target.is === 'at least' ? measured >= target.value : measured <= target.value;
}
