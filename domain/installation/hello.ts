import { wantsDocument } from './process-status.js';
import { apply, emptySlot, revise, type Work } from './device-aggregate.js';

/**
 * What a device says of itself after every connect and every reboot (specs/device-mqtt.md, `hello`), as far as facts
 * come of it.
 */
export interface Hello {
  readonly bootId?: string;
  readonly agent?: { readonly name: string; readonly version: string };
  readonly caps?: object;
  readonly slots: Readonly<Record<string, HelloSlot>>;
  /**
   * As its gateway says; absent = the device speaks for itself. A child that cannot be reached says nothing of its
   * slots.
   */
  readonly reachable?: boolean;
}

export interface HelloSlot {
  readonly version: string | null;
  readonly sha256: string | null;
  readonly installationId: string | null;
  readonly revision: number;
  readonly confirmed: boolean;
}

/**
 * What a hello says of a slot updates the slot also when the installation has ended; and it may conclude one that is
 * open.
 */
export function hear(work: Work, hello: Hello, now: number): Work {
  if (hello.reachable === false) return { ...work, device: { ...work.device, reachable: false, online: false } };
  let next: Work = {
    ...work,
    device: {
      ...work.device,
      online: true,
      reachable: true,
      lastSeenAt: now,
      helloAt: now,
      bootId: hello.bootId ?? work.device.bootId,
      agent: hello.agent ?? work.device.agent,
      caps: hello.caps ?? work.device.caps,
    },
  };
  for (const [name, said] of Object.entries(hello.slots)) {
    next = hearSlot(next, name, said);
    for (const one of Object.values(next.installations)) {
      if (one.slot !== name || one.endedAt !== null) continue;
      next = apply(
        next,
        one.id,
        { type: 'seen', sha256: said.sha256, confirmed: said.confirmed, installationId: said.installationId },
        now,
      ).work;
      next = overtake(next, one.id, said.revision);
    }
  }
  return next;
}

function hearSlot(work: Work, name: string, said: HelloSlot): Work {
  const slot = work.slots[name] ?? emptySlot(name);
  const same = slot.sha256 === said.sha256;
  const next = {
    ...slot,
    version: said.version,
    sha256: said.sha256,
    confirmed: said.confirmed,
    // Which firmware it is stays known as long as the content is the same; other content may be anything.
    firmwareId: same ? slot.firmwareId : null,
    installationId: said.installationId ?? (same ? slot.installationId : null),
    // A database restored from a backup must not be ignored for ever: never below what the device has seen.
    revision: Math.max(slot.revision, said.revision),
  };
  return { ...work, slots: { ...work.slots, [name]: next } };
}

/**
 * The device has seen a higher revision than the document bears: the database was restored from a backup. It would
 * ignore the document for ever, so the document gets a revision above it.
 */
function overtake(work: Work, id: string, seen: number): Work {
  const one = work.installations[id];
  if (!one || !wantsDocument(one) || one.revision === null || one.revision >= seen) return work;
  const { work: revised, installation } = revise(work, one);
  return { ...revised, installations: { ...revised.installations, [id]: installation } };
}

/** An `online: false` counts only for the newest session; a last will of an old connection comes late. */
export function presence(work: Work, said: { online: boolean; session: string }, now: number): Work {
  const { device } = work;
  if (!said.online && device.session !== null && device.session !== said.session) return work;
  if (
    device.online === said.online &&
    device.session === said.session &&
    device.lastSeenAt !== null &&
    now - device.lastSeenAt < SEEN_EVERY_MS
  )
    return work;
  return {
    ...work,
    device: {
      ...device,
      online: said.online,
      session: said.session,
      lastSeenAt: said.online ? now : device.lastSeenAt,
    },
  };
}

/**
 * Any report shows that the device is there. Written at most every so often: it is no history, and a row's write per
 * progress would be.
 */
export const SEEN_EVERY_MS = 10_000;
export function sawIt(work: Work, now: number): Work {
  const { device } = work;
  if (device.online && device.lastSeenAt !== null && now - device.lastSeenAt < SEEN_EVERY_MS) return work;
  return { ...work, device: { ...device, online: true, lastSeenAt: now } };
}
