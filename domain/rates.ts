/** What a minute allows in this time may come at once: clients come in waves, and a page of a dashboard is one. */
const BURST_MS = 10_000;
/** Keys that are remembered, of 100 bytes or so each. Beyond it the one that was seen longest ago is forgotten. */
const MOST_KEYS = 20_000;

/**
 * How often something may happen for each key. Each key has a time up to which its share is used (GCRA). Times are
 * milliseconds of a clock that never goes back.
 */
export class Shares {
  private readonly usedUntil = new Map<string, number>();
  private readonly eachMs: number;
  private readonly burstMs: number;

  constructor(perMinute: number) {
    this.eachMs = 60_000 / perMinute;
    this.burstMs = Math.max(BURST_MS, this.eachMs);
  }

  /** Takes one where there is one. @returns the milliseconds after which to try again; 0 = taken */
  take(key: string, now: number): number {
    const wait = this.wait(key, now);
    if (wait > 0) return wait;
    const used = Math.max(this.usedUntil.get(key) ?? 0, now) + this.eachMs;
    this.usedUntil.delete(key);
    this.usedUntil.set(key, used);
    const [oldest] = this.usedUntil.keys();
    if (this.usedUntil.size > MOST_KEYS && oldest !== undefined) this.usedUntil.delete(oldest);
    return 0;
  }

  /** The same, without taking one. */
  wait(key: string, now: number): number {
    const over = Math.max(this.usedUntil.get(key) ?? 0, now) + this.eachMs - now - this.burstMs;
    // A whole share that is a hair's breadth late is none.
    return over > 1e-6 ? over : 0;
  }
}
