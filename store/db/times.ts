/** Epoch milliseconds as PostgreSQL takes them. */
export function iso(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString();
}

/** What node-postgres gives for a timestamptz, as epoch milliseconds. */
export function ms(date: Date | null): number | null {
  return date === null ? null : date.getTime();
}
