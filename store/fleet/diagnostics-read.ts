import type { Tx } from '../db/pool.js';

/** A message of a device that was refused. */
export interface ReadDiagnostic {
  at: string;
  reason: string;
  detail: string;
  topic?: string;
  /** The first 512 characters. */
  payload?: string;
}

/** What is kept for each device (store/fleet/diagnostics.ts): nothing is left out of the answer. */
const MAX_ENTRIES = 100;

/** Of the last hour, newest first. */
export async function readDiagnostics(tx: Tx, tenantId: string, deviceId: string): Promise<ReadDiagnostic[]> {
  const { rows } = await tx.query<{
    at: Date;
    reason: string;
    detail: string;
    topic: string | null;
    payload: string | null;
  }>(
    `SELECT at, reason, detail, topic, payload FROM device_diagnostics
     WHERE tenant_id = $1 AND device_id = $2 AND at > now() - interval '1 hour' ORDER BY entry DESC
       LIMIT ${MAX_ENTRIES}`,
    [tenantId, deviceId],
  );
  return rows.map((row) => ({
    at: row.at.toISOString(),
    reason: row.reason,
    detail: row.detail,
    ...(row.topic === null ? {} : { topic: row.topic }),
    ...(row.payload === null ? {} : { payload: row.payload }),
  }));
}
