import { parseFilter } from '../../../domain/fleet/filter.js';

/** What is wrong with a filter, and where, as the service would say it; undefined where it parses, or is blank. */
export function faultOf(filter: string): { readonly position: number; readonly message: string } | undefined {
  if (filter.trim() === '') return undefined;
  const parsed = parseFilter(filter);
  return 'error' in parsed ? parsed.error : undefined;
}

/** Adds a comparison to a filter; one with `or` at its top is put into parentheses first. */
export function narrowed(filter: string, field: string, value: string): string {
  const comparison = `${field}==${quoted(value)}`;
  const before = filter.trim();
  if (before === '') return comparison;
  const parsed = parseFilter(before);
  const isOr = 'filter' in parsed && 'is' in parsed.filter && parsed.filter.is === 'or';
  return `${isOr ? `(${before})` : before};${comparison}`;
}

/** A value as the language takes it (docs/filters.md). */
export function quoted(value: string): string {
  return /^[\w.@/+-]+$/.test(value) ? value : `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
