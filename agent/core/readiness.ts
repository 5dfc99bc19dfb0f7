import { assertNever } from '../../domain/assert-never.js';
import { leftOf, type Moment } from './clock.js';
import type { AgentState, Job } from './state.js';
import { isCommitted } from './state.js';

/**
 * What to work on next, or in how many milliseconds to look again (null = only something that arrives can change it).
 */
export type Turn = { readonly job: Job } | { readonly inMs: number | null };

/**
 * One slot at a time: what is already being installed first, then what was asked for first. What waits (a hold, a time,
 * a deferral) does not stand in the way of the others.
 * @param mayInstallAt not before this (by the monotonic clock) the step into the slot is taken: after a connect the
 *   service is first given the chance to withdraw.
 */
export function nextTurn(state: AgentState, now: Moment, mayInstallAt: number): Turn {
  const waiting = Object.values(state.slots)
    .flatMap(({ job }) => (job === null ? [] : [{ job, inMs: readyIn(job, now, mayInstallAt) }]))
    .sort(
      (a, b) =>
        Number(isCommitted(b.job)) - Number(isCommitted(a.job)) ||
        a.job.desired.issuedAt.localeCompare(b.job.desired.issuedAt) ||
        (a.job.desired.slot < b.job.desired.slot ? -1 : 1),
    );
  const ready = waiting.find(({ inMs }) => inMs <= 0);
  if (ready) return { job: ready.job };
  const soonest = Math.min(...waiting.map(({ inMs }) => inMs));
  return { inMs: Number.isFinite(soonest) ? soonest : null };
}

/** Milliseconds; Infinity = until something arrives. */
function readyIn(job: Job, now: Moment, mayInstallAt: number): number {
  switch (job.phase) {
    case 'offered':
    case 'installing':
    case 'rebooting':
      return 0;
    case 'ignored':
      return Infinity;
    case 'deferred':
      return job.wait ? leftOf(job.wait, now) : untilBegin(job, now);
    case 'accepted':
    case 'downloading':
      return untilBegin(job, now);
    case 'downloaded':
      return job.desired.gate === 'hold' ? Infinity : Math.max(untilBegin(job, now), mayInstallAt - now.monotonic);
    default:
      return assertNever(job.phase);
  }
}

/**
 * How long the document's `notBefore` is away, milliseconds; 0 = it may begin. A clock that runs behind makes it no
 * longer than the time between the document's issue and `notBefore`.
 */
export function untilBegin({ desired: { notBefore }, begin }: Job, now: Moment): number {
  if (notBefore === undefined) return 0;
  const byWall = Math.max(0, Date.parse(notBefore) - now.wall);
  // A file of an older agent has no such span.
  return begin ? Math.min(byWall, leftOf(begin, now)) : byWall;
}
