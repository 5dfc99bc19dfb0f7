import type { BackOffBounds } from '../../domain/back-off.js';

/** Milliseconds. Half of each back-off is chance, so that a fleet that lost its server does not come back at once. */
export interface Timings {
  readonly reconnect: BackOffBounds;
  /** How long the broker's answer to the SUBSCRIBE is waited for. */
  readonly subscribed: number;
  /** Of a hello and of a terminal report, until the service acknowledges them. */
  readonly repeat: BackOffBounds;
  /** Between two tries of one download. */
  readonly download: BackOffBounds;
  /**
   * How long after a connect (or its loss) the step into the slot waits for the service's answer to the hello, which
   * may withdraw it.
   */
  readonly answer: number;
  /** How long the report `rebooting` gets to leave before the device goes down. */
  readonly drain: number;
  /** What waits for a time looks at the wall clock this often: it may have been set. Nothing waits, nothing looks. */
  readonly look: number;
  /** How often it is looked for downloads that are kept in vain. A kept one is written down then, a few bytes. */
  readonly kept: number;
  /** How long a gateway's hello waits for its children. */
  readonly children: number;
  /** How long the first connection waits for the confirmation of a boot. */
  readonly settle: number;
  /** When a reboot that did not happen is asked for again. */
  readonly reboot: number;
}

/**
 * One device against a service that is well: every pause is far above a round trip. The longest ones are what a fleet
 * of 10,000 costs a service that has just come back: 10,000 / 60 s, 170 messages a second.
 */
export const TIMINGS: Timings = {
  reconnect: { firstMs: 1_000, maxMs: 60_000 },
  subscribed: 15_000,
  repeat: { firstMs: 3_000, maxMs: 60_000 },
  download: { firstMs: 1_000, maxMs: 30_000 },
  answer: 5_000,
  drain: 2_000,
  look: 10_000,
  kept: 3_600_000,
  children: 2_000,
  settle: 5_000,
  reboot: 60_000,
};
