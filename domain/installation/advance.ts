import { assertNever } from '../assert-never.js';
import { shortened } from '../shortened.js';
import { cancel } from './cancel.js';
import { applyDeadline } from './judge.js';
import type { Advanced, InstallationEvent, ReportEvent } from './events.js';
import type { Installation } from './installation.js';
import { moved } from './moved.js';
import { REASON_CHARACTERS } from './policy.js';
import { mayRetry } from './retry.js';
import { isEnded } from './states.js';
import { TABLE } from './table.js';

/** What one installation is enough for: a turn and a place need the whole device. */
export type EventOfOne = Exclude<InstallationEvent, { type: 'begin' | 'place' }>;

/**
 * The one decision about one installation: pure, total, no clock. `begin` and `place` need the whole device and are
 * decided in device-aggregate.ts.
 */
export function advance(i: Installation, event: EventOfOne, now: number): Advanced {
  switch (event.type) {
    case 'progress':
      return changed(i, progressed(i, event, now));
    case 'seen':
      return changed(i, seen(i, event, now));
    case 'deadline':
      return changed(i, applyDeadline(i, now, event.unconfirmed ?? false));
    case 'cancel':
      return cancel(i, event, now);
    case 'release':
      return release(i, now);
    default:
      return report(i, event, now);
  }
}

function changed(before: Installation, next: Installation): Advanced {
  return { outcome: next === before ? 'unchanged' : 'applied', next };
}

function report(i: Installation, event: ReportEvent, now: number): Advanced {
  if (event.slot !== undefined && event.slot !== i.slot) return { outcome: 'refused', reason: 'wrong_slot' };
  if (event.attempt !== undefined && event.attempt < i.attempt) return { outcome: 'refused', reason: 'stale_attempt' };
  if (event.attempt !== undefined && event.attempt > i.attempt)
    return { outcome: 'refused', reason: 'unknown_attempt' };
  if (isEnded(i.state))
    return agrees(i, event) ? { outcome: 'unchanged', next: i } : { outcome: 'refused', reason: 'ended' };
  // A duplicate, or overtaken. What ends an attempt is never dropped for its number: a device that lost its count must
  // not be unheard.
  const late = event.seq !== undefined && event.seq <= i.lastSeq;
  if (late && !ENDING.has(event.type)) return { outcome: 'unchanged', next: i };
  // Said again over REST, which counts no attempts: the first time stays, and nothing begins once more.
  if (event.type === 'accepted' && event.attempt === undefined && i.startedAt !== null)
    return { outcome: 'unchanged', next: i };
  const next = reported(event.error?.code === 'CANCEL_TOO_LATE' ? cancelRefused(i, now) : i, event, now);
  if (next === i) return { outcome: 'unchanged', next };
  return {
    outcome: 'applied',
    next:
      event.seq !== undefined && next.attempt === i.attempt
        ? { ...next, lastSeq: Math.max(i.lastSeq, event.seq) }
        : next,
  };
}

const ENDING: ReadonlySet<string> = new Set(['installed', 'failed', 'rejected', 'canceled']);

/** Whether an ended installation says already what the report says: then it is a repetition, and a success. */
function agrees(i: Installation, event: ReportEvent): boolean {
  switch (event.type) {
    case 'installed':
      return i.completedAt !== null;
    case 'failed':
    case 'rejected':
    case 'canceled':
      return i.rejectedAt !== null;
    default:
      return i.startedAt !== null;
  }
}

/**
 * The device goes on although it was asked to stop: the cancellation is over, its document is wanted again, and it has
 * its phase's time as before.
 */
function cancelRefused(i: Installation, now: number): Installation {
  return i.cancel === null ? i : moved(i, null, now, { cancel: null });
}

function reported(i: Installation, event: ReportEvent, now: number): Installation {
  const at = event.at ?? now;
  switch (event.type) {
    case 'accepted':
      return moved(i, 'accept', now, { startedAt: i.startedAt ?? at });
    case 'downloading':
      return moved(i, 'download', now, { startedAt: i.startedAt ?? at });
    case 'downloaded':
      return moved(i, 'downloaded', now, { startedAt: i.startedAt ?? at });
    case 'installing':
      return moved(i, 'install', now, { startedAt: i.startedAt ?? at });
    case 'rebooting':
      return moved(i, 'reboot', now, { startedAt: i.startedAt ?? at });
    case 'deferred':
      return deferred(i, event.forMs, now);
    case 'installed':
      return event.doubted ? doubted(i, event.version ?? '', now) : confirmed(i, at, now, {});
    case 'failed':
    case 'rejected':
      return unsuccessful(i, event, at, now);
    case 'canceled':
      return moved(i, i.cancel?.as === 'superseded' ? 'supersede' : 'cancel', now, {
        rejectedAt: at,
        rejectReason: i.cancel?.reason ?? 'canceled by the device',
      });
    default:
      return assertNever(event);
  }
}

/** By the service's own clock: a device's may say anything. */
function deferred(i: Installation, forMs: number | undefined, now: number): Installation {
  const since = i.deferral?.since ?? now;
  const limit = since + i.policy.maxDefer;
  return moved(i, 'defer', now, {
    deferral: { since, until: forMs === undefined ? limit : Math.min(now + forMs, limit) },
  });
}

/**
 * It says `installed` with a version that cannot be this firmware's: it is asked for a hello, and has the time of the
 * confirmation to show this content (docs/contracts/device-mqtt.md, "Versions"). Said again, nothing changes.
 */
function doubted(i: Installation, version: string, now: number): Installation {
  if (i.doubt !== null || i.state === 'confirming') return i;
  const doubt = { doubt: { version, since: now }, helloAskedAt: now };
  return i.state === 'rebooting' ? moved(i, null, now, { ...doubt, stateSince: now }) : moved(i, 'reboot', now, doubt);
}

/** The new content is in the slot and says so itself: it ends, or begins to prove itself. */
function confirmed(i: Installation, at: number, now: number, also: Partial<Installation>): Installation {
  return i.policy.soak > 0 && i.state !== 'confirming'
    ? moved(i, 'soak', now, { startedAt: i.startedAt ?? at, cancel: null, ...PROVEN, ...also })
    : i.state === 'confirming'
      ? i
      : moved(i, 'succeed', now, { completedAt: at, ...PROVEN, ...also });
}

/** What an attempt before this one ended with, or what was doubted, is no news of an installation that succeeded. */
const PROVEN = { error: null, doubt: null } as const;

type Unsuccessful = Extract<ReportEvent, { type: 'failed' | 'rejected' }>;

function unsuccessful(i: Installation, event: Unsuccessful, at: number, now: number): Installation {
  const { error } = event;
  if (error?.code === 'CANCEL_TOO_LATE') return i; // "goes on … and its normal end": that is still to come
  if (error?.code === 'ALREADY_INSTALLED') return confirmed(i, at, now, { alreadyInstalled: true });
  const said = error ? { code: error.code, message: error.message } : null;
  // A writer of `rejectedAt` may leave the reason out, and reads back what was written; of a device's word there is
  // always one.
  const unexplained = event.final === true ? null : `the device reported ${event.type} without a reason`;
  const reason = error
    ? shortened(error.message === '' ? error.code : `${error.code}: ${error.message}`, REASON_CHARACTERS)
    : (event.reason ?? unexplained);
  if (i.cancel !== null) {
    return moved(i, i.cancel.as === 'superseded' ? 'supersede' : 'cancel', now, {
      rejectedAt: at,
      rejectReason: i.cancel.reason ?? reason,
      error: said ?? i.error,
    });
  }
  if (
    event.final !== true &&
    mayRetry(error) &&
    i.attempt < i.policy.retry.maxAttempts &&
    TABLE[i.state].retry !== null
  ) {
    return moved(i, 'retry', now, { error: said });
  }
  return moved(i, event.type === 'failed' ? 'fail' : 'reject', now, {
    rejectedAt: at,
    rejectReason: reason,
    error: said ?? i.error,
  });
}

function progressed(
  i: Installation,
  event: { phase: string; bytes: number; total: number },
  now: number,
): Installation {
  if (isEnded(i.state) || i.revision === null) return i;
  const before = i.progress;
  // More bytes than there are, or a phase that was over: no sign that it gets on.
  if (event.total > 0 && event.bytes > event.total) return i;
  const [phase, phaseBefore] = [PHASES.indexOf(event.phase), before === null ? -1 : PHASES.indexOf(before.phase)];
  const advances = before === null || phase > phaseBefore || (phase === phaseBefore && event.bytes > before.bytes);
  if (!advances) return i; // lost, repeated or overtaken: progress is not history
  return moved(i, null, now, {
    progress: { phase: event.phase, bytes: event.bytes, total: event.total, at: now, movedAt: now },
  });
}

/** In the order in which a device, or a gateway for its child, goes through them. */
const PHASES: readonly string[] = ['download', 'push', 'install'];

/**
 * What a hello says of the slot. It concludes only where the content came by this installation, or where no one says by
 * which and the slot held something else when the document was published (docs/contracts/device-mqtt.md, "What
 * confirms").
 */
function seen(i: Installation, event: Extract<InstallationEvent, { type: 'seen' }>, now: number): Installation {
  if (isEnded(i.state)) return i;
  if (isKnownOther(event.sha256, i)) {
    if (isBack(i, event)) return wentBack(i, now);
    // Not proven: the deadline decides, and people read that it is back.
    return i.state === 'rebooting' && i.backAt === null ? moved(i, null, now, { backAt: now }) : i;
  }
  if (i.state === 'confirming' || event.sha256 !== i.sha256 || !event.confirmed) return i;
  const byThis = event.installationId === i.id;
  const byItself = event.installationId === null && i.revision !== null && i.priorSha256 !== i.sha256;
  return byThis || byItself ? confirmed(i, now, now, {}) : i;
}

/** What is unknown is not other. */
function isKnownOther(sha256: string | null, i: Installation): boolean {
  return sha256 !== null && sha256 !== i.sha256;
}

/**
 * Whether a hello with other content ends the attempt (docs/contracts/device-mqtt.md, "What fails at a hello"). In
 * `rebooting` only the device's own word, after a boot that was never heard of before it reported that it reboots, and
 * only where that boot is confirmed. In the soak a hello of a boot before the attempt was redelivered.
 */
function isBack(i: Installation, event: Extract<InstallationEvent, { type: 'seen' }>): boolean {
  const { bootHeardAt } = event;
  if (i.state === 'confirming') return bootHeardAt === null || i.offeredAt === null || bootHeardAt >= i.offeredAt;
  return i.state === 'rebooting' && event.confirmed && bootHeardAt !== null && bootHeardAt >= i.stateSince;
}

function wentBack(i: Installation, now: number): Installation {
  const message =
    i.state === 'confirming'
      ? 'the device reported other content during the soak'
      : 'the device restarted with the old content';
  return moved(i, 'fail', now, {
    rejectedAt: now,
    rejectReason: `BOOT_FAILED_ROLLED_BACK: ${message}`,
    error: { code: 'BOOT_FAILED_ROLLED_BACK', message },
    doubt: null,
  });
}

function release(i: Installation, now: number): Advanced {
  if (isEnded(i.state)) return { outcome: 'refused', reason: 'ended' };
  if (i.gate === 'go') return { outcome: 'unchanged', next: i };
  // What was downloaded long ago gets the whole time to install from now on.
  return changed(i, moved(i, null, now, { gate: 'go', stateSince: i.state === 'downloaded' ? now : i.stateSince }));
}
