/**
 * The value that `share` (0 to 1) of the values do not exceed (nearest rank). @throws where there are none: a
 * percentile of nothing is a mistake.
 */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const found = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (found === undefined) throw new Error('there is nothing to take a percentile of');
  return found;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** Three significant digits: more would claim what one run on a shared machine cannot know. */
export function rounded(value: number): number {
  return value === 0 ? 0 : Number(value.toPrecision(3));
}

export function spread(values: readonly number[], unit: string): string {
  const of = (share: number) => rounded(percentile(values, share));
  return `p50 ${of(0.5)}, p99 ${of(0.99)}, max ${of(1)} ${unit}; ${values.length} samples`;
}
