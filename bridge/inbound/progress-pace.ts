import { nodeOf, type Incoming, type Reading } from './reading.js';

/**
 * Progress of one phase of an installation is written at most this often: it is no history (docs/architecture.md §2).
 * The newest of what came meanwhile follows.
 */
const PROGRESS_EVERY_MS = 2_000;
const LOOK_AT_HELD_MS = 1_000;
const MAX_PROGRESS_KNOWN = 50_000;

/**
 * Holds back progress that came too early, and gives the newest of it again later. It exists because devices tell of
 * each percent, and each would be a write. What is held was acknowledged: it may be lost.
 *
 * What is held of a node is older than its word that it is gone, and would bring it back: `forget` drops it.
 */
export class ProgressPace {
  /** performance.now(): a clock that is set would hold back everything until it has caught up. */
  private readonly takenAt = new Map<string, number>();
  /** By node, then by installation and phase. */
  private readonly held = new Map<string, Map<string, Incoming>>();
  private count = 0;
  private look: NodeJS.Timeout | undefined;

  /** @param again takes what was held; each of it is older than all that waits. */
  constructor(private readonly again: (held: readonly Incoming[]) => void) {}

  /**
   * Then it is acknowledged, for progress may be lost, and held unless a newer one comes in time. Whose progress it is,
   * its topic says: no other device's word holds it up.
   */
  isTooSoon(reading: Reading): boolean {
    if (!('message' in reading) || reading.message.type !== 'progress') return false;
    const { incoming } = reading;
    const { installationId, phase, bytes, total } = reading.message.body;
    const key = `${incoming.topic} ${installationId} ${phase}`;
    const now = performance.now();
    if (bytes === total || now - (this.takenAt.get(key) ?? -Infinity) >= PROGRESS_EVERY_MS) {
      if (this.takenAt.size >= MAX_PROGRESS_KNOWN) this.takenAt.clear();
      this.takenAt.set(key, now);
      this.drop(nodeOf(incoming), key);
      return false;
    }
    incoming.acknowledge();
    this.hold(nodeOf(incoming), key, { ...incoming, acknowledge: () => undefined });
    this.look ??= setTimeout(() => this.giveAgain(), LOOK_AT_HELD_MS);
    return true;
  }

  /** The node said, or the broker did, that it is gone. */
  forget(node: string): void {
    this.count -= this.held.get(node)?.size ?? 0;
    this.held.delete(node);
  }

  end(): void {
    clearTimeout(this.look);
  }

  private hold(node: string, key: string, incoming: Incoming): void {
    if (this.count >= MAX_PROGRESS_KNOWN) return;
    const ofNode = this.held.get(node) ?? new Map<string, Incoming>();
    if (!ofNode.has(key)) this.count += 1;
    this.held.set(node, ofNode.set(key, incoming));
  }

  private drop(node: string, key: string): void {
    const ofNode = this.held.get(node);
    if (ofNode?.delete(key) !== true) return;
    this.count -= 1;
    if (ofNode.size === 0) this.held.delete(node);
  }

  private giveAgain(): void {
    this.look = undefined;
    const all = [...this.held.values()].flatMap((ofNode) => [...ofNode.values()]);
    this.held.clear();
    this.count = 0;
    this.again(all);
  }
}
