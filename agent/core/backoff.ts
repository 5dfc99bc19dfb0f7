/** The bounds of the pauses between two tries, milliseconds. */
export interface Backoff {
  readonly first: number;
  readonly max: number;
}

/**
 * The pause after so many failures: it doubles from `first` on, up to `max`, and half of it is chance, so that devices
 * that lost the same server do not come back at the same moment.
 * @param failures 1 = the first one
 * @param random 0 ≤ x < 1
 * @returns milliseconds
 */
export function pauseAfter(failures: number, { first, max }: Backoff, random: () => number): number {
  // Beyond 2^20 times the first pause the bound decides anyway.
  const exponent = Math.min(20, Math.max(0, failures - 1));
  return Math.min(max, first * 2 ** exponent) * (0.5 + random() / 2);
}
