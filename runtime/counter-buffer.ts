import type { Logger } from 'pino';

/** One figure: `reason` tells its kinds apart. */
export interface Count {
  readonly name: string;
  readonly reason: string;
  value: number;
}

/** A scrape comes every 15 s or more seldom; a statement for each batch of reports would cost more than it tells. */
const FLUSH_MS = 5_000;

/**
 * Counts in memory and adds it to PostgreSQL every few seconds, where the API prints it: so a bridge needs no port of
 * its own, and a figure goes on over its restarts and take-overs. The price: what was counted in the last seconds
 * before a crash is lost. It is a measure, not a fact; facts are in the history and in last-diagnostics.
 */
export class CounterBuffer {
  private counted = new Map<string, Count>();
  private flushing: Promise<void> = Promise.resolve();
  private readonly timer: NodeJS.Timeout;

  /** @param add writes them where they are kept; what it refuses is counted again and goes with the next. */
  constructor(
    private readonly add: (counts: readonly Count[]) => Promise<void>,
    private readonly log: Logger,
    everyMs = FLUSH_MS,
  ) {
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
    this.flushing = this.flushing.then(() => this.addAll());
    return this.flushing;
  }

  private async addAll(): Promise<void> {
    const counts = [...this.counted.values()];
    this.counted = new Map();
    try {
      await this.add(counts);
    } catch (error) {
      // Back to what was counted meanwhile. A commit whose answer was lost is then counted twice: rare, and no fact.
      for (const { name, reason, value } of counts) this.count(name, reason, value);
      this.log.debug({ err: error }, 'figures could not be added; they go with the next ones');
    }
  }
}
