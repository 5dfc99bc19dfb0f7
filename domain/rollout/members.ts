import { printDuration } from '../duration.js';
import { iso } from './sentences.js';

/** One member of a plan that an amendment changed; undefined = it was not there, or the history does not say. */
export interface Difference {
  /** A JSON pointer. Groups go by their names: an amendment has only those that it changes. */
  readonly pointer: string;
  readonly from?: unknown;
  readonly to?: unknown;
}

/** What an entry `amended` of the history says. */
export interface ToldAmendment {
  readonly replaced?: unknown;
  readonly amendment?: unknown;
}

/**
 * What amendments changed together, in the order of the history: the first value that was replaced and the last one
 * that took its place, of each member.
 */
export function differencesOf(amendments: readonly ToldAmendment[]): Difference[] {
  const before = new Map<string, unknown>();
  const after = new Map<string, unknown>();
  for (const { replaced, amendment } of amendments) {
    for (const [pointer, value] of members(replaced)) if (!before.has(pointer)) before.set(pointer, value);
    for (const [pointer, value] of members(amendment)) after.set(pointer, value);
  }
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((pointer) => ({ pointer, from: before.get(pointer), to: after.get(pointer) }))
    .filter(({ from, to }) => JSON.stringify(from) !== JSON.stringify(to));
}

const DURATIONS: ReadonlySet<string> = new Set(['soak', 'awayAfter', 'expiresAfter']);
const TIMES: ReadonlySet<string> = new Set(['startAt', 'endAt']);

/** Leaves by JSON pointer. */
function members(value: unknown, pointer = '', key = ''): [string, unknown][] {
  if (Array.isArray(value) && key === 'groups')
    return value.flatMap((one: { name: string }) => {
      const { name, ...rest } = one;
      return members(rest, `${pointer}/${name}`);
    });
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.entries(value).flatMap(([name, inner]) => members(inner, `${pointer}/${name}`, name));
  if (value === undefined) return [];
  // The history has milliseconds where the API has ISO 8601.
  if (typeof value === 'number' && DURATIONS.has(key)) return [[pointer, printDuration(value)]];
  if (typeof value === 'number' && TIMES.has(key)) return [[pointer, iso(value)]];
  return [[pointer, value]];
}
