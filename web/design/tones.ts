import type { Standing } from '../../domain/fleet/standing.js';
import type { State } from '../../domain/installation/states.js';
import type { Phase } from '../../domain/rollout/phase.js';

/** What a colour means; each also has a sign, so that the colour is never the only carrier. */
export type Tone = 'ok' | 'busy' | 'warn' | 'bad' | 'mute';

/** Of an installation. */
export const STATE_TONES = {
  scheduled: 'mute',
  queued: 'mute',
  delivered: 'busy',
  accepted: 'busy',
  deferred: 'warn',
  downloading: 'busy',
  downloaded: 'busy',
  installing: 'busy',
  rebooting: 'busy',
  confirming: 'busy',
  installed: 'ok',
  failed: 'bad',
  rejected: 'bad',
  canceled: 'mute',
  timed_out: 'bad',
  superseded: 'mute',
} as const satisfies Record<State, Tone>;

/** Of a rollout. */
export const PHASE_TONES = {
  draft: 'mute',
  awaiting_approval: 'warn',
  scheduled: 'mute',
  running: 'busy',
  paused: 'warn',
  rolling_back: 'bad',
  finished: 'ok',
  aborted: 'bad',
} as const satisfies Record<Phase, Tone>;

/** Of the devices of a fleet, in the order in which they are shown. */
export const STANDING_TONES = {
  upToDate: 'ok',
  updating: 'busy',
  behind: 'warn',
  silent: 'bad',
  unknown: 'mute',
} as const satisfies Record<Standing, Tone>;

/** Names of the API in words: `awaiting_approval` is "awaiting approval". */
export function inWords(name: string): string {
  return name
    .replaceAll('_', ' ')
    .replaceAll(/([a-z])([A-Z])/g, (_match, before: string, after: string) => `${before} ${after.toLowerCase()}`);
}

/** The name of a state of the fleet. */
export const STANDING_WORDS: Readonly<Record<Standing, string>> = {
  upToDate: 'Up to date',
  updating: 'Updating',
  behind: 'Behind',
  silent: 'Silent',
  unknown: 'Unknown',
};
