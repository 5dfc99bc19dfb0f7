/**
 * The row of a statement that always answers exactly one: an aggregate, an INSERT of one row, a change by primary key
 * of a row that this transaction holds.
 *
 * @param what the statement is for, in words for the error: `oneRow(rows, 'the count of webhooks')`.
 * @throws Error where there is no row, or more than one: a fault of the program.
 */
export function oneRow<R>(rows: readonly R[], what: string): R {
  const [row, ...others] = rows;
  if (row === undefined || others.length > 0) throw new Error(`${what}: one row was expected, not ${rows.length}`);
  return row;
}
