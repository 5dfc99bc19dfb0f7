import { randomUUID } from 'node:crypto';
import pLimit from 'p-limit';
import type { FleetChild, FleetDevice } from '../../agent/simulator/fleet.js';
import type { Profile } from '../../agent/simulator/profile.js';
import { importDevices, type ImportedDevice } from '../service/import.js';
import type { Operator } from '../service/operator.js';

/**
 * A large fleet in one process: sites with a gateway each, which has a connection, and the lamps behind it, which have
 * none. Five thousand connections of their own would keep two cores busy with greetings.
 */
export interface Sites {
  readonly typeId: string;
  readonly gateways: readonly FleetDevice[];
  readonly lamps: readonly Lamp[];
}

/** One lamp. */
export interface Lamp {
  readonly id: string;
  readonly name: string;
  readonly region: string;
  /** `absent`: its gateway does not know it, and nothing was ever heard of it. */
  readonly mood: Mood;
}

type Mood = 'good' | 'absent' | 'unreachable' | 'rejecting';

/** The version that boots on no lamp. */
export const BAD_VERSION = '2.1.0';
/** A gateway and the lamps behind it. */
const PER_SITE = 100;
const REGIONS = ['north', 'south', 'east', 'west'] as const;
/** Requests at once. */
const AT_ONCE = 8;

/** It takes what it is offered, except for the bad version, which does not boot. */
const GOOD: Profile = {
  name: 'lamp',
  expected: { state: 'installed', because: 'nothing goes wrong' },
  behave: () => ({
    offered: async ({ firmware }) =>
      firmware.version === BAD_VERSION
        ? {
            answer: 'fail',
            code: 'BOOT_FAILED_ROLLED_BACK',
            message: 'the new version did not boot; the old one runs again',
            retriable: false,
          }
        : { answer: 'accept' },
  }),
};
const UNREACHABLE: Profile = {
  name: 'unreachableLamp',
  expected: { state: 'failed', because: 'its gateway does not reach it: CHILD_UNREACHABLE' },
  behave: () => ({ reachable: () => false }),
};
const REJECTING: Profile = {
  name: 'rejectingLamp',
  expected: { state: 'rejected', because: 'the lamp refuses the firmware: INCOMPATIBLE' },
  behave: () => ({
    offered: async () => ({
      answer: 'reject',
      code: 'INCOMPATIBLE',
      message: 'the hardware revision of this lamp is too old for it',
      retriable: false,
    }),
  }),
};
const PROFILES: Readonly<Record<Exclude<Mood, 'absent'>, Profile>> = {
  good: GOOD,
  unreachable: UNREACHABLE,
  rejecting: REJECTING,
};

/** How a lamp is, by its number: the same in each run. */
export function moodOf(number: number): Mood {
  if (number % 33 === 0) return 'absent';
  if (number % 50 === 0) return 'unreachable';
  return number % 60 === 0 ? 'rejecting' : 'good';
}

/** The version that a lamp came with: half of them are two versions behind, one in ten none. */
export function versionOf(number: number): string {
  const tenth = number % 10;
  return tenth === 0 ? '1.2.0' : tenth < 5 ? '1.1.0' : '1.0.0';
}

/** Registers `count` devices: the gateways of all sites, and the lamps behind them. */
export async function registerSites(operator: Operator, count: number): Promise<Sites> {
  const slots = { firmware: { name: 'Firmware' } };
  const typeId = await operator.deviceType({ name: 'Street lamp', manufacturer: 'Acme', model: 'SL-1', slots });
  const sites = sitesOf(count);
  await importDevices(operator, [
    ...sites.map(({ id, name, region }) => line(id, name, typeId, [region, 'gateway'])),
    ...sites.flatMap((site) =>
      site.lamps.map(({ id, name, region }) => line(id, name, typeId, [region, 'lamp'], site.id)),
    ),
  ]);
  const limit = pLimit(AT_ONCE);
  const gateways = await Promise.all(
    sites.map((site) =>
      limit(async (): Promise<FleetDevice> => {
        const { username, password } = await operator.password(site.id);
        const children = site.lamps.flatMap(childOf);
        return { tenant: 'default', id: site.id, username, password, profile: 'gateway', children };
      }),
    ),
  );
  return { typeId, gateways, lamps: sites.flatMap((site) => site.lamps) };
}

interface Site {
  readonly id: string;
  readonly name: string;
  readonly region: string;
  readonly lamps: readonly NumberedLamp[];
}
type NumberedLamp = Lamp & { readonly version: string };

/** The sites of `count` devices; the last one may be smaller. */
function sitesOf(count: number): Site[] {
  return Array.from({ length: Math.ceil(count / PER_SITE) }, (_, index): Site => {
    const name = `site-${String(index + 1).padStart(3, '0')}`;
    const region = REGIONS[index % REGIONS.length] ?? REGIONS[0];
    const size = Math.min(PER_SITE, count - index * PER_SITE) - 1;
    const lamps = Array.from({ length: size }, (_lamp, at): NumberedLamp => {
      const number = index * PER_SITE + at + 1;
      return {
        id: randomUUID(),
        name: `${name}-lamp-${String(at + 1).padStart(2, '0')}`,
        region,
        mood: moodOf(number),
        version: versionOf(number),
      };
    });
    return { id: randomUUID(), name, region, lamps };
  });
}

/** A lamp as its gateway knows it: not at all, or with what it holds. */
function childOf({ id, mood, version }: NumberedLamp): FleetChild[] {
  return mood === 'absent' ? [] : [{ id, profile: PROFILES[mood], slots: { firmware: version } }];
}

function line(
  id: string,
  name: string,
  deviceTypeId: string,
  tags: readonly string[],
  connectedBy?: string,
): ImportedDevice {
  return { id, info: { name, deviceTypeId, tags, ...(connectedBy === undefined ? {} : { connectedBy }) } };
}
