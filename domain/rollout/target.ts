import { backOff } from '../back-off.js';
import type { Installation } from '../installation/installation.js';
import { mayRetry } from '../installation/retry.js';
import type { TargetState } from './facts.js';
import type { RetryClass, RetryPlan } from './plan.js';
import { stateAfterTurn } from './turn.js';

/** What a rollout has made of one of its targets so far. */
export interface TargetFacts {
  readonly state: TargetState;
  readonly attempt: number;
  /** An earlier installation of the rollout was offered to the device: it may be what brought the content. */
  readonly wasOffered: boolean;
  /** It was asked to stop: however its installation ends without success, this is what becomes of it. */
  readonly endAs: 'canceled' | 'timedOut' | null;
}

/**
 * Where a target goes. `readyAt`: when it may be admitted again, epoch milliseconds; null = it is not pending, or at
 * once.
 */
export interface TargetMove {
  readonly state: TargetState;
  readonly readyAt: number | null;
  readonly because: string | null;
  /**
   * It was refused before it was offered, or its time was over before its device was heard of: nothing was installed.
   */
  readonly isUnattempted?: boolean;
  /** The offer was withdrawn, and nothing was heard of the device meanwhile: it counts as no attempt. */
  readonly isUnheard?: boolean;
}

const BAD_ENDS = {
  failed: 'failed',
  rejected: 'rejected',
  canceled: 'canceled',
  timed_out: 'timedOut',
  superseded: 'superseded',
} as const;

/**
 * What a change of its installation means to a target; undefined = nothing. A retry is the rollout's, not the
 * installation's: the target returns to `pending`, where it uses no place (docs/contracts/rollouts.md, "Admission").
 * @param heardAt when the device was heard last, epoch milliseconds; null = never
 */
export function targetAfter(
  before: Installation,
  after: Installation,
  target: TargetFacts,
  retry: RetryPlan,
  heardAt: number | null,
  now: number,
): TargetMove | undefined {
  switch (after.state) {
    case 'installed':
      // An attempt that was lost had installed it: then it is this rollout that brought it.
      return {
        state: after.alreadyInstalled && !target.wasOffered ? 'alreadyInstalled' : 'installed',
        readyAt: null,
        because: null,
      };
    case 'failed':
    case 'rejected':
    case 'canceled':
    case 'timed_out':
    case 'superseded':
      return afterBadEnd(after, after.state, target, retry, heardAt, now);
    case 'scheduled':
    case 'queued': {
      const state = after.place === 'has' ? 'inFlight' : 'queued';
      return target.state === state ? undefined : { state, readyAt: null, because: null };
    }
    default:
      return target.state === 'queued' && before.state !== after.state
        ? { state: 'inFlight', readyAt: null, because: null }
        : undefined;
  }
}

function afterBadEnd(
  i: Installation,
  state: keyof typeof BAD_ENDS,
  target: TargetFacts,
  retry: RetryPlan,
  heardAt: number | null,
  now: number,
): TargetMove {
  const because = i.rejectReason ?? (i.error ? `${i.error.code}: ${i.error.message}` : null);
  const unheard = i.startedAt === null && (i.offeredAt === null || heardAt === null || heardAt <= i.offeredAt);
  if (target.endAs !== null)
    return {
      state: target.endAs,
      readyAt: null,
      because,
      isUnattempted: target.endAs === 'timedOut' && unheard && target.attempt <= 1,
    };
  const refused = stateAfterTurn(i);
  if (refused !== undefined) return { state: refused, readyAt: null, because, isUnattempted: refused === 'rejected' };
  const left = target.attempt < retry.maxAttempts;
  const isWithdrawn = state === 'timed_out' && i.startedAt === null;
  const isUnheard = isWithdrawn && i.offeredAt !== null && unheard;
  // Ready at once, and behind all that had no try: admission asks for those first.
  if (isWithdrawn && (left || isUnheard))
    return {
      state: 'pending',
      readyAt: now,
      isUnheard,
      because: isUnheard
        ? 'nothing was heard of the device while it had the offer, which was withdrawn and is no attempt'
        : `attempt ${target.attempt}: the offer was not accepted in time and was withdrawn`,
    };
  const kind = retryClassOf(state, i.error);
  if (left && kind !== undefined && retry.on.includes(kind)) {
    return {
      state: 'pending',
      readyAt: now + backoffBefore(retry, target.attempt + 1),
      because: `attempt ${target.attempt}: ${because ?? state}`,
    };
  }
  return { state: BAD_ENDS[state], readyAt: null, because };
}

/**
 * What the slot of a target held before this rollout: what it held when the installation got its turn, for each attempt
 * anew. Where it then held the rollout's own content, an earlier attempt had brought it, and the earlier record stays.
 * @param known the record so far; SHA-256, null = unknown
 */
export function earlierContent(i: Installation, known: string | null): string | null {
  return i.revision === null || i.priorSha256 === i.sha256 ? known : i.priorSha256;
}

const DOWNLOAD_ERRORS: ReadonlySet<string> = new Set(['HASH_MISMATCH', 'DOWNLOAD_FAILED']);

/** By the class of the error, never by hope: what ends the same way each time is not tried again. */
export function retryClassOf(state: keyof typeof BAD_ENDS, error: Installation['error']): RetryClass | undefined {
  if (state === 'timed_out') return 'timeout';
  if ((state !== 'failed' && state !== 'rejected') || error === null || !mayRetry(error)) return undefined;
  return DOWNLOAD_ERRORS.has(error.code) ? 'download' : 'install';
}

/** Milliseconds before attempt `attempt` (2, 3, …) begins. */
export function backoffBefore({ backoff }: RetryPlan, attempt: number): number {
  return backOff(attempt - 1, { firstMs: backoff.first, maxMs: backoff.max, factor: backoff.factor });
}
