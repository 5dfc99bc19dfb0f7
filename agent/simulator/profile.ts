import type { EndedState } from '../../domain/installation/states.js';
import type { Hooks } from '../core/hooks.js';

/** What simulated things take, milliseconds. */
export interface SimulatedTimes {
  readonly install: number;
  readonly reboot: number;
  /** How long a device that puts an installation off does so. */
  readonly defer: number;
  /** What the whole download of a slow device takes. */
  readonly slowDownload: number;
  /** How long a crashed device stays down. */
  readonly down: number;
  /** How long a device that comes late is switched off at first. */
  readonly late: number;
  /** What a gateway needs to push a file to a child. */
  readonly push: number;
}
/** Milliseconds, short enough for tests and demos. */
export const SIMULATED_TIMES: SimulatedTimes = {
  install: 400,
  reboot: 600,
  defer: 2_000,
  slowDownload: 6_000,
  down: 500,
  late: 4_000,
  push: 1_000,
};

/** A profile's grip on its device. */
export interface Control {
  readonly times: SimulatedTimes;
  /** 0 ≤ x < 1, from the fleet's seed and the device's name. */
  random(): number;
  /** @throws Halted where the device goes down meanwhile. */
  wait(ms: number): Promise<void>;
  /** The network goes for a moment. */
  disconnect(): void;
  /** A power cut here and now; the device starts again from its disk. @throws Halted always. */
  crash(): never;
  /** What a boot loader does with content that does not boot. */
  rollBack(slot: string): Promise<void>;
  note(phase: string, detail: string): void;
}

/** What a profile changes of an agent; absent members leave it as it is. */
export interface Behaviour extends Hooks {
  /** Of a child: whether its gateway reaches it now. Absent = always. */
  reachable?(): boolean;
}

/**
 * How a device behaves, decided at the core's hooks. `behave` is called once per device: what it remembers outlives
 * reboots.
 */
export interface Profile {
  readonly name: string;
  /** It is switched off at first, and comes when its work waits for it already. */
  readonly isLate?: boolean;
  /** Of a gateway: how its first child, its second, and so on behave. */
  readonly child?: (index: number) => Profile;
  /** How one installation on such a device must end, and why. */
  readonly expected: { readonly state: EndedState; readonly because: string };
  behave(control: Control): Behaviour;
}
