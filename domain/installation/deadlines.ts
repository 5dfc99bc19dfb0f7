import type { Installation } from './installation.js';
import { isEnded } from './states.js';
import { earliest } from '../times.js';

/**
 * When the process must look at this row at the latest: the phase's own deadline, the deadline of a cancellation, the
 * installation's own. null where nothing is timed: behind another one on the device, or held at the gate, without a
 * deadline.
 */
export function dueAt(i: Installation): number | null {
  // Begun out of turn, by hand, behind another one that executes: its phases are timed once it has the turn.
  if (!i.executing && i.state !== 'scheduled' && !isEnded(i.state)) return i.deadline;
  // A phase that ends before the device has had its time to answer a cancellation decides nothing any more: it would
  // begin the next attempt.
  const phase = i.cancel === null ? phaseDueAt(i) : i.cancel.deadline;
  return earliest(i.state === 'confirming' ? null : i.deadline, phase);
}

/** The deadline of the phase alone. Every open state that a device can be stuck in has one (I1). */
export function phaseDueAt(i: Installation): number | null {
  const { timeouts, soak } = i.policy;
  const asked = i.helloAskedAt === null ? null : i.helloAskedAt + helloAnswer(i);
  switch (i.state) {
    case 'scheduled':
      return i.retryAt ?? i.notBefore;
    case 'delivered':
      return i.stateSince + timeouts.offer;
    case 'accepted':
    case 'downloading':
      // A download that still advances extends its deadline; one that stalls does not.
      return Math.max(i.stateSince, i.progress?.movedAt ?? 0) + timeouts.download;
    case 'deferred':
      return (i.deferral?.until ?? i.stateSince) + timeouts.download;
    case 'downloaded':
      return i.gate === 'hold' ? null : (asked ?? i.stateSince + timeouts.install);
    case 'installing':
      return asked ?? i.stateSince + timeouts.install;
    case 'rebooting':
      if (i.doubt !== null) return i.doubt.since + timeouts.confirm;
      return asked ?? i.stateSince + timeouts.confirm;
    case 'confirming':
      return i.stateSince + soak;
    case 'queued':
    case 'installed':
    case 'failed':
    case 'rejected':
    case 'canceled':
    case 'timed_out':
    case 'superseded':
      return null;
  }
}

/** After `cmd hello`: how long the answer may take. Never longer than the phase itself was given. */
const HELLO_ANSWER_MS = 10_000;
function helloAnswer(i: Installation): number {
  return Math.min(HELLO_ANSWER_MS, i.state === 'rebooting' ? i.policy.timeouts.confirm : i.policy.timeouts.install);
}
