/**
 * How many letters have to be inserted, removed or changed to make one text of the other (Levenshtein), or two
 * neighbours to be swapped, which counts once.
 */
function lettersBetween(one: string, other: string): number {
  let before: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, n) => n);
  for (let i = 1; i <= one.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const same = one[i - 1] === other[j - 1];
      const swapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      row.push(
        Math.min(
          (last[j] ?? 0) + 1,
          (row[j - 1] ?? 0) + 1,
          (last[j - 1] ?? 0) + (same ? 0 : 1),
          ...(swapped ? [(before[j - 2] ?? 0) + 1] : []),
        ),
      );
    }
    before = last;
    last = row;
  }
  return last[other.length] ?? 0;
}

/**
 * @returns the known name that is at most two letters away from this one, and of a short one less: a third of its
 * letters; or undefined.
 */
export function nearName(name: string, known: readonly string[]): string | undefined {
  return known
    .map((one) => ({ one, letters: lettersBetween(name, one) }))
    .filter(({ letters }) => letters <= Math.min(2, Math.floor(name.length / 3)))
    .sort((a, b) => a.letters - b.letters)[0]?.one;
}
