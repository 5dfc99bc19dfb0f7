import type { Identity } from './access.js';
import { deviceFilter, DOWN_FILTERS, PROTOCOL_FILTER, UP_TYPES, upFilter } from './topics.js';

/** What a connection may do, as topic filters: for a broker that cannot call the matcher (access.ts). */
export interface AccessList {
  readonly publish: readonly string[];
  readonly receive: readonly string[];
  /** Whatever one of these covers, narrower filters included. */
  readonly subscribe: readonly string[];
}

/**
 * The matcher as lists. They say the same of every topic whose levels are spelled as the protocol allows (a test
 * compares them); a filter's `+` also lets through a child's id that is no id, which the service then refuses by
 * itself. Who may retain, and who may leave a will for a child, cannot be said in filters.
 */
export function accessList(identity: Identity): AccessList {
  if (identity.kind === 'service')
    return { publish: DOWN_FILTERS, receive: [PROTOCOL_FILTER], subscribe: [PROTOCOL_FILTER] };
  const { tenant, node } = identity;
  const sentToIt = [deviceFilter(tenant, node)];
  // Presence only of itself: the one type that carries no child.
  return {
    publish: UP_TYPES.map((type) => upFilter(tenant, node, type, type === 'presence' ? node : undefined)),
    receive: sentToIt,
    subscribe: sentToIt,
  };
}
