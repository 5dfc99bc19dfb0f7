import type { Desired } from '../../protocol/mqtt/payloads.js';
import type { Outgoing } from './connection.js';

/** What the device makes of an offer. `ignore`: no answer at all, as of a device whose user has not decided. */
export type Decision =
  | { readonly answer: 'accept' | 'ignore' }
  /** `forMs`: the document's policy bounds it. Then it is asked again. */
  | { readonly answer: 'defer'; readonly forMs: number }
  | {
      readonly answer: 'reject' | 'fail';
      readonly code: string;
      readonly message: string;
      readonly retriable: boolean;
    };

/** The moments between which a device may be interrupted; at each, what was promised before is on disk. */
export const POINTS = [
  'accepted',
  'downloading',
  'verified',
  'downloaded',
  'installing',
  'swapping',
  'swapped',
  'recorded',
  'rebooting',
  'booting',
  'confirmed',
  'ended',
] as const;
/** A moment at which a test or a simulation may interrupt the device. */
export type Point = (typeof POINTS)[number];

/**
 * Where a device may differ from the reference: a real one decides about offers here, a simulated one misbehaves here.
 * The core knows nothing of why. A hook that throws Halted ends the agent as a power cut would.
 */
export interface Hooks {
  offered?(desired: Desired): Promise<Decision>;
  /**
   * Each piece of a download, before it is written. May wait, give other bytes, or throw, which is a connection that
   * broke.
   */
  received?(piece: { readonly bytes: Buffer; readonly offset: number; readonly desired: Desired }): Promise<Buffer>;
  /** Before a report leaves. `send` may be called later, or more than once. */
  outgoing?(message: Outgoing, send: (message: Outgoing) => Promise<void>): Promise<void>;
  at?(point: Point, slot: string): Promise<void>;
}

/** The agent was stopped in the middle of whatever it did; nothing more may be written or said. */
export class Halted extends Error {
  override readonly name = 'Halted';
}

/** Recognised by its name, not by its class. */
export function isHalted(error: unknown): boolean {
  return (error as { name?: unknown } | null)?.name === 'Halted';
}
