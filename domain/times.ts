/** The first of these times (epoch milliseconds); null, which means never, where all are null. */
export function earliest(...times: (number | null)[]): number | null {
  const set = times.filter((time) => time !== null);
  return set.length === 0 ? null : Math.min(...set);
}
