/** Epoch milliseconds as PostgreSQL takes them. */
export function iso(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString();
}

/** What node-postgres gives for a timestamptz, as epoch milliseconds. */
export function ms(date: Date | null): number | null {
  return date === null ? null : date.getTime();
}

/** Only what happened at `since` or later, and before `until`; RFC 3339. */
export interface Between {
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** The conditions for that on a column, whose values are added to `values`. */
export function between(column: string, { since, until }: Between, values: unknown[]): string[] {
  return [
    ...(since === undefined ? [] : [`${column} >= $${values.push(since)}::timestamptz`]),
    ...(until === undefined ? [] : [`${column} < $${values.push(until)}::timestamptz`]),
  ];
}
