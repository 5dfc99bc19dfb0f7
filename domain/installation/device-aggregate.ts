import { orderOfVersions } from '../artifact/order.js';
import { defined } from '../defined.js';
import { advance, type EventOfOne } from './advance.js';
import type { Advanced, InstallationEvent } from './events.js';
import type { Device, Installation, Slot } from './installation.js';
import { moved } from './moved.js';
import { holdsContent, type SlotNow } from './slot-now.js';
import { isEnded } from './states.js';
import { judgeTurn } from '../rollout/turn.js';

/**
 * A device with its slots and everything that is open on it: what one report can touch, and what is locked together.
 */
export interface DeviceAggregate {
  readonly device: Device;
  readonly slots: Readonly<Record<string, Slot>>;
  /** The open ones, and those that a report names although they have ended. By id. */
  readonly installations: Readonly<Record<string, Installation>>;
  /** Its tenant is suspended (or goes): nothing begins on the device, and what was offered goes on. */
  readonly suspended?: boolean;
}

/** What one slot holds, and what is open on it. */
export function slotNow({ slots, installations }: DeviceAggregate, name: string): SlotNow {
  const { sha256, version: said, firmwareVersion, confirmed } = slots[name] ?? emptySlot(name);
  const version = said ?? firmwareVersion ?? null;
  const open = Object.values(installations).filter((one) => one.slot === name && one.endedAt === null);
  return { sha256, version, confirmed, open: open.map((one) => one.id) };
}

/** What a report did to the work. The same reference where nothing changed. */
export interface Done {
  readonly aggregate: DeviceAggregate;
  readonly result: Advanced | { readonly outcome: 'refused'; readonly reason: 'unknown_installation' };
}

/** One event of one installation, with the whole device in view: its turn, its slot's revision, and who is next. */
export function apply(aggregate: DeviceAggregate, installationId: string, event: InstallationEvent, now: number): Done {
  const before = aggregate.installations[installationId];
  if (!before) return { aggregate, result: { outcome: 'refused', reason: 'unknown_installation' } };
  if (event.type === 'begin') return begin(aggregate, before, event, now);
  if (event.type === 'place') return placed(aggregate, before, now);
  const result = advance(before, inView(aggregate, before, event), now);
  if (result.outcome !== 'applied') return { aggregate, result };
  const done = named(settle(aggregate, before, result.next, now), result.next, event);
  const settled = event.type === 'rebooting' ? withEarlierBoots(done, now) : done;
  return {
    aggregate: settled,
    result: { outcome: 'applied', next: settled.installations[installationId] ?? result.next },
  };
}

/**
 * Boots that were heard of before the device reported that it reboots lie before that, also where one batch brought
 * both at the same moment: a repeated hello of such a boot must not look like the restart.
 */
function withEarlierBoots(aggregate: DeviceAggregate, now: number): DeviceAggregate {
  const { device } = aggregate;
  if (!device.boots.some(({ at }) => at >= now)) return aggregate;
  const boots = device.boots.map((boot) => ({ ...boot, at: Math.min(boot.at, now - 1) }));
  return { ...aggregate, device: { ...device, boots } };
}

/** An event with what it means on this device, which its installation alone does not show. */
function inView(aggregate: DeviceAggregate, i: Installation, event: EventOfOne): EventOfOne {
  const slot = aggregate.slots[i.slot];
  if (event.type === 'installed') return { ...event, doubted: doubts(event.version, i, slot) };
  if (event.type === 'deadline')
    return { ...event, unconfirmed: slot?.sha256 === i.sha256 && !slot.confirmed && slot.installationId === i.id };
  return event;
}

/**
 * Whether a device that reports this version as installed cannot hold this firmware: it compares as different from the
 * firmware's own, or is to the letter what the slot held before. A firmware without a version is not compared. What the
 * slot holds already by the device's hello is not doubted.
 */
function doubts(version: string | undefined, i: Installation, slot: Slot | undefined): boolean {
  if (version === undefined || slot?.sha256 === i.sha256) return false;
  const order = i.version === null ? 'incomparable' : orderOfVersions(i.version, version);
  return order === 'older' || order === 'newer' || slot?.version === version;
}

/** What the device calls its new content is kept: people see on the device what they see here. */
function named(aggregate: DeviceAggregate, i: Installation, event: InstallationEvent): DeviceAggregate {
  const slot = aggregate.slots[i.slot];
  if (event.type !== 'installed' || event.version === undefined || slot?.sha256 !== i.sha256) return aggregate;
  return { ...aggregate, slots: { ...aggregate.slots, [i.slot]: { ...slot, version: event.version } } };
}

/** Puts a changed installation back, and draws the consequences for its slot and for the others in the line. */
function settle(aggregate: DeviceAggregate, before: Installation, after: Installation, now: number): DeviceAggregate {
  const working = !isEnded(after.state) && after.state !== 'scheduled' && after.state !== 'queued';
  // Begun by hand, it takes its place without being asked.
  const begun: Installation = working && after.place !== 'has' ? { ...after, place: 'has' } : after;
  const turn =
    working && !after.executing && executing(aggregate, after.id) === undefined ? startTurn(begun, now) : begun;
  const revised =
    turn.gate !== before.gate && turn.revision !== null ? revise(aggregate, turn) : { aggregate, installation: turn };
  let next = put(revised.aggregate, revised.installation);
  if (turn.state === 'installed' || turn.state === 'confirming') next = holds(next, turn);
  if (turn.helloAskedAt !== null && before.helloAskedAt === null)
    next = { ...next, device: { ...next.device, helloWantedAt: now } };
  return before.executing && !turn.executing ? nextInLine(next, now) : next;
}

/** What the store found out about the installations of the device. */
type Judged = Omit<Extract<InstallationEvent, { type: 'begin' }>, 'type'>;

/**
 * Is it time, and is it my turn? Then the offer is made: it gets the slot's next revision, and the document follows
 * from that.
 */
function begin(aggregate: DeviceAggregate, i: Installation, judged: Judged, now: number): Done {
  const unchanged: Done = { aggregate, result: { outcome: 'unchanged', next: i } };
  if (isEnded(i.state)) return unchanged;
  if (i.deadline !== null && now >= i.deadline && !i.executing) {
    return applied(
      aggregate,
      i,
      moved(i, 'timeOut', now, {
        rejectedAt: now,
        rejectReason: 'the deadline of the installation passed before it started',
      }),
      now,
    );
  }
  if (!isDue(i, now)) return unchanged;
  if (aggregate.suspended && (i.state === 'scheduled' || i.state === 'queued'))
    return i.state === 'queued' && !i.executing ? unchanged : applied(aggregate, i, withoutTurn(i, now), now);
  const first = nextDue(aggregate, i, now);
  if (first !== undefined) {
    // Its process finds the offer made, as it would find the turn taken.
    const ahead = begin(aggregate, first, judged, now).aggregate;
    const own = defined(ahead.installations[i.id], 'an offer removes no installation');
    return begin(ahead, own, judged, now);
  }
  if (!i.executing && executing(aggregate, i.id) !== undefined)
    return applied(aggregate, i, moved(i, 'queue', now, { retryAt: null, place: placeBehind(i) }), now);
  const slot = aggregate.slots[i.slot];
  // Before its first attempt, or after one whose outcome was lost: the device has said since that it holds the content.
  if (
    holdsContent(slot, i.sha256) &&
    (i.startedAt === null || (i.attempt > 1 && (i.state === 'scheduled' || i.state === 'queued')))
  ) {
    return applied(
      aggregate,
      { ...i, executing: true },
      moved(i, 'succeed', now, { completedAt: now, alreadyInstalled: true }),
      now,
    );
  }
  if (i.state !== 'scheduled' && i.state !== 'queued')
    return i.executing ? unchanged : applied(aggregate, i, startTurn(i, now), now);
  const refusal =
    judged.unfit?.[i.id] ?? judgeTurn(i, slotNow(aggregate, i.slot), !(judged.unassociated ?? []).includes(i.id));
  if (refusal !== undefined)
    return applied(
      aggregate,
      { ...i, executing: true },
      moved(i, 'cancel', now, { rejectedAt: now, rejectReason: refusal.message, error: refusal }),
      now,
    );
  if (i.place !== 'has') return applied(aggregate, i, wanting(i, now), now);
  const revised = revise(aggregate, { ...i, executing: true });
  const offered = moved(revised.installation, 'offer', now, {
    retryAt: null,
    offeredAt: now,
    priorSha256: slot?.sha256 ?? null,
  });
  return applied(revised.aggregate, i, offered, now);
}

function isDue(i: Installation, now: number): boolean {
  return i.state !== 'scheduled' || (i.retryAt ?? i.notBefore ?? 0) <= now;
}

/** It waits in the line, also where it had its turn and was not offered yet. */
function withoutTurn(i: Installation, now: number): Installation {
  const changes = { executing: false, retryAt: null, place: placeBehind(i) };
  return moved(i, i.state === 'queued' ? null : 'queue', now, changes);
}

/**
 * Who goes before this one on a device on which nothing executes: whichever of their processes asks first, the order is
 * that of the line. Where nothing executes, only a suspended tenant has left others queued that need no place.
 */
function nextDue(aggregate: DeviceAggregate, i: Installation, now: number): Installation | undefined {
  if ((i.state !== 'scheduled' && i.state !== 'queued') || executing(aggregate) !== undefined) return undefined;
  const [first] = Object.values(aggregate.installations)
    .filter(
      (one) =>
        one.id === i.id ||
        ((one.state === 'scheduled' ? isDue(one, now) : one.state === 'queued' && one.place === 'has') &&
          (one.deadline === null || one.deadline > now)),
    )
    .sort(byLine);
  return first === undefined || first.id === i.id ? undefined : first;
}

/** The highest priority, then the oldest. */
function byLine(a: Installation, b: Installation): number {
  return b.priority - a.priority || a.requestedAt - b.requestedAt || (a.id < b.id ? -1 : 1);
}

function applied(aggregate: DeviceAggregate, before: Installation, after: Installation, now: number): Done {
  if (after === before) return { aggregate, result: { outcome: 'unchanged', next: before } };
  const settled = settle(aggregate, before, after, now);
  return { aggregate: settled, result: { outcome: 'applied', next: settled.installations[after.id] ?? after } };
}

/** What executes on the device, other than `except`. */
export function executing(aggregate: DeviceAggregate, except?: string): Installation | undefined {
  return Object.values(aggregate.installations).find((one) => one.executing && one.id !== except);
}

/**
 * The turn goes to the first that waits for it (also where a person began out of turn): the highest priority, then the
 * oldest. Its process makes the offer. One that needs a place of its rollout asks for it, and holds up nothing
 * meanwhile.
 */
function nextInLine(aggregate: DeviceAggregate, now: number): DeviceAggregate {
  if (aggregate.suspended || executing(aggregate)) return aggregate;
  const line = Object.values(aggregate.installations)
    .filter((one) => !isEnded(one.state) && one.state !== 'scheduled' && (one.deadline === null || one.deadline > now))
    .sort(byLine);
  let next = aggregate;
  for (const one of line) {
    if (one.place === 'has') return put(next, startTurn(one, now));
    next = put(next, wanting(one, now));
  }
  return next;
}

/** Behind another one it takes no place: a device that cannot move would hold up the rollout. */
function placeBehind(i: Installation): Installation['place'] {
  return i.rolloutId === null ? 'has' : 'none';
}

/** It has been asked for once; that stands until it is given, or another one executes. */
function wanting(i: Installation, now: number): Installation {
  const queued = moved(i, 'queue', now, { retryAt: null });
  return queued.place === 'wanted' ? queued : moved(queued, null, now, { place: 'wanted' });
}

/** The place comes with the turn, or is given back at once: another one may have begun meanwhile. */
function placed(aggregate: DeviceAggregate, i: Installation, now: number): Done {
  const unchanged: Done = { aggregate, result: { outcome: 'unchanged', next: i } };
  if (isEnded(i.state) || i.place === 'has' || aggregate.suspended) return unchanged;
  if (executing(aggregate, i.id) !== undefined)
    return i.place === 'none' ? unchanged : applied(aggregate, i, moved(i, null, now, { place: 'none' }), now);
  return applied(aggregate, i, startTurn({ ...i, place: 'has' }, now), now);
}

/**
 * What was begun by hand, out of turn, has the whole time of its phase from now on: before, the device was
 * not told to hurry.
 */
function startTurn(i: Installation, now: number): Installation {
  return moved(i, null, now, { executing: true, stateSince: i.state === 'queued' ? i.stateSince : now });
}

/** The last one that JSON carries everywhere: 53 bits. No document can be above it. */
export const LAST_REVISION = Number.MAX_SAFE_INTEGER;

/** The next revision of the slot: the device ignores a lower or equal one, so it only ever rises. */
export function revise(
  aggregate: DeviceAggregate,
  i: Installation,
): { aggregate: DeviceAggregate; installation: Installation } {
  const slot = aggregate.slots[i.slot] ?? emptySlot(i.slot);
  const revision = Math.min(slot.revision + 1, LAST_REVISION);
  return {
    aggregate: { ...aggregate, slots: { ...aggregate.slots, [i.slot]: { ...slot, revision } } },
    installation: { ...i, revision },
  };
}

/** The slot holds the content: the new version said so itself, or a user with the permission. */
function holds(aggregate: DeviceAggregate, i: Installation): DeviceAggregate {
  const slot = aggregate.slots[i.slot] ?? emptySlot(i.slot);
  if (slot.sha256 === i.sha256 && slot.confirmed && slot.firmwareId === i.firmwareId) return aggregate;
  const held: Slot = {
    ...slot,
    sha256: i.sha256,
    firmwareId: i.firmwareId,
    installationId: i.id,
    version: i.version,
    ...(slot.firmwareVersion === undefined ? {} : { firmwareVersion: i.version }),
    confirmed: true,
  };
  return { ...aggregate, slots: { ...aggregate.slots, [i.slot]: held } };
}

/** A slot that no hello and no installation has told of yet: nothing in it is known, and its revision is 0. */
export function emptySlot(slot: string): Slot {
  return {
    slot,
    version: null,
    sha256: null,
    firmwareId: null,
    installationId: null,
    confirmed: false,
    revision: 0,
    told: null,
  };
}

function put(aggregate: DeviceAggregate, i: Installation): DeviceAggregate {
  return { ...aggregate, installations: { ...aggregate.installations, [i.id]: i } };
}
