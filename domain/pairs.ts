/**
 * Each with its counterpart of the other list, in order: `paired(reports, await record(tx, reports, now))`.
 *
 * @throws Error where one list is longer than the other: a fault of the program.
 */
export function paired<A, B>(ones: readonly A[], others: readonly B[]): [A, B][] {
  if (ones.length !== others.length) throw new Error(`${ones.length} values have ${others.length} counterparts`);
  // Not `defined`: undefined may be a value of B.
  return ones.map((one, index) => [one, others[index] as B]);
}
