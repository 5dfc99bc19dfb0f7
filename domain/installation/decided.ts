import { assertNever } from '../assert-never.js';
import type { Installation } from './installation.js';
import { statusOf, type ProcessStatus } from './process-status.js';
import { isEnded, type EndedState } from './states.js';
import type { Surroundings } from './waiting-on.js';

/**
 * What an activity of a process can decide, as it stands in the event history.
 *
 * Before the device is notified: `offered`; `already_offered` (another process of the device, or an earlier run of this
 * one, made the offer); `turn_taken` (begun by hand, out of turn, and its turn has come); `not_yet` (its time has not
 * come); `queued` (another installation executes on the device).
 *
 * When a deadline has passed: `wait` (a report moved the deadline, nothing is due); `hello_asked` (every status may
 * have been lost, so that the device is asked what it holds); `retry` (the attempt is over, another begins).
 *
 * When a signal said that it has ended: `not_ended`, where the row says otherwise.
 *
 * The state in which it ended; `already_ended` where a report was faster; `gone` where the device was deleted.
 */
export type Decision =
  | 'offered'
  | 'already_offered'
  | 'turn_taken'
  | 'not_yet'
  | 'queued'
  | 'wait'
  | 'hello_asked'
  | 'retry'
  | 'not_ended'
  | EndedState
  | 'already_ended'
  | 'gone';

/** The answer of an activity: what it decided, why, and where the row stands now. It stands in histories. */
export interface Decided {
  readonly decision: Decision;
  /** A sentence or half of one, for people. */
  readonly because: string;
  readonly status: ProcessStatus;
}

/** The device was deleted, and its installations with it: there is nothing left to wait for. */
export const GONE: Decided = {
  decision: 'gone',
  because: 'the device was deleted, and its installations with it',
  status: { stage: 'ended', state: 'deleted', attempt: 0, until: null, waitingOn: 'Ended: the device was deleted.' },
};

/**
 * Puts into words what `begin` or `deadline` came to.
 * @param applied whether the event changed the row.
 * @param i the row after it.
 * @param now epoch milliseconds, by the clock of the row's times.
 */
export function decided(
  asked: 'begin' | 'deadline',
  applied: boolean,
  i: Installation,
  around: Surroundings,
  now: number,
): Decided {
  const status = statusOf(i, around, now);
  const [decision, because] = applied ? changed(asked, i, status) : unchanged(asked, i, status);
  return { decision, because, status };
}

/** Puts into words what a look at the row came to, where a signal said that it has ended. */
export function seenAtEnd(i: Installation, around: Surroundings, now: number): Decided {
  const status = statusOf(i, around, now);
  return { decision: isEnded(i.state) ? 'already_ended' : 'not_ended', because: status.waitingOn, status };
}

type Words = readonly [Decision, string];

function changed(asked: 'begin' | 'deadline', i: Installation, { waitingOn }: ProcessStatus): Words {
  if (isEnded(i.state)) return [i.state, i.rejectReason ?? whyInstalled(i)];
  switch (asked) {
    case 'begin':
      if (i.state === 'delivered') return ['offered', 'its time has come, and nothing else executes on the device'];
      return i.state === 'queued' ? ['queued', waitingOn] : ['turn_taken', waitingOn];
    case 'deadline':
      if (i.state === 'scheduled') return ['retry', waitingOn];
      return i.helloAskedAt === null ? ['wait', waitingOn] : ['hello_asked', waitingOn];
    default:
      return assertNever(asked);
  }
}

function unchanged(asked: 'begin' | 'deadline', i: Installation, { waitingOn }: ProcessStatus): Words {
  if (isEnded(i.state)) return ['already_ended', waitingOn];
  if (asked === 'deadline') return ['wait', waitingOn];
  if (i.state === 'scheduled') return ['not_yet', waitingOn];
  return i.state === 'queued' ? ['queued', waitingOn] : ['already_offered', waitingOn];
}

function whyInstalled(i: Installation): string {
  return i.alreadyInstalled ? 'the slot holds this content already' : 'the soak passed without a regression';
}
