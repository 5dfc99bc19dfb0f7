/** What devices can be counted by: a field of the filter language. `slot`: of a version. */
export type Facet =
  { readonly by: 'deviceType' | 'online' | 'tag' | 'connectedBy' } | { readonly by: 'version'; readonly slot: string };

const PLAIN = ['deviceType', 'online', 'tag', 'connectedBy'] as const;

/** A facet by its name in the filter language; undefined = there is no such facet. */
export function facetOf(name: string): Facet | undefined {
  const plain = PLAIN.find((one) => one === name);
  if (plain) return { by: plain };
  const slot = /^slot\.([a-zA-Z0-9_]{1,255})\.version$/.exec(name)?.[1];
  return slot === undefined ? undefined : { by: 'version', slot };
}

/** How many devices have a value; null = none. */
export interface FacetCount {
  readonly value: string | null;
  readonly count: number;
}
