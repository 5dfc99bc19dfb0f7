import { backOff, type BackOffBounds } from '../../domain/back-off.js';
import type { Clock } from './clock.js';
import type { Outgoing } from './connection.js';

interface Item {
  readonly key: string;
  readonly message: Outgoing;
  tries: number;
  /** By the monotonic clock. */
  dueAt: number;
}

/** `random` gives 0 ≤ x < 1: waits are spread, so that a fleet does not repeat at once. */
export interface RepeaterOptions {
  readonly send: (message: Outgoing) => void;
  /** Between two tries. */
  readonly backoff: BackOffBounds;
  readonly clock: Clock;
  readonly random: () => number;
}

/**
 * Says again what the service must have heard (a hello, a terminal report) until it is dropped, which its receipt does.
 * A PUBACK proves nothing (docs/contracts/device-mqtt.md, "Facts that decided it"). There is no end to it, only ever
 * longer pauses; while there is no connection it rests.
 */
export class Repeater {
  private readonly items = new Map<string, Item>();
  private timer: NodeJS.Timeout | undefined;
  private mode: 'resting' | 'sending' | 'closed' = 'resting';

  constructor(private readonly options: RepeaterOptions) {}

  /** Sent at once where there is a connection; one of the same key is replaced. */
  put(key: string, message: Outgoing): void {
    if (this.mode === 'closed') return;
    this.items.set(key, { key, message, tries: 0, dueAt: -Infinity });
    this.sendDue();
  }

  /** @returns whether it was still repeated */
  drop(key: string): boolean {
    return this.items.delete(key);
  }

  clear(): void {
    this.items.clear();
  }

  /** A new connection: everything is said at once, in the order it was put. */
  resume(): void {
    if (this.mode === 'closed') return;
    this.mode = 'sending';
    for (const item of this.items.values()) Object.assign(item, { tries: 0, dueAt: -Infinity });
    this.sendDue();
  }

  rest(): void {
    if (this.mode === 'sending') this.mode = 'resting';
    clearTimeout(this.timer);
  }

  close(): void {
    this.rest();
    this.mode = 'closed';
    this.items.clear();
  }

  private sendDue(): void {
    clearTimeout(this.timer);
    if (this.mode !== 'sending') return;
    const now = this.options.clock.monotonic();
    for (const item of this.items.values()) {
      if (item.dueAt > now) continue;
      item.tries += 1;
      item.dueAt = now + backOff(item.tries, this.options.backoff, this.options.random());
      this.options.send(item.message);
    }
    const soonest = Math.min(...[...this.items.values()].map(({ dueAt }) => dueAt));
    if (Number.isFinite(soonest)) this.timer = setTimeout(() => this.sendDue(), Math.max(1, soonest - now));
  }
}
