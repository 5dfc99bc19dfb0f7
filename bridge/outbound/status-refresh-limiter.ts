/** So many a second at most: a tenth of what the engine takes on two cores, whatever happens to the fleet. */
const PER_SECOND = 10;

/**
 * How often processes are signalled only so that people read there what the API says: where a thousand devices lose
 * their connection, all sentences change at once.
 */
export class StatusRefreshLimiter {
  private left = PER_SECOND;
  private at = 0;

  /** @returns whether one more may be sent now (epoch milliseconds). */
  take(now: number): boolean {
    this.left = Math.min(PER_SECOND, this.left + (Math.max(now - this.at, 0) * PER_SECOND) / 1_000);
    this.at = now;
    if (this.left < 1) return false;
    this.left -= 1;
    return true;
  }
}
