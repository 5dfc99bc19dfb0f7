import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Looks again and again until there is something to see. @throws after `ms`, with `what` and `doing()`, what was seen
 * last.
 */
export async function until(
  what: string,
  look: () => Promise<boolean> | boolean,
  ms: number,
  doing: () => string = () => '',
): Promise<void> {
  for (const end = Date.now() + ms; !(await look()); await sleep(50)) {
    if (Date.now() > end) throw new Error(`not within ${ms / 1_000} s: ${what}. ${doing()}`);
  }
}

/** Epoch milliseconds with a fraction: the same clock in every process of this machine. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}
