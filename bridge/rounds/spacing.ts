/**
 * A machine with little to spare shows in how long a round of work takes. It gets a quarter of the time at most, so
 * that more comes together the busier it is, until rounds begin this many times as far apart as they do while it is
 * quiet.
 */
const BUSY_TIMES = 4;

/** Milliseconds from the begin of a round that took `tookMs` to the begin of the next; `apartMs` on a quiet machine. */
export function spacingAfter(tookMs: number, apartMs: number): number {
  return Math.min(Math.max(apartMs, tookMs * BUSY_TIMES), apartMs * BUSY_TIMES);
}
