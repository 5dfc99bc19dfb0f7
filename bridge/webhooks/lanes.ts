/** A webhook that has something to send, and when the first of it was due (epoch milliseconds). */
export interface Candidate {
  readonly tenantId: string;
  readonly webhookId: string;
  readonly dueAt: number;
}

/**
 * Deliveries under way, of all tenants and of one: each is a connection that a receiver may hold for 10 s. A tenant has
 * an eighth, so that eight whose receivers are all slow fill them for as long as that, and no fewer.
 */
export const LANES = { inAll: 64, ofTenant: 8 };

/**
 * Which webhooks begin now: of those that wait, always one of the tenant that has the fewest under way, the longest due
 * first.
 * @param underWay tenants of the lanes that are taken, one for each lane
 */
export function nextLanes(
  candidates: readonly Candidate[],
  underWay: readonly string[],
  { inAll, ofTenant } = LANES,
): Candidate[] {
  const taken = new Map<string, number>();
  for (const tenantId of underWay) taken.set(tenantId, (taken.get(tenantId) ?? 0) + 1);
  const waiting = new Map<string, Candidate[]>();
  for (const one of [...candidates].sort((a, b) => a.dueAt - b.dueAt))
    waiting.set(one.tenantId, [...(waiting.get(one.tenantId) ?? []), one]);
  const chosen: Candidate[] = [];
  while (underWay.length + chosen.length < inAll) {
    const [next] = [...waiting]
      .flatMap(([tenantId, [first]]) => (first ? [{ tenantId, first, has: taken.get(tenantId) ?? 0 }] : []))
      .filter(({ has }) => has < ofTenant)
      .sort((a, b) => a.has - b.has || a.first.dueAt - b.first.dueAt);
    if (!next) break;
    chosen.push(next.first);
    waiting.get(next.tenantId)?.shift();
    taken.set(next.tenantId, next.has + 1);
  }
  return chosen;
}
