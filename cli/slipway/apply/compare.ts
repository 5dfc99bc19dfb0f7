import { parseDuration, printDuration } from '../../../domain/duration.js';

/** One member that is not as the file says. */
export interface Difference {
  /** `slots.firmware.name` */
  readonly path: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

type Members = Readonly<Record<string, unknown>>;

/** JSON members: no list, no null. */
export function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Without some of its members. */
export function without(value: object, ...names: readonly string[]): Members {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)));
}

/**
 * A thing without what says nothing: null, empty lists and empty objects at its first two levels, which are what the
 * API answers where nothing was sent. Durations are written in one way.
 */
export function bare(value: Members, depth = 2): Members {
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, of]) => {
      const inner = isMembers(of) && depth > 1 ? bare(of, depth - 1) : written(of);
      const isEmpty = inner === null || inner === undefined || isEmptyOf(inner);
      return isEmpty ? [] : [[key, inner]];
    }),
  );
}

function isEmptyOf(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

/** `PT60S` and `PT1M` are the same time. */
function written(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(written);
  if (isMembers(value)) return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, written(of)]));
  const ms = typeof value === 'string' ? parseDuration(value) : undefined;
  return ms === undefined ? value : printDuration(ms);
}

/** What differs, member by member. Lists of objects are compared place by place, other lists are one value. */
export function differences(before: Members, after: Members, path = ''): Difference[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys.flatMap((key): Difference[] => {
    const [was, is] = [before[key], after[key]];
    const at = path === '' || key.startsWith('[') ? `${path}${key}` : `${path}.${key}`;
    if (isListOfMembers(was) && isListOfMembers(is)) return differences(byPlace(was), byPlace(is), at);
    if (isMembers(was) && isMembers(is)) return differences(was, is, at);
    if (was !== undefined && is !== undefined) return isSame(was, is) ? [] : [{ path: at, before: was, after: is }];
    // A whole object that comes or goes is shown by its members.
    if (isMembers(is) && !isEmptyOf(is)) return differences({}, is, at);
    if (isMembers(was) && !isEmptyOf(was)) return differences(was, {}, at);
    return [is === undefined ? { path: at, before: was } : { path: at, after: is }];
  });
}

function isListOfMembers(value: unknown): value is readonly Members[] {
  return Array.isArray(value) && value.every(isMembers);
}

function byPlace(list: readonly Members[]): Members {
  return Object.fromEntries(list.map((one, at) => [`[${at}]`, one]));
}

/** Equal as JSON, in whatever order their members are. */
export function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isMembers(value)) return value;
  const keys = Object.keys(value).sort();
  return Object.fromEntries(keys.map((key) => [key, sorted(value[key])]));
}

/** The merge patch (RFC 7396) that makes `after` of `before`. */
export function mergePatch(before: Members, after: Members): Members {
  const gone = Object.keys(before)
    .filter((key) => after[key] === undefined)
    .map((key) => [key, null] as const);
  const changed = Object.entries(after).flatMap(([key, is]) => {
    const was = before[key];
    if (isSame(was, is)) return [];
    return [[key, isMembers(was) && isMembers(is) ? mergePatch(was, is) : is] as const];
  });
  return Object.fromEntries([...gone, ...changed]);
}

/** The differences as they are shown: `+`, `~` and `-`, as `terraform plan` does. */
export function differenceLines(of: readonly Difference[]): string[] {
  return of.map(({ path, before, after }) => {
    if (before === undefined) return `+ ${path}: ${valueText(after)}`;
    if (after === undefined) return `- ${path}: ${valueText(before)}`;
    return `~ ${path}: ${valueText(before)} → ${valueText(after)}`;
  });
}

function valueText(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.replaceAll(/[\u0000-\u001f\u007f]+/g, ' ');
}
