import { phaseDueAt } from './deadlines.js';
import type { Advanced } from './events.js';
import type { Installation } from './installation.js';
import { moved } from './moved.js';
import { CANCEL_ANSWER_MS } from './policy.js';
import { isEnded } from './states.js';

/**
 * Cancel is a handshake. What no device knows of ends at once. What was offered is withdrawn, and the device is asked:
 * it answers `canceled` or CANCEL_TOO_LATE. Without an answer it is cut short soon where `accepted` was never seen,
 * else at the end of its phase.
 */
export function cancel(
  i: Installation,
  event: { reason?: string; as?: 'canceled' | 'superseded' },
  now: number,
): Advanced {
  const as = event.as ?? 'canceled';
  const reason = event.reason ?? null;
  if (isEnded(i.state)) {
    return i.state === 'canceled' || i.state === 'superseded'
      ? { outcome: 'unchanged', next: i }
      : { outcome: 'refused', reason: 'ended' };
  }
  if (i.cancel !== null) return { outcome: 'unchanged', next: i };
  const known = i.executing && i.revision !== null;
  if (!known || (i.state === 'confirming' && as === 'superseded')) {
    const next = moved(i, as === 'superseded' ? 'supersede' : 'cancel', now, {
      rejectedAt: now,
      rejectReason: reason ?? as,
    });
    return next === i ? { outcome: 'refused', reason: 'too_late' } : { outcome: 'applied', next };
  }
  if (i.state === 'confirming') return { outcome: 'refused', reason: 'too_late' };
  const deadline =
    i.state === 'delivered' ? now + CANCEL_ANSWER_MS : Math.max(endOfPhase(i, now), now + CANCEL_ANSWER_MS);
  return { outcome: 'applied', next: moved(i, null, now, { cancel: { requestedAt: now, reason, as, deadline } }) };
}

/** Held at the gate nothing is timed: then it has as long as its next phase would. */
function endOfPhase(i: Installation, now: number): number {
  return phaseDueAt(i) ?? i.deadline ?? now + i.policy.timeouts.install;
}
