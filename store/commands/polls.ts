import type { Fence } from '../db/leases.js';
import { assertLease } from '../db/leases.js';
import type { Pool, Tx } from '../db/pool.js';
import { recordset } from '../db/recordset.js';
import { iso } from '../db/times.js';
import { asService } from '../db/transaction.js';
import type { Report } from '../record.js';
import { recordFree } from './silence.js';

/** A device, or a gateway, as itself. */
export interface Node {
  readonly tenantId: string;
  readonly deviceId: string;
}

/** In one look: a fleet that went away together is marked little by little. */
const AT_ONCE = 200;

/**
 * A device waits over HTTP until a time: it counts as online until `until` (epoch milliseconds), or longer where it
 * said so before. Call it after `record`, which locks the device.
 */
export async function notePoll(tx: Tx, { tenantId, deviceId }: Node, until: number): Promise<void> {
  await tx.query(
    `UPDATE devices SET polled_until = greatest(polled_until, $3::timestamptz) WHERE tenant_id = $1 AND id = $2`,
    [tenantId, deviceId, iso(until)],
  );
}

/** Another report of one that waits now and then; no change for any other device. */
export async function prolongPoll(tx: Tx, { tenantId, deviceId }: Node, until: number): Promise<void> {
  await tx.query(
    `UPDATE devices SET polled_until = $3::timestamptz WHERE tenant_id = $1 AND id = $2 AND polled_until < $3::timestamptz`,
    [tenantId, deviceId, iso(until)],
  );
}

/** These speak by MQTT now, whose connections say whether they are there. */
export async function forgetPolls(tx: Tx, nodes: readonly Node[]): Promise<void> {
  if (nodes.length === 0) return;
  await tx.query(
    `UPDATE devices d SET polled_until = NULL FROM ${recordset('$1', 'tenant_id text, id uuid')} AS n
     WHERE d.tenant_id = n.tenant_id AND d.id = n.id AND d.polled_until IS NOT NULL`,
    [JSON.stringify(nodes.map((one) => ({ tenant_id: one.tenantId, id: one.deviceId })))],
  );
}

/**
 * Marks those offline that waited over HTTP and have not come again (docs/contracts/device-mqtt.md, "The HTTP twin").
 * At most 200 in one look. @param now epoch milliseconds @returns how many
 */
export async function endPolls(pool: Pool, fence: Fence, now: number): Promise<number> {
  const gone = await asService(pool, async (tx) => {
    await assertLease(tx, fence);
    const { rows } = await tx.query<{ tenant_id: string; id: string; online: boolean; last_seen_at: Date | null }>(
      `UPDATE devices d SET polled_until = NULL FROM (SELECT x.tenant_id, x.id FROM devices x
         WHERE x.polled_until <= $1::timestamptz ORDER BY x.polled_until LIMIT ${AT_ONCE} FOR NO KEY UPDATE SKIP LOCKED) AS over
       WHERE d.tenant_id = over.tenant_id AND d.id = over.id
       RETURNING d.tenant_id, d.id, d.online, d.last_seen_at`,
      [iso(now)],
    );
    return rows.filter((row) => row.online);
  });
  const reports = gone.map((row): Report => ({
    tenantId: row.tenant_id,
    deviceId: row.id,
    from: { kind: 'service' },
    kind: 'silence',
    then: 'offline',
    heardAt: row.last_seen_at?.getTime() ?? null,
  }));
  await recordFree(pool, fence, reports, now);
  return gone.length;
}
