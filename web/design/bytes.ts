const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** A size in its largest unit, as disks and lines are sold: `20.9 MB` is 20,900,000 bytes. @param bytes 0 or more */
export function printBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit] ?? ''}`;
}
