import type { Logger } from 'pino';
import { addCounts } from '../store/counters.js';
import type { Pool } from '../store/pool.js';

/** A scrape comes every 15 s or more seldom; a statement for each batch of reports would cost more than it tells. */
const FLUSH_MS = 5_000;

/**
 * Counts in memory and adds it to PostgreSQL every few seconds, where the API prints it: so a bridge needs no port of its own, and a
 * figure goes on over its restarts and take-overs. The price: what was counted in the last seconds before a crash is lost. It is a
 * measure, not a fact; facts are in the history and in last-diagnostics.
 */
export class Tally {
  private counted = new Map<string, { name: string; reason: string; value: number }>();
  private flushing: Promise<void> = Promise.resolve();
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly pool: Pool, private readonly log: Logger, everyMs = FLUSH_MS) {
    this.timer = setInterval(() => void this.flush(), everyMs);
    this.timer.unref();
  }

  count(name: string, reason: string, value: number): void {
    if (value <= 0) return;
    const key = `${name} ${reason}`;
    const known = this.counted.get(key);
    if (known) known.value += value;
    else this.counted.set(key, { name, reason, value });
  }

  async end(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
  }

  private flush(): Promise<void> {
    this.flushing = this.flushing.then(() => this.add());
    return this.flushing;
  }

  private async add(): Promise<void> {
    const counts = [...this.counted.values()];
    this.counted = new Map();
    try {
      await addCounts(this.pool, counts);
    } catch (error) {
      // Back to what was counted meanwhile. A commit whose answer was lost is then counted twice: rare, and no fact.
      for (const { name, reason, value } of counts) this.count(name, reason, value);
      this.log.debug({ err: error }, 'figures could not be added; they go with the next ones');
    }
  }
}
