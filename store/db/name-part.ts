/**
 * `name ILIKE` a text that holds `part` anywhere. No index narrows it down: it is for lists of things that people name
 * one by one.
 * @returns undefined where nothing is asked for.
 */
export function namePattern(part: string | undefined): string | undefined {
  return part === undefined || part === '' ? undefined : `%${part.replaceAll(/[\\%_]/g, '\\$&')}%`;
}
