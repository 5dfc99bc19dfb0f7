import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Timings } from '../core/timings.js';
import { CHILD_PROFILES, type ChildProfileName } from './child-profiles.js';
import { SIMULATED_TIMES, type Profile, type SimulatedTimes } from './profile.js';
import { PROFILES, type ProfileName } from './profiles.js';
import { seededRandom } from './random.js';
import { SimulatedDevice, type ChildOfFleet } from './simulated-device.js';

/** One device that connects by itself, and the children behind it. */
export interface FleetDevice {
  readonly tenant: string;
  readonly id: string;
  readonly username: string;
  readonly password: string;
  readonly profile: ProfileName | Profile;
  readonly deviceType?: string;
  /** Slot → the version that it came with; absent = `{ firmware: '1.0.0' }`. */
  readonly slots?: Readonly<Record<string, string>>;
  /** Of a gateway: the devices that it acts for. They have no credential. */
  readonly children?: readonly FleetChild[];
}

/** One child, on the connection of its gateway. */
export interface FleetChild {
  readonly id: string;
  /** Absent = as the gateway's profile says. */
  readonly profile?: ChildProfileName | Profile;
  readonly slots?: Readonly<Record<string, string>>;
}

/** What can be seen of a device afterwards: its disk. */
export type Simulated = Pick<SimulatedDevice, 'profile' | 'journal' | 'held' | 'holds'>;

/** Many simulated devices in one process. The broker must know their credentials already. */
export interface FleetOptions {
  readonly devices: readonly FleetDevice[];
  readonly mqttUrl: string;
  /** Each device's disk is a folder in here. */
  readonly dir: string;
  /** The same seed, the same misbehaviour. */
  readonly seed: number;
  readonly times?: Partial<SimulatedTimes>;
  readonly timings?: Partial<Timings>;
  /** How many devices come up in a second: a broker on a small machine checks some hundred passwords a second. */
  readonly connectPerSecond?: number;
}

/** What one device did. `at`: epoch milliseconds. */
export interface FleetEvent {
  readonly device: string;
  readonly phase: string;
  readonly detail: string;
  readonly at: number;
}

/** Simulated devices that run; they end with `stop`. */
export interface Fleet {
  /** Resolves when every device has been switched on; they connect by themselves, and again and again. */
  start(): Promise<void>;
  /** Every device says goodbye and goes off. */
  stop(): Promise<void>;
  /** Also a child. @throws for an id that is not in the fleet. `tenant/id` where two tenants use the same id. */
  device(id: string): Simulated;
  /** @returns a function that ends it. */
  onEvent(listener: (event: FleetEvent) => void): () => void;
}

/** Quick where a real device is patient: a test or a demo waits for it. */
const FLEET_TIMINGS: Partial<Timings> = {
  reconnect: { firstMs: 200, maxMs: 2_000 },
  repeat: { firstMs: 2_000, maxMs: 15_000 },
  download: { firstMs: 300, maxMs: 3_000 },
  answer: 3_000,
  drain: 1_000,
};

/** Hundreds of devices in one process: real connections, real downloads, real hashing, real files. */
export function createFleet({
  devices,
  mqttUrl,
  dir,
  seed,
  times,
  timings,
  connectPerSecond = 100,
}: FleetOptions): Fleet {
  const listeners = new Set<(event: FleetEvent) => void>();
  const stopping = new AbortController();
  const fleet = new Map<string, SimulatedDevice>();
  const children = new Map<string, Simulated>();
  const noted = (device: string) => (phase: string, detail: string, at: number) =>
    listeners.forEach((listener) => listener({ device, phase, detail, at }));
  for (const one of devices) {
    const name = `${one.tenant}/${one.id}`;
    if (fleet.has(name)) throw new Error(`the fleet has two devices "${name}"`);
    const profile: Profile = typeof one.profile === 'string' ? PROFILES[one.profile] : one.profile;
    const device = new SimulatedDevice({
      url: mqttUrl,
      username: one.username,
      password: one.password,
      dir: join(dir, one.tenant, one.id),
      slots: one.slots ?? { firmware: '1.0.0' },
      ...(one.deviceType !== undefined && { deviceType: one.deviceType }),
      profile,
      times: { ...SIMULATED_TIMES, ...times },
      timings: { ...FLEET_TIMINGS, ...timings },
      random: seededRandom(seed, name),
      onEvent: noted(one.id),
      children: (one.children ?? []).map((child, index): ChildOfFleet => ({
        id: child.id,
        profile:
          typeof child.profile === 'string'
            ? CHILD_PROFILES[child.profile]
            : (child.profile ?? profile.child?.(index) ?? CHILD_PROFILES.child),
        slots: child.slots ?? { firmware: '1.0.0' },
        random: seededRandom(seed, `${one.tenant}/${child.id}`),
        onEvent: noted(child.id),
      })),
    });
    fleet.set(name, device);
    for (const [id, child] of device.children) children.set(`${one.tenant}/${id}`, child);
  }

  return {
    async start() {
      for (const device of fleet.values()) {
        if (stopping.signal.aborted) return;
        await device.start();
        await pause(1_000 / connectPerSecond);
      }
    },
    async stop() {
      stopping.abort();
      await Promise.all([...fleet.values()].map((device) => device.stop()));
    },
    device(id) {
      const all = new Map<string, Simulated>([...fleet, ...children]);
      const found = all.get(id) ?? [...all].find(([name]) => name.endsWith(`/${id}`))?.[1];
      if (!found) throw new Error(`the fleet has no device "${id}"`);
      return found;
    },
    onEvent(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
