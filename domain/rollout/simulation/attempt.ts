import type { Plan, RetryClass } from '../plan.js';
import type { TargetState } from '../facts.js';
import { at, FAILURE_KINDS, type FailureKind, type KindModel } from './model.js';
import type { Random } from './random.js';

/** How an attempt of a simulated device ends, and whether that may be tried again. */
export type Ending = FailureKind | 'installed' | 'withdrawn';

/** In an order that is a number for each: what a device will come to stands in a byte. */
export const ENDINGS = ['installed', 'withdrawn', ...FAILURE_KINDS] as const satisfies readonly Ending[];

/** What each ending makes of the target, and which class of retry it falls under; null = it is not tried again. */
export const MEANING = {
  installed: { state: 'installed', retry: null },
  withdrawn: { state: 'timedOut', retry: null },
  download: { state: 'failed', retry: 'download' },
  install: { state: 'failed', retry: 'install' },
  final: { state: 'failed', retry: null },
  rejected: { state: 'rejected', retry: null },
  timeout: { state: 'timedOut', retry: 'timeout' },
} as const satisfies Record<Ending, { readonly state: TargetState; readonly retry: RetryClass | null }>;

/** One attempt, drawn: milliseconds from the offer on. Its download lies between `begins` and `fetched`. */
export interface Attempt {
  readonly ending: Ending;
  readonly begins: number;
  readonly fetched: number;
  readonly ends: number;
}

/**
 * Each attempt is drawn by itself: that it went wrong before says nothing (an assumption that forecasts name). One that
 * falls silent is cut off where the plan says, after its download; so is one that takes longer than the plan allows.
 * @param away milliseconds until the device is there; 0 = it is
 */
export function drawAttempt(kind: KindModel, { timeouts, confirm }: Plan, away: number, random: Random): Attempt {
  const begins = away + at(kind.accept, random());
  const fetched = begins + at(kind.download, random());
  const install = at(kind.install, random());
  const failure = drawFailure(kind, random);
  if (begins > timeouts.offer)
    return { ending: 'withdrawn', begins: timeouts.offer, fetched: timeouts.offer, ends: timeouts.offer };
  switch (failure) {
    case 'rejected':
      return { ending: 'rejected', begins, fetched: begins, ends: begins };
    case 'download':
      return { ending: 'download', begins, fetched, ends: fetched };
    case 'install':
    case 'final':
      return { ending: failure, begins, fetched, ends: fetched + install };
    case 'timeout':
      return { ending: 'timeout', begins, fetched, ends: fetched + timeouts.install };
    case null: {
      const allowed = timeouts.install + timeouts.confirm;
      if (install > allowed) return { ending: 'timeout', begins, fetched, ends: fetched + allowed };
      return { ending: 'installed', begins, fetched, ends: fetched + install + confirm.soak };
    }
  }
}

function drawFailure({ failures }: KindModel, random: Random): FailureKind | null {
  let dice = random();
  for (const kind of FAILURE_KINDS) {
    if (dice < failures[kind]) return kind;
    dice -= failures[kind];
  }
  return null;
}
