import type { Unfit } from './unfit.js';
import type { Installation } from './installation.js';

/**
 * An error of a device, as it reports it (docs/contracts/device-mqtt.md, "Error codes"). `retriable` is its own
 * opinion, where it has one.
 */
export interface DeviceError {
  readonly code: string;
  readonly message: string;
  readonly retriable?: boolean;
}

interface FromDevice {
  /** Of the report; absent in a report over REST, which is always about the present attempt. */
  readonly attempt?: number;
  readonly seq?: number;
  /** Epoch milliseconds that the reporter gave; absent = the time of receipt. */
  readonly at?: number;
  readonly error?: DeviceError;
  /** The slot that the report names; absent over REST. */
  readonly slot?: string;
}

/** What a device, a gateway or an operator in its place reports. */
export type ReportEvent = FromDevice &
  (
    | {
        readonly type: 'accepted' | 'downloading' | 'downloaded' | 'installing' | 'rebooting' | 'canceled';
      }
    /** `version`: what the device calls its new content. `doubted`: it cannot be this firmware (`doubts`). */
    | { readonly type: 'installed'; readonly version?: string; readonly doubted?: boolean }
    /** `final`: who reports it decides that it is not tried again (an operator, over REST). */
    | { readonly type: 'failed' | 'rejected'; readonly reason?: string; readonly final?: boolean }
    /** `forMs` from the receipt on; absent = for as long as the policy allows. */
    | { readonly type: 'deferred'; readonly forMs?: number }
  );

/**
 * What can happen to one installation: a device's word, a person's, or a question of its process. `bytes` and `total`
 * are bytes.
 */
export type InstallationEvent =
  | ReportEvent
  | { readonly type: 'progress'; readonly phase: string; readonly bytes: number; readonly total: number }
  /** A hello says what the slot holds. */
  | {
      readonly type: 'seen';
      readonly sha256: string | null;
      readonly confirmed: boolean;
      readonly installationId: string | null;
      /** When the boot that the hello tells of was first heard of; null = it tells of none, or a gateway speaks. */
      readonly bootHeardAt: number | null;
    }
  /** The process asks: is it time, and is it my turn? */
  | {
      readonly type: 'begin';
      /** Of the installations on the device: those whose firmware is not associated with their slot any more. */
      readonly unassociated?: readonly string[];
      /** Of the installations on the device: those that it cannot take. */
      readonly unfit?: Readonly<Record<string, Unfit>>;
    }
  /** The process's timer fired: is something due? */
  /** `unconfirmed`: the last that the device said is that it has not confirmed the content yet. */
  | { readonly type: 'deadline'; readonly unconfirmed?: boolean }
  /** Its rollout gives it a place under the cap. */
  | { readonly type: 'place' }
  | { readonly type: 'cancel'; readonly reason?: string; readonly as?: 'canceled' | 'superseded' }
  | { readonly type: 'release' };

/**
 * What became of an event. `unchanged` carries the same reference; a refusal says why, in one word that the wire and
 * the API know.
 */
export type Advanced =
  | { readonly outcome: 'applied' | 'unchanged'; readonly next: Installation }
  | { readonly outcome: 'refused'; readonly reason: Refusal };

/**
 * wrong_slot: names another slot than the installation's. stale_attempt: about an attempt that is over.
 * unknown_attempt: about one that has not begun. ended: the installation ended otherwise. too_late: what is asked for
 * cannot be done any more.
 */
export type Refusal = 'wrong_slot' | 'stale_attempt' | 'unknown_attempt' | 'ended' | 'too_late';
