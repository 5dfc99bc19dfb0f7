import type { Tx } from '../db/pool.js';

/** What a slot holds, as far as the device said, and what is on its way into it. */
export interface DeviceSlot {
  slot: string;
  name?: string;
  current: {
    version: string | null;
    sha256: string | null;
    firmwareId?: string;
    installationId?: string;
    confirmed: boolean;
    reportedAt?: string;
    /** Who said it, as `by` of the history has it. */
    reportedBy?: string;
  } | null;
  desired: {
    installationId: string;
    firmwareId: string;
    name: string;
    version: string | null;
    sha256: string;
    state: string;
    executing: boolean;
    revision?: number;
  } | null;
  queued: number;
}

interface SlotRow {
  slot: string;
  display: string | null;
  reported_at: Date | null;
  reported_by: string | null;
  version: string | null;
  sha256: string | null;
  firmware_id: string | null;
  installation_id: string | null;
  confirmed: boolean | null;
  d_id: string | null;
  d_firmware_id: string;
  d_name: string;
  d_version: string | null;
  d_sha256: string;
  d_state: string;
  d_executing: boolean;
  d_revision: string | null;
  open: number;
}

/**
 * All slots of the device's type, and those that it reported or that something is open on, by name. Desired is what has
 * its turn, else what will have it next: the most urgent, then the oldest.
 */
export async function readDeviceSlots(tx: Tx, tenantId: string, deviceId: string): Promise<DeviceSlot[]> {
  const { rows } = await tx.query<SlotRow>(
    `WITH open AS (
       SELECT i.*, f.name, f.version, row_number() OVER (PARTITION BY i.slot
         ORDER BY i.executing DESC, i.priority DESC, i.requested_at, i.id) AS nth,
         count(*) OVER (PARTITION BY i.slot)::int AS open
       FROM installations i JOIN firmwares f ON f.tenant_id = i.tenant_id AND f.id = i.firmware_id
       WHERE i.tenant_id = $1 AND i.device_id = $2 AND i.ended_at IS NULL),
     named AS (
       SELECT slot, t.slots #>> ARRAY[slot, 'name'] AS display
       FROM devices d JOIN device_types t ON t.tenant_id = d.tenant_id
         AND t.id = d.device_type_id, jsonb_object_keys(t.slots) AS slot
       WHERE d.tenant_id = $1 AND d.id = $2),
     every AS (
       SELECT slot FROM named UNION SELECT slot FROM open
       UNION SELECT slot FROM device_slots WHERE tenant_id = $1 AND device_id = $2 AND reported_at IS NOT NULL)
     SELECT e.slot, n.display, s.reported_at, s.reported_by, s.version, s.sha256, s.firmware_id, s.installation_id, s.confirmed,
       o.id AS d_id, o.firmware_id AS d_firmware_id, o.name AS d_name, o.version AS d_version, o.sha256 AS d_sha256, o.state AS d_state,
       o.executing AS d_executing, o.revision AS d_revision, coalesce(o.open, 0) AS open
     FROM every e LEFT JOIN named n USING (slot)
     LEFT JOIN device_slots s ON s.tenant_id = $1 AND s.device_id = $2 AND s.slot = e.slot
     LEFT JOIN open o ON o.slot = e.slot AND o.nth = 1
     ORDER BY e.slot`,
    [tenantId, deviceId],
  );
  return rows.map(toSlot);
}

function toSlot(row: SlotRow): DeviceSlot {
  const known = row.version !== null || row.sha256 !== null || row.reported_at !== null;
  return {
    slot: row.slot,
    ...(row.display === null ? {} : { name: row.display }),
    current: !known
      ? null
      : {
          version: row.version,
          sha256: row.sha256,
          ...(row.firmware_id === null ? {} : { firmwareId: row.firmware_id }),
          ...(row.installation_id === null ? {} : { installationId: row.installation_id }),
          confirmed: row.confirmed === true,
          ...(row.reported_at === null ? {} : { reportedAt: row.reported_at.toISOString() }),
          ...(row.reported_by === null ? {} : { reportedBy: row.reported_by }),
        },
    desired:
      row.d_id === null
        ? null
        : {
            installationId: row.d_id,
            firmwareId: row.d_firmware_id,
            name: row.d_name,
            version: row.d_version,
            sha256: row.d_sha256,
            state: row.d_state,
            executing: row.d_executing,
            ...(row.d_revision === null ? {} : { revision: Number(row.d_revision) }),
          },
    queued: Math.max(0, row.open - 1),
  };
}
