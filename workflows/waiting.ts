import { condition, setCurrentDetails, workflowInfo } from '@temporalio/workflow';

/** What the engine takes as a timer's summary; it stands in the timeline of the Temporal UI, also when all is over. */
const SUMMARY_CHARACTERS = 200;

/** What is waited for, and until when: epoch milliseconds; null = nothing is timed. */
interface Wait {
  readonly until: number | null;
  readonly waitingOn: string;
  /** By the clock that `until` is of, PostgreSQL's, when it was said; absent in histories of before. */
  readonly saidAt?: number;
}

/**
 * Waits until something has come, at most until a time; meanwhile the Temporal UI shows what for. The time is of
 * PostgreSQL's clock and the timer of the engine's: what an activity has just answered is waited for as a span, or an
 * engine whose clock is ahead would ask again and again until the time has come.
 * @param cameAs a signal may have lain about, so that its span counts from when it was said: whichever is shorter.
 */
export async function waitFor(hasCome: () => boolean, at: Wait, cameAs: 'answer' | 'signal' = 'answer'): Promise<void> {
  setCurrentDetails(at.waitingOn);
  if (at.until === null) await condition(hasCome);
  else
    await condition(hasCome, Math.max(spanOf(at.until, at.saidAt, cameAs), 1), {
      summary: at.waitingOn.slice(0, SUMMARY_CHARACTERS),
    });
}

function spanOf(until: number, saidAt: number | undefined, cameAs: 'answer' | 'signal'): number {
  if (saidAt === undefined) return until - Date.now();
  return cameAs === 'answer' ? until - saidAt : Math.min(until - saidAt, until - Date.now());
}

/**
 * A run with more events goes on in a new one. The engine refuses to go on at 51,200 and suggests a new run at 4,096;
 * this leaves room for a rush of signals, and keeps the replay of a run that is not cached below a second.
 */
const EVENTS_PER_RUN = 2_000;

/** Whether the process should continue as new. Deterministic: both numbers come from the history. */
export function isHistoryLong(): boolean {
  const { continueAsNewSuggested, historyLength } = workflowInfo();
  return continueAsNewSuggested || historyLength > EVENTS_PER_RUN;
}
