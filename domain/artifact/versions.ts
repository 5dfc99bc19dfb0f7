/**
 * Compares versions as SemVer 2.0.0 §11 orders them; one, two or three numbers, with or without a leading `v`. @returns
 * below 0 where `a` is older, undefined where one of them is no such version: what cannot be compared is neither older
 * nor newer.
 */
export function compareVersions(a: string, b: string): number | undefined {
  const [left, right] = [parse(a), parse(b)];
  if (!left || !right) return undefined;
  for (const [index, number] of left.numbers.entries()) {
    const difference = number - (right.numbers[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return comparePrerelease(left.prerelease, right.prerelease);
}

const FORM = /^v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?(?:-([0-9A-Za-z.-]{1,100}))?(?:\+[0-9A-Za-z.-]{1,100})?$/;

function parse(text: string): { numbers: number[]; prerelease: string[] } | undefined {
  const match = FORM.exec(text.trim());
  return match
    ? {
        numbers: [match[1], match[2], match[3]].map((digits) => Number(digits ?? 0)),
        prerelease: match[4]?.split('.') ?? [],
      }
    : undefined;
}

/** A pre-release comes before its release; identifiers that are numbers compare as such, and before words. */
function comparePrerelease(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return b.length - a.length;
  for (const [index, one] of a.entries()) {
    const other = b[index];
    if (other === undefined) return 1;
    if (one === other) continue;
    const [x, y] = [/^\d+$/.test(one), /^\d+$/.test(other)];
    if (x && y) return Number(one) - Number(other);
    if (x !== y) return x ? -1 : 1;
    return one < other ? -1 : 1;
  }
  return a.length - b.length;
}
