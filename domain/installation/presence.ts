import type { Device } from './installation.js';
import type { DeviceAggregate } from './device-aggregate.js';

/**
 * Whether a device is online (docs/contracts/device-mqtt.md, "Topics"): from its hello, presence or any report, until
 * presence says `false`, the broker says that the connection ended, or nothing was heard from it for too long.
 */
export interface Presence {
  readonly online: boolean;
  readonly session: string;
  /**
   * `retained`: what the broker had kept, which may be old. `connection`: the broker's own word that the device has no
   * connection. Absent: the device says it now.
   */
  readonly source?: 'retained' | 'connection';
}

/**
 * An `online: false` counts only for the newest session; a last will of an old connection comes late. The broker's word
 * counts for every session.
 *
 * What a broker retained of the session that is known already is no news: whatever became of the device meanwhile is
 * known better. Of another session it is, but it is no sign of life: it may have been said long ago.
 */
export function applyPresence(aggregate: DeviceAggregate, said: Presence, now: number): DeviceAggregate {
  const { device } = aggregate;
  if (said.source === 'connection') return goOffline(aggregate);
  if (said.source === 'retained' && device.session === said.session) return aggregate;
  if (!said.online && device.session !== null && device.session !== said.session) return aggregate;
  if (device.online === said.online && device.session === said.session && isSeenNow(aggregate, now)) return aggregate;
  const heard = said.online && said.source !== 'retained';
  return withDevice(aggregate, {
    online: said.online,
    session: said.session,
    lastSeenAt: heard ? now : device.lastSeenAt,
    silentSince: said.online ? null : device.silentSince,
  });
}

/**
 * Any report shows that the device is there. Written at most every so often: it is no history, and a row's write per
 * progress would be.
 */
const SEEN_EVERY_MS = 10_000;

/**
 * The device was heard at `now` (epoch milliseconds) and is online. Returns the same object where that is news for less
 * than `SEEN_EVERY_MS`: each message would cost a row.
 */
export function touchLastSeen(aggregate: DeviceAggregate, now: number): DeviceAggregate {
  const { device } = aggregate;
  if (device.online && isSeenNow(aggregate, now)) return aggregate;
  return withDevice(aggregate, { online: true, lastSeenAt: now, silentSince: null });
}

/**
 * Nothing was heard from the device since `heardAt`: it is asked for a hello (also one that counts as offline, where it
 * may have come back unheard), or it was asked and did not answer, and counts as offline. What was heard meanwhile goes
 * before that.
 * @param heardAt `lastSeenAt` as it was read when this was decided
 */
export function applySilence(
  aggregate: DeviceAggregate,
  { then, heardAt }: { readonly then: 'ask' | 'offline'; readonly heardAt: number | null },
  now: number,
): DeviceAggregate {
  const { device } = aggregate;
  if (device.lastSeenAt !== heardAt) return aggregate;
  if (then === 'ask') return withDevice(aggregate, { helloWantedAt: now });
  return device.online ? withDevice(aggregate, { online: false, silentSince: now }) : aggregate;
}

/**
 * For a gateway, after a report that is no hello: where it brought the gateway back, it is asked for a hello. Which of
 * its children it reaches, it says there, and until then they stay offline.
 */
export function askReturned(was: DeviceAggregate, is: DeviceAggregate, now: number): DeviceAggregate {
  return !was.device.online && is.device.online ? withDevice(is, { helloWantedAt: now }) : is;
}

/** The device has no connection, or its gateway has none. */
export function goOffline(aggregate: DeviceAggregate): DeviceAggregate {
  return aggregate.device.online ? withDevice(aggregate, { online: false }) : aggregate;
}

function withDevice(aggregate: DeviceAggregate, change: Partial<Device>): DeviceAggregate {
  return { ...aggregate, device: { ...aggregate.device, ...change } };
}

/** Not where an offer was made since: whether anything was heard after it decides whether it was an attempt. */
function isSeenNow({ device: { lastSeenAt }, installations }: DeviceAggregate, now: number): boolean {
  if (lastSeenAt === null || now - lastSeenAt >= SEEN_EVERY_MS) return false;
  return !Object.values(installations).some(
    ({ endedAt, offeredAt }) => endedAt === null && offeredAt !== null && offeredAt >= lastSeenAt,
  );
}
