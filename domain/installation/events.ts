/** An error of a device, as it reports it (specs/device-mqtt.md, "Error codes"). `retriable` is its own opinion, where it has one. */
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
}

/** What a device, a gateway or an operator in its place reports. */
export type ReportEvent = FromDevice &
  (
    | { readonly type: 'accepted' | 'downloading' | 'downloaded' | 'installing' | 'rebooting' | 'installed' | 'failed' | 'canceled' }
    | { readonly type: 'rejected'; readonly reason?: string; readonly final?: boolean }
    | { readonly type: 'deferred'; readonly until?: number }
  );

export type InstallationEvent =
  | ReportEvent
  | { readonly type: 'progress'; readonly phase: string; readonly bytes: number; readonly total: number }
  /** A hello says what the slot holds. */
  | { readonly type: 'seen'; readonly sha256: string | null; readonly confirmed: boolean; readonly installationId: string | null }
  /** The process asks: is it time, and is it my turn? */
  | { readonly type: 'begin' }
  /** The process's timer fired: is something due? */
  | { readonly type: 'deadline' }
  | { readonly type: 'cancel'; readonly reason?: string; readonly as?: 'canceled' | 'superseded' }
  | { readonly type: 'release' };

export type EventType = InstallationEvent['type'];
