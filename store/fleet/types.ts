import { oneRow } from '../db/one-row.js';
import { randomUUID } from 'node:crypto';
import { DomainError } from '../../domain/errors.js';
import type { NewDeviceType } from '../../protocol/http/device-types.js';
import type { Page, PageRequest } from '../db/page.js';
import type { Tx } from '../db/pool.js';
import { wildcards } from '../../domain/fleet/filter-tree.js';
import { namePattern } from '../db/name-part.js';
import { BY_CREATION, BY_NAME, readPage } from '../db/read-page.js';
import { textCondition } from './filter.js';

/** As the REST API answers it (docs/contracts/rest-api.md, "Device types and slots"). Times are RFC 3339. */
export interface DeviceType extends Omit<
  NewDeviceType,
  'manufacturer' | 'model' | 'description' | 'communicationInterval' | 'confirmation'
> {
  id: string;
  manufacturer?: string;
  model?: string;
  description?: string;
  /** Seconds; null = not monitored. */
  communicationInterval: number | null;
  /** A person at the device is asked before an installation. */
  confirmation?: 'required';
  createdAt: string;
  updatedAt: string;
}

interface DeviceTypeRow {
  id: string;
  name: string;
  manufacturer: string | null;
  model: string | null;
  description: string | null;
  categories: string[];
  reporting_rules: DeviceType['reportingRules'];
  schema: DeviceType['schema'];
  slots: DeviceType['slots'];
  communication_interval: number | null;
  confirmation: 'required' | null;
  created_at: Date;
  updated_at: Date;
}

const COLUMNS =
  'id, name, manufacturer, model, description, categories, reporting_rules, schema, slots, communication_interval, confirmation, created_at, updated_at';

/** Makes it with a new id. Two types may have the same name. */
export async function createDeviceType(tx: Tx, tenantId: string, type: NewDeviceType): Promise<DeviceType> {
  const { rows } = await tx.query<DeviceTypeRow>(
    `INSERT INTO device_types (name, manufacturer, model, description, categories, reporting_rules, schema, slots,
      communication_interval, confirmation, tenant_id, id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING ${COLUMNS}`,
    [...values(type), tenantId, randomUUID()],
  );
  return toDeviceType(oneRow(rows, 'the new device type'));
}

/** @returns undefined where the tenant has no such type. */
export async function readDeviceType(tx: Tx, tenantId: string, id: string): Promise<DeviceType | undefined> {
  const { rows } = await tx.query<DeviceTypeRow>(
    `SELECT ${COLUMNS} FROM device_types WHERE tenant_id = $1 AND id = $2`,
    [tenantId, id],
  );
  return rows[0] && toDeviceType(rows[0]);
}

/** Both must match; absent = any. */
export interface DeviceTypeFilter {
  /** Part of the name, in any case of letters. */
  readonly q?: string | undefined;
  /** Any of these; `*` stands for any characters. */
  readonly name?: readonly string[] | undefined;
}

/** Newest first, or by `name`. */
export function listDeviceTypes(
  tx: Tx,
  tenantId: string,
  filter: DeviceTypeFilter,
  page: PageRequest,
): Promise<Page<DeviceType>> {
  const values: unknown[] = [tenantId];
  const where = ['tenant_id = $1'];
  const named = namePattern(filter.q);
  if (named !== undefined) {
    values.push(named);
    where.push(`name ILIKE $${values.length}`);
  }
  if (filter.name) where.push(textCondition('name', filter.name.map(wildcards), values));
  return readPage<DeviceTypeRow, DeviceType>(
    tx,
    {
      columns: COLUMNS,
      from: 'device_types',
      where,
      values,
      sorts: { createdAt: BY_CREATION, name: BY_NAME },
      time: 'createdAt',
    },
    page,
    toDeviceType,
  );
}

/**
 * Replaces a type by what `change` makes of it, under its lock: two patches at once are applied one after the other.
 * @throws DomainError DEVICETYPE_NOT_FOUND; DEVICETYPE_IN_USE where a slot would go that something refers to; whatever
 * `change` throws.
 */
export async function updateDeviceType(
  tx: Tx,
  tenantId: string,
  id: string,
  change: (current: DeviceType) => NewDeviceType,
): Promise<DeviceType> {
  const found = await tx.query<DeviceTypeRow>(
    `SELECT ${COLUMNS} FROM device_types WHERE tenant_id = $1 AND id = $2 FOR UPDATE`,
    [tenantId, id],
  );
  if (!found.rows[0]) throw noSuchType(id);
  const current = toDeviceType(found.rows[0]);
  const next = change(current);
  await refuseLostSlots(
    tx,
    tenantId,
    id,
    Object.keys(current.slots).filter((slot) => !Object.hasOwn(next.slots, slot)),
  );
  const { rows } = await tx.query<DeviceTypeRow>(
    `UPDATE device_types
      SET name = $1, manufacturer = $2, model = $3, description = $4, categories = $5, reporting_rules = $6,
      schema = $7, slots = $8,
       communication_interval = $9, confirmation = $10, updated_at = now() WHERE tenant_id = $11 AND id = $12
      RETURNING ${COLUMNS}`,
    [...values(next), tenantId, id],
  );
  return toDeviceType(oneRow(rows, 'the changed device type'));
}

/** A slot that firmware is associated with, or that is being written on some device, stays. */
async function refuseLostSlots(tx: Tx, tenantId: string, id: string, lost: readonly string[]): Promise<void> {
  if (lost.length === 0) return;
  const { rows } = await tx.query<{ slot: string }>(
    `SELECT slot FROM firmware_associations WHERE tenant_id = $1 AND device_type_id = $2 AND slot = ANY($3::text[])
     UNION SELECT i.slot FROM installations i JOIN devices d ON d.tenant_id = i.tenant_id AND d.id = i.device_id
       WHERE i.tenant_id = $1 AND i.ended_at IS NULL AND d.device_type_id = $2 AND i.slot = ANY($3::text[]) LIMIT 1`,
    [tenantId, id, lost],
  );
  if (rows[0]) {
    throw new DomainError(
      'DEVICETYPE_IN_USE',
      `slot "${rows[0].slot}" cannot go: firmware is associated with it, or is being installed into it; delete the associations and wait for the installations first`,
      { slot: rows[0].slot },
    );
  }
}

/** How many of the devices that stand in the way are named. */
const NAMED = 20;

/** Its associations go with it. @throws DomainError DEVICETYPE_NOT_FOUND, DEVICETYPE_IN_USE naming up to 20 devices. */
export async function deleteDeviceType(tx: Tx, tenantId: string, id: string): Promise<void> {
  // The lock holds off devices that are being created of this type: their foreign key waits for it.
  const found = await tx.query('SELECT FROM device_types WHERE tenant_id = $1 AND id = $2 FOR UPDATE', [tenantId, id]);
  if (found.rowCount === 0) throw noSuchType(id);
  const users = await tx.query<{ id: string }>(
    `SELECT id FROM devices WHERE tenant_id = $1 AND device_type_id = $2 ORDER BY created_at LIMIT ${NAMED}`,
    [tenantId, id],
  );
  if (users.rows.length > 0) {
    throw new DomainError(
      'DEVICETYPE_IN_USE',
      `devices are of this type: ${users.rows.map((row) => row.id).join(', ')}`,
      { devices: users.rows.map((row) => row.id) },
    );
  }
  await tx.query('DELETE FROM device_types WHERE tenant_id = $1 AND id = $2', [tenantId, id]);
}

/** 404, the same for a type of another tenant. Made, not thrown. */
export function noSuchType(id: string): DomainError {
  return new DomainError('DEVICETYPE_NOT_FOUND', `device type ${id} does not exist`);
}

function values(type: NewDeviceType): unknown[] {
  return [
    type.name,
    type.manufacturer ?? null,
    type.model ?? null,
    type.description ?? null,
    JSON.stringify(type.categories),
    JSON.stringify(type.reportingRules),
    JSON.stringify(type.schema),
    JSON.stringify(type.slots),
    type.communicationInterval ?? null,
    type.confirmation ?? null,
  ];
}

function toDeviceType(row: DeviceTypeRow): DeviceType {
  return {
    id: row.id,
    name: row.name,
    ...(row.manufacturer === null ? {} : { manufacturer: row.manufacturer }),
    ...(row.model === null ? {} : { model: row.model }),
    ...(row.description === null ? {} : { description: row.description }),
    categories: row.categories,
    reportingRules: row.reporting_rules,
    schema: row.schema,
    slots: row.slots,
    communicationInterval: row.communication_interval,
    ...(row.confirmation === null ? {} : { confirmation: row.confirmation }),
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}
