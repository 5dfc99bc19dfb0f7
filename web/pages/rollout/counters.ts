import { TARGET_STATES, type TargetState } from '../../../domain/rollout/facts.js';
import { FAILURES } from '../../../domain/rollout/failures.js';
import { inWords, type Tone } from '../../design/tones.js';
import type { Rollout } from '../../service/types.js';

/** How many targets are in each state. */
export type Counted = Readonly<Record<TargetState, number>>;

/** States of targets in the order of a lane: what is done, what went wrong, what moves, what is left. */
const SHARES: readonly (readonly [words: string, tone: Tone, states: readonly TargetState[]])[] = [
  ['have it', 'ok', ['installed', 'alreadyInstalled']],
  ['failed', 'bad', FAILURES],
  ['in flight', 'busy', ['inFlight']],
  ['canceled or superseded', 'warn', ['canceled', 'superseded']],
  ['waiting', 'mute', ['pending', 'queued']],
  ['skipped', 'mute', ['skipped']],
];

/** A part of a lane. */
export interface Share {
  readonly words: string;
  readonly tone: Tone;
  readonly count: number;
}

/** The targets as the parts of a lane; what is 0 is left out. */
export function sharesOf(counters: Counted): Share[] {
  return SHARES.map(([words, tone, states]) => ({ words, tone, count: countOf(counters, states) })).filter(
    ({ count }) => count > 0,
  );
}

/** How many are in one of these states. */
export function countOf(counters: Counted, states: readonly TargetState[]): number {
  return states.reduce((sum, state) => sum + counters[state], 0);
}

/** How many failed, were rejected or timed out. */
export function failedOf(counters: Counted): number {
  return countOf(counters, FAILURES);
}

/** How many there are. */
export function totalOf(counters: Counted): number {
  return countOf(counters, TARGET_STATES);
}

/** The state of a target in words. */
export function targetWords(state: TargetState): string {
  return inWords(state);
}

/** A share (0..1) as a percentage with at most three digits. */
export function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}

/** A group as it is answered. */
export type Group = Rollout['groups'][number];
