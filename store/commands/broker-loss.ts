import { assertLease, type Fence } from '../db/leases.js';
import type { Pool } from '../db/pool.js';
import { iso } from '../db/times.js';
import { asService } from '../db/transaction.js';
import { hasCredential } from '../fleet/gateways.js';
import { markAll } from '../outbox/publications.js';
import { recordFree } from './silence.js';

/** In one page; the bridge makes some pages a second. */
const PAGE = 200;
/** Before the first of any tenant. */
const FIRST = { tenantId: '', deviceId: '00000000-0000-0000-0000-000000000000' };

/** The broker lost what it knew: sessions, what was queued and retained, and with them the connections of devices. */
export interface BrokerLoss {
  /** When the bridge found that out; epoch milliseconds. */
  readonly at: number;
  /** Whether every device was asked for a hello since. */
  readonly areAllAsked: boolean;
}

/**
 * Writes down that the broker lost what it knew, for whichever bridge leads next, and marks every document: each is to
 * be published again.
 * @throws LeaseLost
 */
export async function noteBrokerLoss(pool: Pool, fence: Fence, now: number): Promise<void> {
  await asService(pool, async (tx) => {
    await assertLease(tx, fence);
    await tx.query(
      `INSERT INTO broker_losses (lost_at, asked_tenant, asked_device) VALUES ($1, $2, $3)
       ON CONFLICT (one) DO UPDATE SET lost_at = excluded.lost_at, asked_tenant = excluded.asked_tenant,
         asked_device = excluded.asked_device, are_all_asked = false`,
      [iso(now), FIRST.tenantId, FIRST.deviceId],
    );
  });
  await markAll(pool, fence);
}

/** The newest; undefined where the broker never lost anything. */
export async function readBrokerLoss(pool: Pool): Promise<BrokerLoss | undefined> {
  const { rows } = await asService(pool, (tx) =>
    tx.query<{ lost_at: Date; are_all_asked: boolean }>('SELECT lost_at, are_all_asked FROM broker_losses'),
  );
  return rows[0] && { at: rows[0].lost_at.getTime(), areAllAsked: rows[0].are_all_asked };
}

interface AskedRow {
  tenant_id: string;
  id: string;
  last_seen_at: Date | null;
}

/**
 * Asks a page of the devices that have a credential, and were not heard since the loss, for a hello. Those that came
 * back before the bridge did were not heard, and those that the rows call offline may be among them: without this, each
 * waits until it repeats its hello by itself. Where the next page begins is kept, so that another bridge goes on there.
 * @returns whether there may be more. @throws LeaseLost
 */
export async function askAfterLoss(pool: Pool, fence: Fence, now: number): Promise<boolean> {
  const page = await asService(pool, async (tx) => {
    await assertLease(tx, fence);
    const { rows } = await tx.query<AskedRow>(
      `SELECT d.tenant_id, d.id, d.last_seen_at FROM broker_losses l
       CROSS JOIN LATERAL (SELECT o.tenant_id, o.id, o.last_seen_at FROM devices o
         WHERE (o.tenant_id, o.id) > (l.asked_tenant, l.asked_device)
           AND (o.last_seen_at IS NULL OR o.last_seen_at < l.lost_at) AND ${hasCredential('o.tenant_id', 'o.id')}
         ORDER BY o.tenant_id, o.id LIMIT ${PAGE}) AS d
       WHERE NOT l.are_all_asked`,
    );
    return rows;
  });
  await recordFree(
    pool,
    fence,
    page.map((row) => ({
      tenantId: row.tenant_id,
      deviceId: row.id,
      from: { kind: 'service' },
      kind: 'silence',
      then: 'ask',
      heardAt: row.last_seen_at?.getTime() ?? null,
    })),
    now,
  );
  const last = page.at(-1);
  const isOver = last === undefined || page.length < PAGE;
  await asService(pool, async (tx) => {
    await assertLease(tx, fence);
    await tx.query(
      `UPDATE broker_losses SET asked_tenant = coalesce($1, asked_tenant), asked_device = coalesce($2, asked_device),
         are_all_asked = are_all_asked OR $3`,
      [last?.tenant_id ?? null, last?.id ?? null, isOver],
    );
  });
  return !isOver;
}
