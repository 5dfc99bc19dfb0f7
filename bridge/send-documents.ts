import { claim, settle, type Claimed, type Settled } from '../store/outbox.js';
import type { Fence } from '../store/leases.js';
import type { Pool } from '../store/pool.js';
import { readSlots, slotKey, writePublished, type SlotView } from '../store/sending.js';
import { planSlot, type SlotPlan } from './documents.js';

const BATCH = 500;
/** A publish is given up with its connection, whose keep-alive is shorter than this. */
const LEASE_MS = 30_000;

/** What this needs of the connection to the broker: resolves once the broker has it. */
export type Publish = (topic: string, payload: Buffer, options: { qos: 0 | 1; retain: boolean }) => Promise<void>;

export interface DocumentDependencies {
  pool: Pool;
  fence: Fence;
  publish: Publish;
  downloadUrl: (tenantId: string, installationId: string) => string;
}

/**
 * Brings slots up to date at the broker: works out each slot's document from PostgreSQL, clears it under every other node where it was
 * published, publishes it, and remembers where it stands. @returns how many rows were handled.
 */
export async function sendDocuments({ pool, fence, publish, downloadUrl }: DocumentDependencies): Promise<number> {
  const claimed = await claim(pool, 'document', BATCH, LEASE_MS);
  if (claimed.length === 0) return 0;
  const views = await readSlots(pool, claimed);
  const plans = claimed.map((one) => {
    const view = views.get(slotKey(one.tenantId, one.subject, one.detail))!;
    return { claimed: one, view, plan: planSlot(view, downloadUrl) };
  });
  // First where documents may stand from now on, then the documents, then where they do not stand any more.
  await writePublished(pool, fence, plans.filter(addsNode).map(({ view, plan }) => published(view, [...new Set([...view.publishedNodes, ...plan.nodes])], plan)));
  const outcomes = await Promise.all(plans.map(({ claimed: one, plan }) => carryOut(one, plan, publish)));
  const done = plans.filter((_, index) => outcomes[index]?.error === undefined);
  await writePublished(pool, fence, done.map(({ view, plan }) => published(view, plan.nodes, plan)));
  await settle(pool, outcomes);
  return claimed.length;
}

function addsNode({ view, plan }: { view: SlotView; plan: SlotPlan }): boolean {
  return plan.nodes.some((node) => !view.publishedNodes.includes(node));
}

function published(view: SlotView, nodes: readonly string[], plan: SlotPlan) {
  return { tenantId: view.tenantId, deviceId: view.deviceId, slot: view.slot, nodes, revision: plan.revision };
}

async function carryOut(claimed: Claimed, plan: SlotPlan, publish: Publish): Promise<Settled> {
  try {
    await Promise.all(plan.messages.map((message) => publish(message.topic, message.payload, { qos: 1, retain: message.retain })));
    return { claimed };
  } catch (error) {
    return { claimed, error: (error as Error).message };
  }
}
