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

export const NOTHING_HELD: Held = { version: null, sha256: null, installationId: null, revision: 0, confirmed: false };

/**
 * How content gets into a slot: the one thing that differs from device to device. Each function may be called again after a
 * crash with the same arguments, and must then find what is already done.
 */
export interface Installer {
  current(slots: readonly string[]): Promise<Readonly<Record<string, Held>>>;
  /** Whether the slot holds these bytes now: looked at, not remembered. */
  holds(slot: string, sha256: string): Promise<boolean>;
  /**
   * Puts a verified file into the slot, whole or not at all, and keeps what was there for the roll-back.
   * @throws InstallError
   */
  install(slot: string, path: string, desired: Desired): Promise<void>;
  /** The device booted with the new content: it is here to stay. */
  confirm(slot: string): Promise<void>;
  /** Starts the device with what its slots hold now. May return before that happens; may never return. */
  reboot(): Promise<void>;
  /** Another one after each boot. */
  bootId(): string;
}

/** An installation that did not work. `code` as in specs/device-mqtt.md, "Error codes". */
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
