import { randomUUID } from 'node:crypto';
import { DomainError } from '../../domain/errors.js';
import { noSuchType } from './types.js';
import type { Page, PageRequest } from '../db/page.js';
import type { Tx } from '../db/pool.js';
import { recordset } from '../db/recordset.js';
import { readPage } from '../db/read-page.js';

/** What may be installed into a slot of devices of a type. */
export interface Association {
  id: string;
  deviceTypeId: string;
  slotName: string;
  firmwareId: string;
}

/** A slot that a device type declares. */
export interface SlotOfType {
  deviceTypeId: string;
  slotName: string;
}

interface AssociationRow {
  id: string;
  device_type_id: string;
  slot: string;
  firmware_id: string;
}

/**
 * @throws DomainError DEVICETYPE_NOT_FOUND, DEVICETYPE_SLOT_NOT_FOUND, FIRMWARE_NO_ACCESS_TO_RESOURCE (the firmware
 * service does not say which ids exist), FIRMWARE_EXPIRED, DEVICETYPE_ASSOCIATION_EXISTS
 */
export async function createAssociation(
  tx: Tx,
  tenantId: string,
  at: SlotOfType,
  firmwareId: string,
): Promise<Association> {
  await requireSlot(tx, tenantId, at);
  // A firmware without a blob may be associated; one that is being deleted waits for this transaction, or is gone.
  const firmware = await tx.query<{ state: string }>(
    `SELECT state FROM firmwares WHERE tenant_id = $1 AND id = $2 AND state <> 'retired' FOR SHARE`,
    [tenantId, firmwareId],
  );
  if (!firmware.rows[0])
    throw new DomainError(
      'FIRMWARE_NO_ACCESS_TO_RESOURCE',
      `firmware ${firmwareId} does not exist, or belongs to another tenant`,
    );
  if (firmware.rows[0].state === 'expired')
    throw new DomainError(
      'FIRMWARE_EXPIRED',
      `firmware ${firmwareId} expired before a blob was attached; create a new one`,
    );
  const { rows } = await tx.query<AssociationRow>(
    `INSERT INTO firmware_associations (tenant_id, id, device_type_id, slot, firmware_id) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (tenant_id, device_type_id, slot, firmware_id) DO NOTHING
       RETURNING id, device_type_id, slot, firmware_id`,
    [tenantId, randomUUID(), at.deviceTypeId, at.slotName, firmwareId],
  );
  if (!rows[0])
    throw new DomainError(
      'DEVICETYPE_ASSOCIATION_EXISTS',
      `firmware ${firmwareId} is associated with slot "${at.slotName}" already`,
    );
  return toAssociation(rows[0]);
}

/** Newest first, without what was deleted since. @throws DomainError DEVICETYPE_NOT_FOUND, DEVICETYPE_SLOT_NOT_FOUND */
export async function listAssociations(
  tx: Tx,
  tenantId: string,
  at: SlotOfType,
  page: PageRequest,
): Promise<Page<Association>> {
  await requireSlot(tx, tenantId, at);
  return readPage<AssociationRow, Association>(
    tx,
    {
      columns: 'a.id, a.device_type_id, a.slot, a.firmware_id',
      from: `firmware_associations a JOIN firmwares f ON f.tenant_id = a.tenant_id AND f.id = a.firmware_id`,
      where: ['a.tenant_id = $1', 'a.device_type_id = $2', 'a.slot = $3', `f.state <> 'retired'`],
      values: [tenantId, at.deviceTypeId, at.slotName],
      sorts: { createdAt: { sql: 'a.created_at', type: 'timestamptz' } },
      time: 'createdAt',
      id: 'a.id',
    },
    page,
    toAssociation,
  );
}

/**
 * Installations that were requested already go on. @throws DomainError DEVICETYPE_NOT_FOUND, DEVICETYPE_SLOT_NOT_FOUND,
 * DEVICETYPE_ASSOCIATION_NOT_FOUND
 */
export async function deleteAssociation(tx: Tx, tenantId: string, at: SlotOfType, id: string): Promise<void> {
  await requireSlot(tx, tenantId, at);
  const deleted = await tx.query(
    'DELETE FROM firmware_associations WHERE tenant_id = $1 AND device_type_id = $2 AND slot = $3 AND id = $4',
    [tenantId, at.deviceTypeId, at.slotName, id],
  );
  if (deleted.rowCount === 0)
    throw new DomainError('DEVICETYPE_ASSOCIATION_NOT_FOUND', `slot "${at.slotName}" has no association ${id}`);
}

/**
 * Of installations, the ids of those whose firmware is not associated with their slot of the type of their device any
 * more, or was deleted.
 */
export async function unassociatedAmong(
  tx: Tx,
  installations: readonly { tenantId: string; id: string; deviceId: string; slot: string; firmwareId: string }[],
): Promise<string[]> {
  if (installations.length === 0) return [];
  const { rows } = await tx.query<{ id: string }>(
    `SELECT k.id FROM ${recordset('$1', 'tenant_id text, id uuid, device_id uuid, slot text, firmware_id uuid')} AS k
     WHERE NOT EXISTS (
       SELECT FROM devices d
       JOIN firmware_associations a ON a.tenant_id = d.tenant_id AND a.device_type_id = d.device_type_id
         AND a.slot = k.slot AND a.firmware_id = k.firmware_id
       WHERE d.tenant_id = k.tenant_id AND d.id = k.device_id)`,
    [
      JSON.stringify(
        installations.map((one) => ({
          tenant_id: one.tenantId,
          id: one.id,
          device_id: one.deviceId,
          slot: one.slot,
          firmware_id: one.firmwareId,
        })),
      ),
    ],
  );
  return rows.map((row) => row.id);
}

/** The type's row is share-locked, so that a slot that is taken from it waits for this transaction. */
async function requireSlot(tx: Tx, tenantId: string, at: SlotOfType): Promise<void> {
  const { rows } = await tx.query<{ has_slot: boolean }>(
    'SELECT slots ? $3 AS has_slot FROM device_types WHERE tenant_id = $1 AND id = $2 FOR SHARE',
    [tenantId, at.deviceTypeId, at.slotName],
  );
  if (!rows[0]) throw noSuchType(at.deviceTypeId);
  if (!rows[0].has_slot)
    throw new DomainError(
      'DEVICETYPE_SLOT_NOT_FOUND',
      `the device type has no slot "${at.slotName}"; add it with PATCH /v1/device-types/${at.deviceTypeId}`,
    );
}

function toAssociation(row: AssociationRow): Association {
  return { id: row.id, deviceTypeId: row.device_type_id, slotName: row.slot, firmwareId: row.firmware_id };
}
