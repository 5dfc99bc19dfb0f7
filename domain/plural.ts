/**
 * A count with its noun: `1 device`, `2 devices`, `0 devices`. Where the plural is not the singular with an s, it is
 * given.
 */
export function plural(count: number, one: string, many: string = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
