import { condition, setCurrentDetails, workflowInfo } from '@temporalio/workflow';

/** What the engine takes as a timer's summary; it stands in the timeline of the Temporal UI, also when all is over. */
const SUMMARY_CHARACTERS = 200;

/**
 * Waits until something has come, at most until a time; meanwhile the Temporal UI shows what for.
 * @param until epoch milliseconds; null = nothing is timed.
 */
export async function waitFor(hasCome: () => boolean, until: number | null, sentence: string): Promise<void> {
  setCurrentDetails(sentence);
  if (until === null) await condition(hasCome);
  else
    await condition(hasCome, Math.max(until - Date.now(), 1), {
      summary: sentence.slice(0, SUMMARY_CHARACTERS),
    });
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
