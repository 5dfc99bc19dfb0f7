import pLimit from 'p-limit';
import { backOff } from '../../domain/back-off.js';
import { Pause } from '../../runtime/pause.js';
import type { Reading } from './reading.js';

/** A lock of our own lasts milliseconds; one that a person forgot, minutes. */
const BACK_OFF = { firstMs: 250, maxMs: 2_000 };
/** Attempts at the same time: they may take connections to PostgreSQL, which those who can go on need. */
const AT_ONCE = 2;

interface Parked {
  /** In the order in which the node sent them. Those of an attempt that is under way are not among them. */
  readonly readings: Reading[];
  readonly pause: Pause;
  readonly done: Promise<void>;
}

/**
 * Nodes whose reports wait for a row that another transaction holds: each is tried by itself, again and again, and all
 * others go on. It exists because one such row would hold up the batch that it is in, and every batch behind that. What
 * a parked node sends meanwhile waits behind what it sent before; a node is parked once, so that one attempt at a time
 * is made at its reports.
 *
 * A node is parked or not; `end` leaves what is parked as it is, and the broker sends it to the next leader.
 */
export class Parking {
  private readonly parked = new Map<string, Parked>();
  private readonly limit = pLimit(AT_ONCE);
  private ended = false;

  /**
   * @param attempt at the reports of one node. Answers those that are not through, in their order. Never throws.
   * @param left is called when a node's reports are through: what waits behind them may begin.
   */
  constructor(
    private readonly attempt: (readings: readonly Reading[]) => Promise<readonly Reading[]>,
    private readonly left: () => void,
  ) {}

  holds(node: string): boolean {
    return this.parked.has(node);
  }

  /** Behind what is parked of the node already. */
  park(node: string, readings: readonly Reading[]): void {
    const known = this.parked.get(node);
    if (known) return void known.readings.push(...readings);
    const [own, pause] = [[...readings], new Pause()];
    const done = this.keepTrying(own, pause).then(() => {
      this.parked.delete(node);
      this.left();
    });
    this.parked.set(node, { readings: own, pause, done });
  }

  /** Resolves when no attempt is under way. */
  async end(): Promise<void> {
    this.ended = true;
    const all = [...this.parked.values()];
    for (const { pause } of all) pause.wake();
    await Promise.all(all.map(({ done }) => done));
  }

  private async keepTrying(readings: Reading[], pause: Pause): Promise<void> {
    for (let failures = 1; !this.ended && readings.length > 0; failures += 1) {
      await pause.for(backOff(failures, BACK_OFF));
      await this.limit(async () => {
        if (!this.ended) readings.unshift(...(await this.attempt(readings.splice(0))));
      });
    }
  }
}
