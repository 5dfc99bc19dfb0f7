import type { Counters } from './facts.js';
import type { Pace } from './plan.js';

/** "Never more starts in any 60 s than the rate." */
export const RATE_WINDOW_MS = 60_000;

/**
 * Starts a minute, as the ramp allows them by now: it grows with devices that have the content, not with time. At least
 * 1.
 */
export function rateNow({ startsPerMinute, ramp }: Pace, counters: Counters): number {
  if (ramp === null) return startsPerMinute;
  const grown = ramp.from * ramp.factor ** Math.floor(counters.installed / ramp.every.succeeded);
  return Math.max(1, Math.min(startsPerMinute, Math.floor(grown)));
}
