import type { Desired } from '../../protocol/mqtt/payloads.js';

/** What a slot holds, as the device knows it; null = content from the factory, or nothing. */
export interface Held {
  readonly version: string | null;
  readonly sha256: string | null;
  readonly installationId: string | null;
  readonly revision: number;
  /** It booted and will not be rolled back. */
  readonly confirmed: boolean;
}

/** A slot of which nothing is known; unknown content is not the same as none. */
export const NOTHING_HELD: Held = { version: null, sha256: null, installationId: null, revision: 0, confirmed: false };

/** How an installation is followed and stopped. */
export interface InstallWatch {
  /** Bytes that have reached the slot so far, where it can tell: reported as the phase `push`. */
  readonly pushed: (bytes: number) => void;
  /** A line for the event log, which `up/log` tells after a failure. */
  readonly output: (line: string) => void;
  /** Aborted when the agent ends: stop, or leave what goes on by itself; it is called again after the next start. */
  readonly signal: AbortSignal;
}

/**
 * How content gets into a slot: the one thing that differs from device to device. Each function may be called again
 * after a crash with the same arguments, and must then find what is already done.
 */
export interface Installer {
  current(slots: readonly string[]): Promise<Readonly<Record<string, Held>>>;
  /** Whether the slot holds these bytes now: looked at, not remembered. */
  holds(slot: string, sha256: string): Promise<boolean>;
  /**
   * Puts a verified file into the slot, whole or not at all, and keeps what was there for the roll-back. The file
   * stays: others may wait for the same one.
   * @throws InstallError
   */
  install(slot: string, path: string, desired: Desired, watch: InstallWatch): Promise<void>;
  /**
   * The device booted with the new content: it is here to stay.
   * @param signal as in `InstallWatch`
   */
  confirm(slot: string, signal: AbortSignal): Promise<void>;
  /**
   * Starts the device with what its slots hold now. `asked`: it is on its way, and takes the agent along. `booted`: the
   * device is back (a child of a gateway), and its slots say how it went.
   * @param signal as in `InstallWatch`
   * @throws InstallError
   */
  reboot(signal: AbortSignal): Promise<'asked' | 'booted'>;
  /**
   * Waits for the end of a reboot that an earlier agent began and did not see the end of. Absent = there is none: the
   * reboot takes the agent along.
   */
  earlierReboot?(signal: AbortSignal): Promise<void>;
  /**
   * The folder into which `install` will copy the file, where that is known: then the room is looked for before the
   * download. @throws InstallError where the slot cannot be written at all
   */
  copiesTo?(slot: string): Promise<string | undefined>;
  /** After a start, before anything is installed: removes what a crash left beside the slots. */
  tidy?(): Promise<void>;
  /** Another one after each boot; null where the agent does not end with the device. */
  bootId(): string | null;
  /** Absent = always, as for the slots of the device itself. */
  reachable?(): Promise<boolean>;
}

/**
 * How a gateway reaches one of its children: radio, field bus, serial line. Each function but `reachable` throws
 * InstallError CHILD_UNREACHABLE where it does not.
 */
export interface FieldProcedure extends Installer {
  reachable(): Promise<boolean>;
}

/** An installation that did not work. `code` as in docs/contracts/device-mqtt.md, "Error codes". */
export class InstallError extends Error {
  override readonly name = 'InstallError';
  constructor(
    readonly code: string,
    message: string,
    readonly retriable: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** By name: an error may come from another realm (a test's, a sandbox's). */
export function isInstallError(error: unknown): error is InstallError {
  return (error as { name?: unknown } | null)?.name === 'InstallError';
}
