import { assertLease, type Fence } from '../db/leases.js';
import type { Pool, Tx } from '../db/pool.js';
import { recordset } from '../db/recordset.js';
import { asService } from '../db/transaction.js';

/** A message that was refused, and why: the device is told nothing by MQTT 3.1.1, so its engineer looks here. */
export interface Diagnostic {
  tenantId: string;
  deviceId: string;
  /** Epoch milliseconds. */
  at: number;
  reason: string;
  detail: string;
  topic?: string;
  payload?: string;
}

/** Newest entries kept per device, and for how long: enough to see a pattern, too little to fill a disk. */
const KEPT_PER_DEVICE = 100;
const KEPT_FOR = '1 hour';
const PAYLOAD_CHARACTERS = 512;
const TOPIC_CHARACTERS = 512;
const DETAIL_CHARACTERS = 1_000;

/** Keeps refusals of devices that exist; what names no device is only counted. */
export async function keepDiagnostics(tx: Tx, entries: readonly Diagnostic[]): Promise<void> {
  const records = newest(entries).map((one, nth) => ({
    nth,
    tenant_id: one.tenantId,
    device_id: one.deviceId,
    at: new Date(one.at).toISOString(),
    reason: one.reason,
    detail: storable(one.detail.slice(0, DETAIL_CHARACTERS)),
    topic: one.topic === undefined ? null : storable(one.topic.slice(0, TOPIC_CHARACTERS)),
    payload: one.payload === undefined ? null : storable(one.payload.slice(0, PAYLOAD_CHARACTERS)),
  }));
  if (records.length === 0) return;
  await tx.query(
    `INSERT INTO device_diagnostics (tenant_id, device_id, at, reason, detail, topic, payload)
     SELECT n.tenant_id, n.device_id, n.at, n.reason, n.detail, n.topic, n.payload
     FROM ${recordset('$1', 'nth integer, tenant_id text, device_id uuid, at timestamptz, reason text, detail text, topic text, payload text')} AS n
     JOIN devices d ON d.tenant_id = n.tenant_id AND d.id = n.device_id ORDER BY n.nth`,
    [JSON.stringify(records)],
  );
  // In a statement of its own, which sees those that were just added. What another transaction is dropping is skipped:
  // no two writers wait for each other.
  await tx.query(
    `DELETE FROM device_diagnostics WHERE entry IN (
       SELECT x.entry FROM device_diagnostics x
       JOIN (SELECT DISTINCT tenant_id, device_id
         FROM jsonb_to_recordset($1::jsonb) AS n(tenant_id text, device_id uuid)) AS touched USING (tenant_id,
         device_id)
       WHERE x.entry <= (SELECT y.entry FROM device_diagnostics y WHERE y.tenant_id = x.tenant_id
         AND y.device_id = x.device_id
                         ORDER BY y.entry DESC OFFSET ${KEPT_PER_DEVICE} LIMIT 1)
       FOR UPDATE OF x SKIP LOCKED)`,
    [JSON.stringify(records)],
  );
}

/** Entries that go in one transaction. */
export const DIAGNOSTICS_PER_PAGE = 10_000;

/** What is older than an hour goes, some at a time. @returns how many went. */
export async function dropOldDiagnostics(pool: Pool, fence: Fence): Promise<number> {
  return asService(pool, async (tx) => {
    await assertLease(tx, fence);
    const dropped = await tx.query(
      `DELETE FROM device_diagnostics WHERE entry IN (SELECT entry FROM device_diagnostics
        WHERE at < now() - interval '${KEPT_FOR}' ORDER BY at LIMIT ${DIAGNOSTICS_PER_PAGE} FOR UPDATE SKIP LOCKED)`,
    );
    return dropped.rowCount ?? 0;
  });
}

/** More of one device than are kept need not be written first. */
function newest(entries: readonly Diagnostic[]): Diagnostic[] {
  const counts = new Map<string, number>();
  return [...entries]
    .reverse()
    .filter(({ tenantId, deviceId }) => {
      const count = (counts.get(`${tenantId}/${deviceId}`) ?? 0) + 1;
      counts.set(`${tenantId}/${deviceId}`, count);
      return count <= KEPT_PER_DEVICE;
    })
    .reverse();
}

function storable(text: string): string {
  return text.replace(/[\0\uD800-\uDFFF]/gu, '\uFFFD');
}
