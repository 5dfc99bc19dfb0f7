/**
 * Whether the service answers. Any request and the event stream say so; while it does not, the stream tries again each
 * second, so that no page has to poll.
 */
export type Reach = { readonly away: false } | { readonly away: true; readonly since: number };

let reach: Reach = { away: false };
const listeners = new Set<() => void>();

/** As it is known now. */
export function currentReach(): Reach {
  return reach;
}

/** Calls `listener` after each change. @returns the function that ends it */
export function onReach(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** A request got no answer. */
export function lost(): void {
  if (reach.away) return;
  reach = { away: true, since: Date.now() };
  for (const listener of [...listeners]) listener();
}

/** A request got an answer, whichever. */
export function reached(): void {
  if (!reach.away) return;
  reach = { away: false };
  for (const listener of [...listeners]) listener();
}
