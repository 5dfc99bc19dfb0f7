/**
 * The value that a rule of the program promises and the type system does not see: `defined(rows[0], 'count() answers
 * one row')`. `why` is that rule, as a sentence.
 *
 * @throws Error with `why` where the value is null or undefined: a fault of the program, never of input.
 */
export function defined<T>(value: T | null | undefined, why: string): T {
  if (value === undefined || value === null) throw new Error(why);
  return value;
}
