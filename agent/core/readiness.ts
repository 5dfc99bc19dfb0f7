import { assertNever } from '../../domain/assert-never.js';
import type { AgentState, Job } from './state.js';
import { isCommitted } from './state.js';

/**
 * What to work on next, or when to look again (epoch milliseconds; null = only something that arrives can change it).
 */
export type Turn = { readonly job: Job } | { readonly at: number | null };

/**
 * One slot at a time: what is already being installed first, then what was asked for first. What waits (a hold, a time,
 * a deferral) does not stand in the way of the others.
 * @param mayInstallAt not before this the step into the slot is taken: after a connect the service is first given the
 *   chance to withdraw.
 */
export function nextTurn(state: AgentState, now: number, mayInstallAt: number): Turn {
  const waiting = Object.values(state.slots)
    .flatMap(({ job }) => (job === null ? [] : [{ job, at: readyAt(job, mayInstallAt) }]))
    .sort(
      (a, b) =>
        Number(isCommitted(b.job)) - Number(isCommitted(a.job)) ||
        a.job.desired.issuedAt.localeCompare(b.job.desired.issuedAt) ||
        (a.job.desired.slot < b.job.desired.slot ? -1 : 1),
    );
  const ready = waiting.find(({ at }) => at <= now);
  if (ready) return { job: ready.job };
  const soonest = Math.min(...waiting.map(({ at }) => at));
  return { at: Number.isFinite(soonest) ? soonest : null };
}

function readyAt(job: Job, mayInstallAt: number): number {
  const notBefore = notBeforeOf(job);
  switch (job.phase) {
    case 'offered':
    case 'installing':
    case 'rebooting':
      return 0;
    case 'ignored':
      return Infinity;
    case 'deferred':
      return job.until ?? 0;
    case 'accepted':
    case 'downloading':
      return notBefore;
    case 'downloaded':
      return job.desired.gate === 'hold' ? Infinity : Math.max(notBefore, mayInstallAt);
    default:
      return assertNever(job.phase);
  }
}

export function notBeforeOf(job: Job): number {
  return job.desired.notBefore === undefined ? 0 : Date.parse(job.desired.notBefore);
}
