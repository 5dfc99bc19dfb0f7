import { deviceKey } from '../db/keys.js';
import type { Tx } from '../db/pool.js';

/** A row that a report of this device would lock; `place`: where it lies. */
interface RowOfDevice {
  tenant_id: string;
  device_id: string;
  place: string;
}

const KEYS =
  '(SELECT tenant_id, id FROM jsonb_to_recordset($1::jsonb) AS k(tenant_id text, id uuid) ORDER BY 1, 2) AS k';

/**
 * Of which of these devices another transaction holds a row at this moment, without waiting for it: its own, one of a
 * slot, of an open installation, or of a rollout that it is a target of, which many devices share. What is free is
 * locked until the transaction ends: end it soon. A device that does not exist is not held.
 * @returns `deviceKey` of each.
 */
export async function lockedDevices(
  tx: Tx,
  devices: readonly { tenantId: string; deviceId: string }[],
): Promise<Set<string>> {
  const keys = JSON.stringify(devices.map((one) => ({ tenant_id: one.tenantId, id: one.deviceId })));
  return new Set([
    ...(await heldOf(tx, keys, 'x.id', 'devices x ON x.tenant_id = k.tenant_id AND x.id = k.id')),
    ...(await heldOf(tx, keys, 'x.device_id', 'device_slots x ON x.tenant_id = k.tenant_id AND x.device_id = k.id')),
    ...(await heldOf(
      tx,
      keys,
      'x.device_id',
      'installations x ON x.tenant_id = k.tenant_id AND x.device_id = k.id AND x.ended_at IS NULL',
    )),
    ...(await heldOf(
      tx,
      keys,
      'x.device_id',
      'rollout_targets x ON x.tenant_id = k.tenant_id AND x.device_id = k.id AND x.ended_at IS NULL',
    )),
    ...(await heldOf(
      tx,
      keys,
      't.device_id',
      `rollout_targets t ON t.tenant_id = k.tenant_id AND t.device_id = k.id AND t.ended_at IS NULL
        JOIN rollout_groups x ON x.tenant_id = t.tenant_id AND x.rollout_id = t.rollout_id
          AND x.position = t.group_position`,
    )),
  ]);
}

/** @param rows `x` is what is locked */
async function heldOf(tx: Tx, keys: string, device: string, rows: string): Promise<string[]> {
  const known = await tx.query<RowOfDevice>(
    `SELECT x.tenant_id, ${device} AS device_id, x.ctid::text AS place FROM ${KEYS} JOIN ${rows}`,
    [keys],
  );
  const free = await tx.query<RowOfDevice>(
    `SELECT x.tenant_id, ${device} AS device_id, x.ctid::text AS place FROM ${KEYS} JOIN ${rows}
      FOR NO KEY UPDATE OF x SKIP LOCKED`,
    [keys],
  );
  const places = new Set(free.rows.map(({ place }) => place));
  return known.rows.flatMap((row) => (places.has(row.place) ? [] : [deviceKey(row.tenant_id, row.device_id)]));
}
