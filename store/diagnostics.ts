import type { Tx } from './pool.js';

/** A message that was refused, and why: the device is told nothing by MQTT 3.1.1, so its engineer looks here. */
export interface Diagnostic {
  tenantId: string;
  deviceId: string;
  /** Epoch milliseconds. */
  at: number;
  reason: string;
  detail: string;
  topic: string;
  payload: string;
}

/** Newest entries kept per device, and for how long: enough to see a pattern, too little to fill a disk. */
const KEPT_PER_DEVICE = 100;
const KEPT_FOR = '1 hour';
const PAYLOAD_CHARACTERS = 512;

/** Keeps refusals of devices that exist; what names no device is only counted. */
export async function keepDiagnostics(tx: Tx, entries: readonly Diagnostic[]): Promise<void> {
  if (entries.length === 0) return;
  const records = entries.map((one) => ({
    tenant_id: one.tenantId, device_id: one.deviceId, at: new Date(one.at).toISOString(), reason: one.reason, detail: storable(one.detail).slice(0, 1_000),
    topic: storable(one.topic).slice(0, 512), payload: storable(one.payload).slice(0, PAYLOAD_CHARACTERS),
  }));
  await tx.query(
    `WITH n AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS n(tenant_id text, device_id uuid, at timestamptz, reason text, detail text, topic text, payload text)),
          kept AS (INSERT INTO device_diagnostics (tenant_id, device_id, at, reason, detail, topic, payload)
                   SELECT n.* FROM n JOIN devices d ON d.tenant_id = n.tenant_id AND d.id = n.device_id)
     DELETE FROM device_diagnostics x USING (SELECT DISTINCT tenant_id, device_id FROM n) AS touched
     WHERE x.tenant_id = touched.tenant_id AND x.device_id = touched.device_id
       AND (x.at < now() - interval '${KEPT_FOR}' OR x.entry <= (SELECT y.entry FROM device_diagnostics y
            WHERE y.tenant_id = x.tenant_id AND y.device_id = x.device_id ORDER BY y.entry DESC OFFSET ${KEPT_PER_DEVICE} LIMIT 1))`,
    [JSON.stringify(records)],
  );
}

function storable(text: string): string {
  return text.replace(/[\0\uD800-\uDFFF]/gu, '\uFFFD');
}
