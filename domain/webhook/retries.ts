import { backOff } from '../back-off.js';

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const DAY = 24 * HOUR;

/** A receiver that restarts is back within seconds, one that broke at night within the day. After that it is gone. */
const FIRST_MS = 10 * SECOND;
const MAX_MS = HOUR;
/**
 * After one delivery failed the others wait, too: less long, so that one that its receiver never takes does not hold up
 * the rest.
 */
const MAX_QUIET_MS = 5 * 60 * SECOND;
const GIVE_UP_MS = DAY;

/** @returns when a delivery is tried again, or undefined where its day is over. @param attempts that were made */
export function nextAttempt(attempts: number, firstAttemptAt: number, now: number): number | undefined {
  return now - firstAttemptAt >= GIVE_UP_MS
    ? undefined
    : Math.min(now + backOff(attempts, { firstMs: FIRST_MS, maxMs: MAX_MS }), firstAttemptAt + GIVE_UP_MS);
}

/** Until when a webhook is left alone after so many failures in a row. */
export function quietUntil(failures: number, now: number): number {
  return now + backOff(failures, { firstMs: FIRST_MS, maxMs: MAX_QUIET_MS });
}

/** @returns why a webhook is disabled, where nothing was delivered for a day; else undefined. */
export function disabledBecause(failingSince: number, now: number, error: string): string | undefined {
  return now - failingSince >= GIVE_UP_MS
    ? `No delivery succeeded since ${new Date(failingSince).toISOString()}; the last attempt: ${error}.`
    : undefined;
}
