import { assertNever } from '../assert-never.js';
import { shortened } from '../shortened.js';
import type { Installation } from './installation.js';
import { moved } from './moved.js';
import { TABLE } from './table.js';

/**
 * A timer fired: is anything due, by what the row says now? A report may have moved the deadline meanwhile; then
 * nothing happens and the process waits on. Deadlines are judged nowhere else.
 */
export function applyDeadline(i: Installation, now: number, unconfirmed = false): Installation {
  if (i.dueAt === null || now < i.dueAt) return i;
  if (i.cancel !== null) {
    return moved(i, i.cancel.as === 'superseded' ? 'supersede' : 'cancel', now, {
      rejectedAt: now,
      rejectReason: i.cancel.reason ?? 'canceled without an answer from the device',
    });
  }
  if (i.deadline !== null && now >= i.deadline && i.state !== 'confirming')
    return timedOut(i, now, 'the deadline of the installation passed');
  switch (i.state) {
    case 'scheduled':
    case 'queued':
      return i; // `begin` decides, with the whole device in view
    case 'delivered':
      return timedOut(i, now, 'the device did not accept the offer in time');
    case 'accepted':
    case 'downloading':
      return again(i, now, 'DOWNLOAD_TIMED_OUT', 'the download made no progress in time');
    case 'deferred':
      return again(i, now, 'DEFERRED_TOO_LONG', 'the device deferred the installation and did not continue');
    case 'downloaded':
    case 'installing':
      return i.helloAskedAt === null
        ? askHello(i, now)
        : again(i, now, 'INSTALL_TIMED_OUT', 'the device did not report the end of the installation in time');
    case 'rebooting':
      if (i.doubt !== null) return mismatched(i, i.doubt.version, now);
      return i.helloAskedAt === null
        ? askHello(i, now)
        : timedOut(i, now, 'the device did not report its content after the reboot');
    case 'confirming':
      return unconfirmed
        ? timedOut(i, now, 'the device did not confirm the new content during the soak')
        : moved(i, 'succeed', now, { completedAt: now, error: null });
    case 'installed':
    case 'failed':
    case 'rejected':
    case 'canceled':
    case 'timed_out':
    case 'superseded':
      return i;
    default:
      return assertNever(i.state);
  }
}

/**
 * Every status may have been lost: before giving up, ask once what the slots hold (docs/contracts/device-mqtt.md, "Lost
 * status").
 */
function askHello(i: Installation, now: number): Installation {
  return moved(i, null, now, { helloAskedAt: now });
}

function again(i: Installation, now: number, code: string, message: string): Installation {
  if (i.attempt < i.policy.retry.maxAttempts && TABLE[i.state].retry !== null)
    return moved(i, 'retry', now, { error: { code, message } });
  return moved(i, 'timeOut', now, { rejectedAt: now, rejectReason: message, error: { code, message } });
}

function mismatched(i: Installation, version: string, now: number): Installation {
  const message = `the device reported version "${shortened(version, 60)}" as installed, and did not show this content in time`;
  return moved(i, 'fail', now, {
    rejectedAt: now,
    rejectReason: `VERSION_MISMATCH: ${message}`,
    error: { code: 'VERSION_MISMATCH', message },
  });
}

function timedOut(i: Installation, now: number, reason: string): Installation {
  return moved(i, 'timeOut', now, { rejectedAt: now, rejectReason: reason });
}
