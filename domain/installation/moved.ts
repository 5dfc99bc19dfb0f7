import { dueAt, phaseDueAt } from './deadlines.js';
import type { Installation } from './installation.js';
import { backoff } from './policy.js';
import { isEnded } from './states.js';
import { TABLE, type Move } from './table.js';

/**
 * Applies a move and the members that come with it, or only the members (`move` null), and keeps what must hold
 * together: ended rows have no turn and nothing due; a new attempt starts its count; the deadline follows the state.
 * @returns the same reference where the table ignores the move.
 */
export function moved(i: Installation, move: Move | null, now: number, changes: Partial<Installation>): Installation {
  if (move === null) return timed({ ...i, ...changes });
  const state = TABLE[i.state][move];
  if (state === null) return i;
  const next: Installation = { ...i, helloAskedAt: null, backAt: null, ...changes, state, stateSince: now };
  if (isEnded(state))
    return { ...next, executing: false, endedAt: now, dueAt: null, retryAt: null, cancel: null, deferral: null };
  if (move === 'retry') return timed(nextAttempt(next, now));
  return timed(cancelExtended(i, next));
}

function timed(i: Installation): Installation {
  return isEnded(i.state) ? i : { ...i, dueAt: dueAt(i) };
}

/** The turn is given up: a more urgent installation need not wait for a back-off. */
function nextAttempt(i: Installation, now: number): Installation {
  const attempt = i.attempt + 1;
  return {
    ...i,
    attempt,
    executing: false,
    revision: null,
    lastSeq: 0,
    progress: null,
    offeredAt: null,
    doubt: null,
    backAt: null,
    deferral: null,
    cancel: null,
    retryAt: now + backoff(i.policy, attempt),
  };
}

/** A device that works although it was asked to stop has until the end of its phase: only a silent one is cut short. */
function cancelExtended(before: Installation, next: Installation): Installation {
  if (next.cancel === null || before.state === next.state) return next;
  return { ...next, cancel: { ...next.cancel, deadline: phaseDueAt(next) ?? next.cancel.deadline } };
}
