import {
  ApplicationFailure,
  continueAsNew,
  defineSignal,
  patched,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import type { Tick } from '../activities/rollout.js';
import { tick, workThrough } from './activities.js';
import { POKE, type RolloutEnd, type RolloutRef } from './messages.js';
import { isHistoryLong, waitFor } from './waiting.js';

/**
 * One rollout: it ticks until it has ended. A tick is one activity that observes, plans and executes, and says what it
 * did and what it waits for; between two, the process waits for a poke (counters moved, or a person asked for
 * something; the sender of the outbox sends at most one a second) or for the time that the plan named.
 *
 * Nothing is decided here, and nothing is kept: all facts are in PostgreSQL, so that a new run begins with a tick like
 * any other.
 */
export async function rollout(ref: RolloutRef): Promise<RolloutEnd> {
  let isPoked = false;
  setHandler(defineSignal(POKE), () => {
    isPoked = true;
  });

  for (;;) {
    isPoked = false;
    const at = await planAndExecute(ref);
    if (at.done) return conclude(at);
    if (isHistoryLong()) await continueAsNew<typeof rollout>(ref);
    await waitFor(() => isPoked, at);
  }
}

/** A tick; where it finds more to do than a workflow task may take, an activity that says how far it has come. */
async function planAndExecute(ref: RolloutRef): Promise<Tick> {
  let at = await tick(ref);
  while (at.decision === 'go_on') {
    setCurrentDetails(at.waitingOn);
    at = await workThrough(ref);
  }
  return at;
}

/**
 * Ends the process so that lists of the engine show how: Completed where the rollout is finished; else Failed, with the
 * outcome as the failure's type. A poke starts it again under the same id, as a retry of a finished rollout needs.
 */
function conclude({ outcome, because }: Tick): RolloutEnd {
  const end: RolloutEnd = { outcome: outcome ?? 'finished' };
  if (end.outcome === 'finished' || !patched('only-finished-is-completed')) return end;
  throw ApplicationFailure.create({ message: because, type: end.outcome, nonRetryable: true, details: [end] });
}
