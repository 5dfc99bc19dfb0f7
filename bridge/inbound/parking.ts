import pLimit from 'p-limit';
import { backOff } from '../../domain/back-off.js';
import { Pause } from '../../runtime/pause.js';

/** A lock of our own lasts milliseconds; one that a person forgot, minutes. */
const BACK_OFF = { firstMs: 250, maxMs: 2_000 };
/** Attempts at the same time: they may take connections to PostgreSQL, which those who can go on need. */
const AT_ONCE = 2;

/**
 * Nodes whose reports wait for a row that another transaction holds: each is tried by itself, again and again, and all
 * others go on. It exists because one such row would hold up the batch that it is in, and every batch behind that. What
 * a parked node sends meanwhile waits behind what it sent before.
 *
 * A node is parked or not; `end` leaves what is parked as it is, and the broker sends it to the next leader.
 */
export class Parking {
  private readonly parked = new Map<string, { readonly pause: Pause; readonly done: Promise<void> }>();
  private readonly limit = pLimit(AT_ONCE);
  private ended = false;

  /** @param left is called when a node's reports are through: what waits behind them may begin. */
  constructor(private readonly left: () => void) {}

  holds(node: string): boolean {
    return this.parked.has(node);
  }

  /** @param attempt answers whether it is through: then the node is parked no longer. Never throws. */
  park(node: string, attempt: () => Promise<boolean>): void {
    const pause = new Pause();
    const done = this.keepTrying(attempt, pause).then(() => {
      this.parked.delete(node);
      this.left();
    });
    this.parked.set(node, { pause, done });
  }

  /** Resolves when no attempt is under way. */
  async end(): Promise<void> {
    this.ended = true;
    const all = [...this.parked.values()];
    for (const { pause } of all) pause.wake();
    await Promise.all(all.map(({ done }) => done));
  }

  private async keepTrying(attempt: () => Promise<boolean>, pause: Pause): Promise<void> {
    for (let failures = 1; !this.ended; failures += 1) {
      await pause.for(backOff(failures, BACK_OFF));
      if (await this.limit(async () => this.ended || (await attempt()))) return;
    }
  }
}
