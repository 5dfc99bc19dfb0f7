/** What the bench and its own processes say to each other. Plain data: it crosses as JSON. */

/** The one slot of the bench's device type. */
export const SLOT = 'firmware';

/** A device that is registered and has a password. */
export interface Login {
  readonly deviceId: string;
  readonly username: string;
  readonly password: string;
}

/** To the process of the simulated devices. `ignore`: they stay connected, and never answer an offer. */
export type ToFleet =
  | {
      readonly do: 'connect';
      readonly url: string;
      readonly devices: readonly Login[];
      readonly answer: 'install' | 'ignore';
    }
  /** From now on, devices that are greeted again. */
  | { readonly do: 'count anew'; readonly round: number };
export type FromFleet =
  /** So many devices had the receipt for a hello since they were counted anew for the round, at first 0. */
  | { readonly said: 'greeted'; readonly count: number; readonly round: number }
  /** Documents that arrived: [device, epoch milliseconds]. */
  | { readonly said: 'documents'; readonly arrived: readonly (readonly [string, number])[] }
  | { readonly said: 'fault'; readonly detail: string };

/** Who reports about which installation. */
export interface Reporter extends Login {
  readonly installationId: string;
}
export type ToPublishers =
  | { readonly do: 'connect'; readonly url: string; readonly reporters: readonly Reporter[] }
  /**
   * Publishes for `warmMs + ms`, with so many unanswered per connection; what was answered in the last `ms` is counted.
   */
  | { readonly do: 'publish'; readonly warmMs: number; readonly ms: number; readonly inFlight: number };
export type FromPublishers =
  | { readonly said: 'connected' }
  /** Between `from` and `to`, epoch milliseconds; `total` counts the warm-up and the last ones as well. */
  | {
      readonly said: 'published';
      readonly answered: number;
      readonly from: number;
      readonly to: number;
      readonly total: number;
    };

/** Of the readers of live events, so far. */
export interface FromReaders {
  readonly answered: number;
  readonly open: number;
  readonly bytes: number;
}

export type Listening = { readonly said: 'listening'; readonly port: number };

export type FromBareWorker =
  | { readonly said: 'ready' }
  /** Workflows whose first local activity ran, at which time; and how many ran their last one. */
  | {
      readonly said: 'progress';
      readonly notified: readonly (readonly [string, number])[];
      readonly concluded: number;
    };

/** To the process of a storm, once. */
export interface ToStorm {
  readonly port: number;
  readonly count: number;
}
/** How many were greeted, and lost their connection, within so many seconds of its beginning. */
export interface FromStorm {
  readonly said: 'storm';
  readonly greeted: number;
  readonly failed: number;
  readonly seconds: number;
}
