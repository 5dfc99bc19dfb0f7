import { compareVersions } from './versions.js';

/** How one version stands to another. `incomparable`: they have shapes between which there is no order. */
export type VersionOrder = 'older' | 'same' | 'newer' | 'incomparable';

/**
 * How `next` stands to `held`: the order that decides what is a downgrade (docs/rollouts.md, "The order of versions").
 *
 * - A *stamp* is a date, with or without a time: `2026-11-30`, `20261130`, `202611301200`, `2026-11-30.2`. Stamps go by
 *   time; where one has more digits, what is missing in the other is 0.
 * - A *number* is one to eight numbers between dots, of up to eighteen digits each: `7`, `1.4`, `1.4.0.12`. One that is
 *   missing is 0. Pre-releases and build metadata are those of SemVer 2.0.0 §11.
 * - Both may have a leading `v`. Stamps and numbers have no order between them, and other texts have none but to
 *   themselves.
 */
export function orderOfVersions(held: string, next: string): VersionOrder {
  const [a, b] = [held.trim(), next.trim()];
  if (a === b) return 'same';
  const order = compare(a, b);
  return order === undefined ? 'incomparable' : order < 0 ? 'newer' : order > 0 ? 'older' : 'same';
}

function compare(held: string, next: string): number | undefined {
  const [a, b] = [stampOf(held), stampOf(next)];
  if (a !== undefined || b !== undefined) return a === undefined || b === undefined ? undefined : byNumbers(a, b);
  const [x, y] = [numbersOf(held), numbersOf(next)];
  if (!x || !y) return undefined;
  return byNumbers(x.numbers, y.numbers) || compareVersions(`0${x.rest}`, `0${y.rest}`);
}

function byNumbers(a: readonly bigint[], b: readonly bigint[]): number {
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const [x, y] = [a[index] ?? 0n, b[index] ?? 0n];
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}

const STAMP = /^v?((?:19|20|21)\d\d)(-?)(\d\d)\2(\d\d)(?:[T.-]?([0-2]\d):?([0-5]\d)(?::?([0-5]\d))?)?(?:\.(\d{1,9}))?$/;

/** Year, month, day, hour, minute, second and a counter within it; undefined where the text is no date. */
function stampOf(text: string): readonly bigint[] | undefined {
  const [, year, , month, day, hour, minute, second, counter] = STAMP.exec(text) ?? [];
  if (year === undefined || !within(month, 1, 12) || !within(day, 1, 31)) return undefined;
  return [year, month, day, hour, minute, second, counter].map((digits) => BigInt(digits ?? 0));
}

function within(digits: string | undefined, from: number, to: number): boolean {
  return Number(digits) >= from && Number(digits) <= to;
}

const NUMBERS = /^v?(\d{1,18}(?:\.\d{1,18}){0,7})((?:-[0-9A-Za-z.-]{1,100})?(?:\+[0-9A-Za-z.-]{1,100})?)$/;

function numbersOf(text: string): { readonly numbers: readonly bigint[]; readonly rest: string } | undefined {
  const [, numbers, rest] = NUMBERS.exec(text) ?? [];
  return numbers === undefined || rest === undefined ? undefined : { numbers: numbers.split('.').map(BigInt), rest };
}
