import type { Logger } from 'pino';
import { claimIn, settleIn, type Claimed, type Settled } from '../../store/outbox/outbox.js';
import type { Pool, Tx } from '../../store/db/pool.js';
import { removeCleared, writePublished, type Published } from '../../store/outbox/publications.js';
import { record } from '../../store/record.js';
import { readSlots, slotKey, type SlotView } from '../../store/installations/to-send.js';
import { asService } from '../../store/db/transaction.js';
import { assertLease } from '../../store/db/leases.js';
import { planSlot, type SlotPlan } from './documents.js';
import { isLeaseLost, type LeaseGuard } from '../rounds/lease-guard.js';
import type { Publish } from '../mqtt/connection.js';

const BATCH = 500;
/** A publish is given up with its connection, whose keep-alive is shorter than this. */
const LEASE_MS = 30_000;

/** What the sender of documents stands on. `now`: epoch milliseconds; `downloadUrl` is signed. */
export interface DocumentDependencies {
  pool: Pool;
  guard: LeaseGuard;
  publish: Publish;
  downloadUrl: (tenantId: string, installationId: string) => string;
  now: () => number;
  log: Logger;
}

interface Planned {
  claimed: Claimed;
  view: SlotView;
  plan: SlotPlan;
}

/**
 * Brings slots up to date at the broker: works out each slot's document from PostgreSQL, clears it under every other
 * node where it was published, publishes it, and remembers where it stands. A slot whose document cannot be made holds
 * up no other. @returns how many rows were handled.
 */
export async function sendDocuments(has: DocumentDependencies): Promise<number> {
  const { claimed, views } = await asService(has.pool, async (tx) => {
    const rows = await claimIn(tx, 'document', BATCH, LEASE_MS, has.guard.fence);
    return { claimed: rows, views: rows.length > 0 ? await readSlots(tx, rows) : new Map<string, SlotView>() };
  });
  if (claimed.length === 0) return 0;
  const { plans, failed } = planAll(claimed, views, has);
  // Asked for now, carried out by the next round: the record marks the slot again.
  await raiseRevisions(has, plans);
  // First where documents may stand from now on, then the documents, then where they do not stand any more.
  await writeWhereTheyWillStand(has, plans.flatMap(standing));
  const outcomes = await Promise.all(plans.map(({ claimed: one, plan }) => carryOut(one, plan, has.publish)));
  const done = plans.filter((_, index) => outcomes[index]?.error === undefined);
  await asLeader(has, async (tx) => {
    await removeCleared(tx, done.flatMap(cleared));
    await settleIn(tx, [...outcomes, ...failed]);
  });
  return claimed.length;
}

function planAll(
  claimed: readonly Claimed[],
  views: ReadonlyMap<string, SlotView>,
  { downloadUrl, log }: DocumentDependencies,
): { plans: Planned[]; failed: Settled[] } {
  const plans: Planned[] = [];
  const failed: Settled[] = [];
  for (const one of claimed) {
    try {
      const view = views.get(slotKey(one.tenantId, one.subject, one.detail));
      if (!view) throw new Error('the slot was not read');
      plans.push({ claimed: one, view, plan: planSlot(view, downloadUrl) });
    } catch (error) {
      log.error(
        {
          err: error,
          tenantId: one.tenantId,
          deviceId: one.subject,
          slot: one.detail,
          installationId: views.get(slotKey(one.tenantId, one.subject, one.detail))?.installation?.id,
        },
        'a document cannot be made',
      );
      failed.push({ claimed: one, error: (error as Error).message });
    }
  }
  return { plans, failed };
}

/** In one transaction for all: a slot whose document must bear a higher revision than it has. */
async function raiseRevisions(has: DocumentDependencies, plans: readonly Planned[]): Promise<void> {
  const reports = plans.flatMap(({ view, plan }) =>
    plan.raisedRevision === null
      ? []
      : [
          {
            tenantId: view.tenantId,
            deviceId: view.deviceId,
            from: { kind: 'service' as const },
            kind: 'revision_conflict' as const,
            slot: view.slot,
            revision: plan.raisedRevision,
          },
        ],
  );
  if (reports.length > 0) await asLeader(has, (tx) => record(tx, reports, has.now()));
}

async function writeWhereTheyWillStand(has: DocumentDependencies, published: readonly Published[]): Promise<void> {
  if (published.length > 0) await asLeader(has, (tx) => writePublished(tx, published));
}

function asLeader<T>({ pool, guard }: DocumentDependencies, work: (tx: Tx) => Promise<T>): Promise<T> {
  return asService(pool, async (tx) => {
    await assertLease(tx, guard.fence);
    return work(tx);
  });
}

function standing({ view, plan }: Planned): Published[] {
  return plan.publishedUnder === null ? [] : [{ ...of(view), node: plan.publishedUnder, revision: plan.revision }];
}

function cleared({ view, plan }: Planned): Published[] {
  return plan.clearedUnder.map((node) => ({ ...of(view), node, revision: null }));
}

function of({ tenantId, deviceId, slot }: SlotView): { tenantId: string; deviceId: string; slot: string } {
  return { tenantId, deviceId, slot };
}

/** Each waits for its own messages: one that the broker does not take holds up no other. */
async function carryOut(claimed: Claimed, plan: SlotPlan, publish: Publish): Promise<Settled> {
  try {
    await Promise.all(
      plan.messages.map((message) => publish(message.topic, message.payload, { qos: 1, retain: message.retain })),
    );
    return { claimed };
  } catch (error) {
    if (isLeaseLost(error)) throw error;
    return { claimed, error: (error as Error).message };
  }
}
