import type { EventName } from '../webhook/event-names.js';
import type { Device, Installation } from './installation.js';

/** One line of what happened, for people and for proofs. `data` is JSON-safe; members are added, never renamed. */
export interface Entry {
  readonly event: EventName;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Who caused a change: `device:<node>`, `operator:<key>`, `process`. */
export type Cause = { readonly by: string; readonly seq?: number };

/**
 * What the history says of a change of one installation: a difference of two rows, so that no change can be forgotten.
 */
export function entriesOf(before: Installation, after: Installation, cause: Cause): Entry[] {
  const entries: Entry[] = [];
  const say = (event: EventName, data: Record<string, unknown>) =>
    entries.push({ event, data: compact({ by: cause.by, ...data }) });
  if (after.cancel !== null && before.cancel === null) {
    say('cancel_requested', { reason: after.cancel.reason, as: after.cancel.as, deadline: iso(after.cancel.deadline) });
  }
  if (after.cancel === null && before.cancel !== null && after.endedAt === null) say('cancel_refused', {});
  if (after.gate !== before.gate) say('released', {});
  if (
    after.revision !== before.revision &&
    after.state === before.state &&
    after.attempt === before.attempt &&
    after.gate === before.gate
  )
    say('renumbered', { revision: after.revision });
  if (after.helloAskedAt !== null && before.helloAskedAt === null) say('hello_asked', {});
  if (after.executing && !before.executing && before.state === 'queued' && after.state === 'queued') say('turn', {});
  if (after.state !== before.state || after.attempt !== before.attempt) {
    say(after.state, {
      from: before.state,
      attempt: before.attempt,
      seq: cause.seq,
      revision: after.state === 'delivered' ? after.revision : undefined,
      reason: after.endedAt === null ? undefined : after.rejectReason,
      error: after.error !== before.error ? after.error : undefined,
      alreadyInstalled: after.alreadyInstalled || undefined,
      nextAttempt: after.attempt !== before.attempt ? after.attempt : undefined,
      nextActionAt: after.dueAt === null ? undefined : iso(after.dueAt),
    });
  }
  return entries;
}

/**
 * What the history says of a device that fell silent, and of its return. Connections that come and go are not told:
 * a device on a poor radio would fill the history.
 */
export function silenceOf(before: Device, after: Device): Entry[] {
  const { lastSeenAt } = before;
  if (before.silentSince === null && after.silentSince !== null)
    return [
      { event: 'offline', data: { reason: 'silent', ...(lastSeenAt !== null && { lastSeenAt: iso(lastSeenAt) }) } },
    ];
  if (before.silentSince !== null && after.silentSince === null)
    return [{ event: 'online', data: { silentSince: iso(before.silentSince) } }];
  return [];
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

function compact(data: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined && value !== null));
}
