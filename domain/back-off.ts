/** Of the pauses between tries, milliseconds. */
export interface BackOffBounds {
  readonly firstMs: number;
  readonly maxMs: number;
  /** By which each pause is longer than the one before; 2 where it is left out. */
  readonly factor?: number;
}

/**
 * The pause after so many failures in a row: `firstMs` after the first, `factor` times as long after each further one,
 * never longer than `maxMs`.
 * @param failures 1 or more; less counts as 1
 * @param chance from 0 to 1. Half of the pause is multiplied by it: give a random number where many that lost the same
 *   server would come back at the same moment; left out, it is the whole pause
 * @returns milliseconds
 */
export function backOff(failures: number, { firstMs, maxMs, factor = 2 }: BackOffBounds, chance = 1): number {
  return Math.min(maxMs, firstMs * factor ** Math.max(0, failures - 1)) * (0.5 + chance / 2);
}
