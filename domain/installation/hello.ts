import { wantsDocument } from './process-status.js';
import type { Boot, Caps } from './installation.js';
import { apply, emptySlot, LAST_REVISION, revise, type DeviceAggregate } from './device-aggregate.js';

/**
 * What a device says of itself after every connect and every reboot (docs/contracts/device-mqtt.md, "Payloads"), as far
 * as facts come of it.
 */
export interface Hello {
  readonly bootId?: string;
  readonly agent?: { readonly name: string; readonly version: string };
  readonly caps?: Caps;
  /** What it calls its type. */
  readonly deviceType?: string;
  readonly slots: Readonly<Record<string, HelloSlot>>;
  /**
   * As its gateway says; absent = the device speaks for itself. A child that cannot be reached says nothing of its
   * slots.
   */
  readonly reachable?: boolean;
}

/**
 * One slot as a hello tells of it. null = unknown, which is not the same as other content
 * (docs/contracts/device-mqtt.md, "What fails at a hello").
 */
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
export function applyHello(aggregate: DeviceAggregate, hello: Hello, now: number): DeviceAggregate {
  if (hello.reachable === false)
    return { ...aggregate, device: { ...aggregate.device, reachable: false, online: false } };
  const isOwn = hello.reachable === undefined;
  const boots = isOwn ? bootsWith(aggregate.device.boots, hello.bootId, now) : aggregate.device.boots;
  const bootHeardAt = isOwn ? (boots.find(({ id }) => id === hello.bootId)?.at ?? null) : null;
  let next: DeviceAggregate = {
    ...aggregate,
    device: {
      ...aggregate.device,
      online: true,
      reachable: true,
      lastSeenAt: now,
      silentSince: null,
      helloAt: now,
      bootId: hello.bootId ?? aggregate.device.bootId,
      boots,
      agent: hello.agent ?? aggregate.device.agent,
      caps: hello.caps ?? aggregate.device.caps,
      saidType: hello.deviceType ?? aggregate.device.saidType,
    },
  };
  for (const [name, said] of Object.entries(hello.slots)) {
    next = applySlot(next, name, said);
    for (const one of Object.values(next.installations)) {
      if (one.slot !== name || one.endedAt !== null) continue;
      next = apply(
        next,
        one.id,
        {
          type: 'seen',
          sha256: said.sha256,
          confirmed: said.confirmed,
          installationId: said.installationId,
          bootHeardAt,
        },
        now,
      ).aggregate;
      next = raiseAbove(next, one.id, said.revision);
    }
  }
  return next;
}

/** As many as a device boots while one of its hellos is on its way; older ones are taken for new. */
const BOOTS_KEPT = 16;

function bootsWith(boots: readonly Boot[], id: string | undefined, now: number): readonly Boot[] {
  if (id === undefined || boots.some((one) => one.id === id)) return boots;
  return [...boots, { id, at: now }].slice(-BOOTS_KEPT);
}

function applySlot(aggregate: DeviceAggregate, name: string, said: HelloSlot): DeviceAggregate {
  const { firmwareVersion, ...slot } = aggregate.slots[name] ?? emptySlot(name);
  const same = slot.sha256 === said.sha256;
  const next = {
    ...slot,
    version: said.version,
    // Of other content it is looked up when the slot is read again.
    ...(same && firmwareVersion !== undefined ? { firmwareVersion } : {}),
    sha256: said.sha256,
    confirmed: said.confirmed,
    // Which firmware it is stays known as long as the content is the same; other content may be anything.
    firmwareId: same ? slot.firmwareId : null,
    installationId: said.installationId ?? (same ? slot.installationId : null),
    // A database restored from a backup must not be ignored for ever: never below what the device has seen.
    revision: Math.max(slot.revision, Math.min(said.revision, LAST_REVISION - 1)),
  };
  return { ...aggregate, slots: { ...aggregate.slots, [name]: next } };
}

/**
 * The device has seen a higher revision than the document bears: the database was restored from a backup. It would
 * ignore the document for ever, so the document gets a revision above it.
 */
function raiseAbove(aggregate: DeviceAggregate, id: string, seen: number): DeviceAggregate {
  const one = aggregate.installations[id];
  if (!one || !wantsDocument(one) || one.revision === null || one.revision >= seen) return aggregate;
  const { aggregate: revised, installation } = revise(aggregate, one);
  return { ...revised, installations: { ...revised.installations, [id]: installation } };
}
