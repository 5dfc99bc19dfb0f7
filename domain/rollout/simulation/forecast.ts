import type { PauseReason } from '../facts.js';
import { groupAt, type Plan, type StopRule } from '../plan.js';
import { ruleKey } from '../stop-rules.js';
import { assumptionsOf } from './assumptions.js';
import { at, type FleetModel } from './model.js';
import type { Run } from './run.js';

/** Of the runs: half lie at or below `p50`, all but one in twenty at or below `p95`. */
export interface Spread {
  readonly p50: number;
  readonly p95: number;
}

/**
 * What a plan would do, over all runs. Durations are milliseconds from the start of the rollout on, shares and chances
 * 0..1.
 */
export interface Forecast {
  readonly seed: number;
  readonly runs: number;
  readonly devices: number;
  /** Epoch milliseconds. */
  /** By its plan; null = by a command. */
  readonly startsAt: number | null;
  /** Shares of the runs; together 1. */
  readonly outcomes: Readonly<Record<Run['outcome'], number>>;
  /** Of the runs that end by themselves; null = none does. */
  readonly duration: Spread | null;
  /** When this share of all devices has got the content; null = not even half of the runs come so far. */
  readonly milestones: readonly { readonly share: number; readonly after: Spread | null }[];
  /**
   * From the start until nine in ten have it of those that get it at all: the last of a fleet are those that were away.
   */
  readonly devicesPerHour: number;
  readonly peakInFlight: Spread;
  readonly peakBytesPerSecond: Spread;
  readonly neverAdmitted: Spread;
  readonly stopRules: readonly { readonly rule: StopRule; readonly chance: number }[];
  /** Where it would stop and wait for a person, most likely first. */
  readonly pauses: readonly {
    readonly because: string;
    readonly reason: PauseReason | null;
    readonly chance: number;
  }[];
  readonly groups: readonly GroupForecast[];
  readonly assumptions: readonly string[];
}

/** What the runs say of one group. Times are milliseconds after the start; `passes` is a share, 0..1. */
export interface GroupForecast {
  readonly name: string;
  readonly size: number;
  /** Ended targets that its gate rests on when it is decided. */
  readonly sample: Spread;
  /** How likely it passes, by itself. */
  readonly passes: number;
  /** When it begins, and when it passes, in the runs in which it does; null = in none. */
  readonly opens: Spread | null;
  readonly passed: Spread | null;
}

const MILESTONES = [0.5, 0.9, 0.99];
const MOST = 0.9;
const HOUR = 3_600_000;
/** A fault of a plan shows itself in a few sentences, each with its own numbers; two hundred are too many to read. */
const MOST_PAUSES = 5;

/**
 * The distribution over the runs; runs that did not end count in shares and not in durations. `start`: epoch
 * milliseconds.
 */
export function forecastOf(
  runs: readonly Run[],
  { plan, model, seed, start }: { plan: Plan; model: FleetModel; seed: number; start: number },
): Forecast {
  const devices = model.groups.reduce((sum, one) => sum + one, 0);
  const share = (of: (run: Run) => boolean): number => runs.filter(of).length / runs.length;
  const ended = runs.filter(
    (run) => run.outcome === 'finished' || run.outcome === 'failed' || run.outcome === 'aborted',
  );
  return {
    seed,
    runs: runs.length,
    devices,
    startsAt: plan.schedule.startAt === null ? null : start,
    outcomes: {
      finished: share((run) => run.outcome === 'finished'),
      paused: share((run) => run.outcome === 'paused'),
      failed: share((run) => run.outcome === 'failed'),
      aborted: share((run) => run.outcome === 'aborted'),
      rolledBack: share((run) => run.outcome === 'rolledBack'),
      waiting: share((run) => run.outcome === 'waiting'),
    },
    duration: spreadIfAny(ended.map((run) => run.ended)),
    milestones: MILESTONES.map((part) => ({ share: part, after: milestone(runs, Math.ceil(part * devices)) })),
    devicesPerHour: at(sorted(runs.map(perHour)), 0.5),
    peakInFlight: spread(runs.map((run) => run.peakInFlight)),
    peakBytesPerSecond: spread(runs.map((run) => Math.round(run.peakBytesPerSecond))),
    neverAdmitted: spread(runs.map((run) => run.neverAdmitted)),
    stopRules: plan.stopIf.map((rule) => ({ rule, chance: share((run) => run.fired.includes(ruleKey(rule))) })),
    pauses: pausesOf(runs),
    groups: plan.groups.map(({ name }, index) => groupForecast(runs, name, groupAt(model.groups, index), index)),
    assumptions: [...assumptionsOf(plan, model, runs.length), ...model.assumptions],
  };
}

function groupForecast(runs: readonly Run[], name: string, size: number, index: number): GroupForecast {
  const of = runs.map((run) => groupAt(run.groups, index));
  return {
    name,
    size,
    sample: spread(of.map((one) => one.sample)),
    passes: of.filter((one) => one.passed !== null).length / of.length,
    opens: spreadIfAny(of.flatMap((one) => one.opened ?? [])),
    passed: spreadIfAny(of.flatMap((one) => one.passed ?? [])),
  };
}

function milestone(runs: readonly Run[], count: number): Spread | null {
  const times = runs.flatMap((run) => run.installedAt[count - 1] ?? []);
  return times.length * 2 < runs.length ? null : spreadIfAny(times);
}

function perHour({ installedAt }: Run): number {
  const most = Math.ceil(MOST * installedAt.length);
  const last = installedAt[most - 1];
  return last === undefined || last === 0 ? 0 : (most * HOUR) / last;
}

/** By what they are about: two runs say the same with other numbers. The sentence is that of the first. */
function pausesOf(runs: readonly Run[]): Forecast['pauses'] {
  const kinds = new Map<string, { because: string; reason: PauseReason | null; count: number }>();
  for (const { outcome, because, pause } of runs) {
    if (outcome !== 'paused') continue;
    const key = `${pause?.reason} ${pause?.group} ${pause?.rule}`;
    const kind = kinds.get(key) ?? { because: because ?? '', reason: pause?.reason ?? null, count: 0 };
    kinds.set(key, { ...kind, count: kind.count + 1 });
  }
  return [...kinds.values()]
    .sort((a, b) => b.count - a.count)
    .slice(0, MOST_PAUSES)
    .map(({ because, reason, count }) => ({ because, reason, chance: count / runs.length }));
}

function spreadIfAny(values: readonly number[]): Spread | null {
  return values.length === 0 ? null : spread(values);
}

/** @param values at least one: there is no forecast without a run */
function spread(values: readonly number[]): Spread {
  const ordered = sorted(values);
  return { p50: at(ordered, 0.5), p95: at(ordered, 0.95) };
}

function sorted(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}
