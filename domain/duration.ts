/**
 * ISO 8601 durations whose length is fixed: weeks, days, hours, minutes, seconds. Years and months differ in length, so
 * they are none.
 */
const FORM =
  /^P(?=[\dT])(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:[.,](\d{1,9}))?S)?)?$/;

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * @returns whole milliseconds; undefined where the text is no such duration. A fraction is possible in seconds only.
 */
export function parseDuration(text: string): number | undefined {
  const match = FORM.exec(text);
  if (!match) return undefined;
  const [weeks, days, hours, minutes, seconds] = match.slice(1, 6).map((digits) => Number(digits ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const fraction = Math.round(Number(`0.${match[6] ?? '0'}`) * SECOND);
  return (weeks * 7 + days) * DAY + hours * HOUR + minutes * MINUTE + seconds * SECOND + fraction;
}

/**
 * In one unit, the largest that divides it: P7D, PT36H, PT90S, PT0.5S. What people write comes back as they wrote it.
 */
export function printDuration(ms: number): string {
  if (ms !== 0 && ms % DAY === 0) return `P${ms / DAY}D`;
  if (ms !== 0 && ms % HOUR === 0) return `PT${ms / HOUR}H`;
  if (ms !== 0 && ms % MINUTE === 0) return `PT${ms / MINUTE}M`;
  return `PT${ms / SECOND}S`;
}
