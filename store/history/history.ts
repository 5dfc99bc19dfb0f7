import type { Entry } from '../../domain/installation/history.js';
import type { EventName } from '../../domain/webhook/event-names.js';
import type { Tx } from '../db/pool.js';

/** The event under which what people did stands in the history. No webhook and no list of events tells it. */
export const AUDIT = 'audit';

/** An entry as it is written; it gets its number later, when it is sealed. */
export interface HistoryEntry {
  event: EventName;
  /** JSON-safe, as in an `Entry`. */
  data: Entry['data'];
  tenantId: string;
  deviceId?: string;
  installationId?: string;
  rolloutId?: string;
  /** Epoch milliseconds. */
  at: number;
}

/**
 * Appends, unnumbered: the sealer numbers and chains within a second, so that nothing hot is shared between devices.
 */
export async function writeHistory(tx: Tx, entries: readonly HistoryEntry[]): Promise<void> {
  if (entries.length === 0) return;
  await tx.query(
    `INSERT INTO history (tenant_id, at, device_id, installation_id, rollout_id, event, data)
     SELECT tenant_id, at, device_id, installation_id, rollout_id, event, data
     FROM jsonb_to_recordset($1::jsonb) AS n(tenant_id text, at timestamptz, device_id uuid, installation_id uuid,
       rollout_id uuid, event text, data jsonb)`,
    [
      JSON.stringify(
        entries.map((one) => ({
          tenant_id: one.tenantId,
          at: new Date(one.at).toISOString(),
          device_id: one.deviceId ?? null,
          installation_id: one.installationId ?? null,
          rollout_id: one.rolloutId ?? null,
          event: one.event,
          data: one.data,
        })),
      ),
    ],
  );
}

/** An entry as lists show it. `at`: epoch milliseconds; `event`: as it was written. */
export interface ReadEntry {
  at: number;
  event: string;
  data: Entry['data'];
}

interface HistoryRow {
  /** @narrowed it is looked for by its id */
  installation_id: string;
  at: Date;
  event: string;
  data: Record<string, unknown>;
}

/** The history of some installations, oldest first. */
export async function readHistory(
  tx: Tx,
  tenantId: string,
  installationIds: readonly string[],
): Promise<Map<string, ReadEntry[]>> {
  const { rows } = await tx.query<HistoryRow>(
    `SELECT installation_id, at, event, data FROM history WHERE tenant_id = $1
      AND installation_id = ANY((SELECT $2::uuid[])::uuid[]) ORDER BY entry`,
    [tenantId, installationIds],
  );
  const byInstallation = new Map<string, ReadEntry[]>();
  for (const row of rows) {
    const list = byInstallation.get(row.installation_id) ?? [];
    list.push({ at: row.at.getTime(), event: row.event, data: row.data });
    byInstallation.set(row.installation_id, list);
  }
  return byInstallation;
}
