import { defined } from '../../defined.js';
import type { RolloutFacts } from '../facts.js';
import { RATE_WINDOW_MS } from '../pace.js';

/** The starts of the last minute, counted as the store counts them (store/commands/observe.ts). */
export class Starts {
  private readonly times: number[] = [];
  private readonly counts: number[] = [];
  private oldest = 0;
  private lastMinute = 0;

  add(now: number, count: number): void {
    this.times.push(now);
    this.counts.push(count);
    this.lastMinute += count;
  }

  at(now: number): RolloutFacts['starts'] {
    let oldest = this.times[this.oldest];
    while (oldest !== undefined && oldest < now - RATE_WINDOW_MS) {
      this.lastMinute -= defined(this.counts[this.oldest], 'each time has its count');
      this.oldest += 1;
      oldest = this.times[this.oldest];
    }
    return { lastMinute: this.lastMinute, oldestLeavesAt: oldest === undefined ? null : oldest + RATE_WINDOW_MS + 1 };
  }
}
