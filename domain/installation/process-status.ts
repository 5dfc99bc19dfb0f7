import type { Installation } from './installation.js';
import { isEnded } from './states.js';
import { waitingOn, type Surroundings } from './waiting-on.js';

/**
 * Where an installation stands, as its process needs to know it: which phase of the workflow it is in, and until when
 * that may last. It crosses into workflow histories: members may be added, never renamed.
 */
export interface ProcessStatus {
  /**
   * begin: waits for its time or its turn. download: was offered. outcome: downloaded, waits for the end. soak: must
   * prove itself.
   */
  readonly stage: 'begin' | 'download' | 'outcome' | 'soak' | 'ended';
  readonly state: string;
  readonly attempt: number;
  /** Epoch milliseconds at which the process must look again; null = only a signal moves it. */
  readonly until: number | null;
  /** One sentence for people, the same as the API's `waitingOn`; of an installation that has ended, how it ended. */
  readonly waitingOn: string;
  /** Epoch milliseconds by the clock that `until` is of, when this was said; absent in histories of before. */
  readonly saidAt?: number;
}

/** The status of this row, as its process is told it at `now`: by the answer of an activity, or by a signal. */
export function statusOf(i: Installation, around: Surroundings, now: number): ProcessStatus {
  return {
    saidAt: now,
    stage: stageOf(i),
    state: i.state,
    attempt: i.attempt,
    until: i.dueAt,
    waitingOn: waitingOn(i, around) ?? endOf(i),
  };
}

function endOf(i: Installation): string {
  return `Ended as ${i.state}${i.rejectReason ? `: ${i.rejectReason.replace(/\.$/, '')}` : ''}.`;
}

/** Which wait of the process the stored state belongs to: after a restart it goes on from there. */
export function stageOf(i: Installation): ProcessStatus['stage'] {
  if (isEnded(i.state)) return 'ended';
  if (!i.executing) return 'begin';
  switch (i.state) {
    case 'scheduled':
    case 'queued':
      return 'begin';
    case 'delivered':
    case 'accepted':
    case 'deferred':
    case 'downloading':
      return 'download';
    case 'downloaded':
    case 'installing':
    case 'rebooting':
      return 'outcome';
    case 'confirming':
      return 'soak';
  }
}

/**
 * Why a process is signalled. `turn`: it has its turn on the device. `due`: a deadline that a report moved forward has
 * passed. `moved`: it waits for the same as before, and what it shows to people is no longer what the API says.
 */
export const SIGNALS = ['turn', 'downloaded', 'installed', 'cancelled', 'ended', 'due', 'moved'] as const;
/** One of `SIGNALS`. It stands in histories of workflows: a reason may be added, never renamed. */
export type ProcessSignal = (typeof SIGNALS)[number];

/** What the one signal of a process carries. It stands in histories: members may be added, never renamed. */
export interface StatusUpdate {
  readonly because: ProcessSignal;
  readonly status: ProcessStatus;
}

/**
 * Why the process of this row is signalled, or undefined where the row stands as the process left it. Level-triggered:
 * it depends on what the row says now, not on how it came there, so that any number of changes is one signal.
 */
export function signalFor(i: Installation): ProcessSignal | undefined {
  const stage = stageOf(i);
  if (stage === 'ended' || (stage === 'begin' && i.attempt > 1 && !i.executing)) return 'ended';
  if (i.cancel !== null) return 'cancelled';
  if (stage === 'begin') return i.executing ? 'turn' : undefined;
  // begun by hand, never offered: its process still waits for the turn
  if (stage === 'download') return i.revision === null ? 'turn' : undefined;
  if (stage === 'outcome') return 'downloaded';
  return stage === 'soak' ? 'installed' : undefined;
}

/** Two rows with the same key are no news to each other. */
export function signalKey(i: Installation): string {
  return `${i.attempt}/${signalFor(i) ?? '-'}/${i.gate}/${i.executing}`;
}

/**
 * What stood this long is shown in the Temporal UI too. A device that works faster than that costs its process nothing.
 */
export const SHOWN_AFTER_MS = 10_000;

/** Whether the process waits for the device, so that what people read of it changes with each step of the device. */
export function waitsForDevice(i: Installation): boolean {
  const stage = stageOf(i);
  return stage === 'download' || stage === 'outcome';
}

/** Two rows with the same key are the same sentence to people, but for how far a download has come. */
export function sentenceKey(i: Installation): string {
  return `${i.state}/${i.place}/${i.stateSince}/${i.helloAskedAt ?? '-'}/${i.backAt ?? '-'}/${i.doubt?.since ?? '-'}/${i.deferral?.until ?? '-'}`;
}

/**
 * Whether the slot should show this installation's document: it has its turn, was offered, and no stop was requested.
 */
export function wantsDocument(i: Installation): i is Installation & { readonly revision: number } {
  return i.executing && i.revision !== null && i.cancel === null && !isEnded(i.state);
}

/** Two rows with the same key need nothing sent to the device. */
export function documentKey(i: Installation): string {
  return wantsDocument(i)
    ? `${i.revision}/${i.attempt}/${i.gate}`
    : i.cancel !== null
      ? `cancel/${i.cancel.requestedAt}`
      : '-';
}
