import {
  condition,
  continueAsNew,
  defineSignal,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { tick } from './activities.js';
import { POKE, type RolloutEnd, type RolloutRef } from './messages.js';

/** What the engine takes as a timer's summary. */
const SUMMARY_CHARACTERS = 200;
/**
 * A tick is about eight events; the engine suggests a new run at 4,096 itself, and this leaves room for a rush of
 * pokes.
 */
const EVENTS_PER_RUN = 2_000;

/**
 * One rollout: it ticks until it has ended. A tick is one activity that observes, plans and executes; between two the
 * process waits for a poke (counters moved, or a person asked for something; the sender of the outbox sends at most one
 * a second) or for the time that the plan named.
 *
 * Nothing is decided here, and nothing is kept: whatever the process knew is in PostgreSQL, so that a new run begins
 * with a tick like any other.
 */
export async function rollout(ref: RolloutRef): Promise<RolloutEnd> {
  let poked = false;
  setHandler(defineSignal(POKE), () => {
    poked = true;
  });

  for (;;) {
    poked = false;
    const at = await tick(ref);
    if (at.done) return { outcome: at.outcome ?? 'finished' };
    setCurrentDetails(at.waitingOn);
    if (workflowInfo().continueAsNewSuggested || workflowInfo().historyLength > EVENTS_PER_RUN)
      await continueAsNew<typeof rollout>(ref);
    if (at.until === null) await condition(() => poked);
    else
      await condition(() => poked, Math.max(at.until - Date.now(), 1), {
        summary: at.waitingOn.slice(0, SUMMARY_CHARACTERS),
      });
  }
}
