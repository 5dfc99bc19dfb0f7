import { compareVersions } from '../../../domain/artifact/versions.js';

/** How many devices hold a version; null = they did not say one. */
export interface VersionCount {
  readonly value: string | null;
  readonly count: number;
}

/** A bar with more colours is not read. */
const SHOWN = 5;

/** Versions for a bar: the newest first, then those that cannot be compared; the rare ones are counted as one. */
export interface VersionShares {
  readonly named: readonly { readonly version: string; readonly count: number }[];
  /** Devices with versions beyond the most frequent ones. */
  readonly others: number;
  readonly unknown: number;
  readonly total: number;
}

/** @param counts the most frequent first, as the service counts them */
export function versionShares(counts: readonly VersionCount[]): VersionShares {
  const named = counts.flatMap(({ value, count }) => (value === null ? [] : [{ version: value, count }]));
  const sum = (of: readonly { readonly count: number }[]): number => of.reduce((total, { count }) => total + count, 0);
  return {
    named: named.slice(0, SHOWN).sort((a, b) => newerFirst(a.version, b.version)),
    others: sum(named.slice(SHOWN)),
    unknown: sum(counts.filter(({ value }) => value === null)),
    total: sum(counts),
  };
}

function newerFirst(a: string, b: string): number {
  const order = compareVersions(a, b);
  if (order !== undefined) return -order;
  // What is no version comes after what is one.
  const [isA, isB] = [a, b].map((version) => compareVersions(version, version) !== undefined);
  if (isA !== isB) return isA ? -1 : 1;
  return a < b ? 1 : -1;
}
