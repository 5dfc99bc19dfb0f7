import { defined } from '../../domain/defined.js';
import { databaseNow } from '../db/clock.js';
import { randomUUID } from 'node:crypto';
import { DomainError } from '../../domain/errors.js';
import { hasCredential } from '../fleet/gateways.js';
import { wildcards } from '../../domain/fleet/filter-tree.js';
import type { FieldName, FilterNode, Value } from '../../domain/fleet/filter-tree.js';
import type { NewDevice } from '../../protocol/http/devices.js';
import { deviceCondition, filterCondition } from '../fleet/filter.js';
import type { Caps } from '../../domain/installation/installation.js';
import { deviceKey } from '../db/keys.js';
import { oneRow } from '../db/one-row.js';
import { nodesOf as servingNodesOf } from '../fleet/gateways.js';
import { noSuchType } from '../fleet/types.js';
import { lockTopology, requireGateway } from './topology.js';
import { mark, markDocumentsOf, wakeSender } from '../outbox/outbox.js';
import type { Page, PageRequest } from '../db/page.js';
import type { Tx } from '../db/pool.js';
import { assertQuota } from '../db/quotas.js';
import { BY_CREATION, BY_NAME, readPage } from '../db/read-page.js';
import { refreshAdmissible } from '../rollouts/moves.js';
import { wantSweeps } from './sweep.js';
import { isUuid } from '../../domain/uuid.js';

/** As the REST API answers it; absent = never set. Times are RFC 3339, `communicationInterval` seconds. */
export interface Device {
  id: string;
  info: {
    name: string;
    deviceTypeId: string;
    description?: string;
    tags: string[];
    connectedBy?: string;
    aliases: string[];
    location?: unknown;
    coordinates?: unknown;
    installationTimestamp?: string;
    communicationInterval?: number;
    reportsAs?: string;
  };
  configuration?: unknown;
  custom?: unknown;
  online: boolean;
  lastSeenAt?: string;
  agent?: { name: string; version: string };
  capabilities?: { resume: boolean; cancelDuringInstall: boolean; hash: readonly string[]; maxSize?: number };
  bootId?: string;
  createdAt: string;
  updatedAt: string;
}

interface DeviceRow {
  id: string;
  device_type_id: string;
  name: string;
  description: string | null;
  tags: string[];
  aliases: string[];
  connected_by: string | null;
  location: unknown;
  coordinates: unknown;
  installation_timestamp: Date | null;
  communication_interval: number | null;
  reports_as: string | null;
  configuration: unknown;
  custom: unknown;
  online: boolean;
  last_seen_at: Date | null;
  agent: { name: string; version: string } | null;
  caps: Caps | null;
  boot_id: string | null;
  created_at: Date;
  updated_at: Date;
}

const COLUMNS = `id, device_type_id, name, description, tags, connected_by, location, coordinates, installation_timestamp, communication_interval, reports_as,
  configuration, custom, online, last_seen_at, agent, caps, boot_id, created_at, updated_at,
  ARRAY(SELECT alias FROM device_aliases a WHERE a.tenant_id = devices.tenant_id AND a.device_id = devices.id
    ORDER BY position, alias) AS aliases`;

/** @throws DomainError DEVICETYPE_NOT_FOUND, DEVICE_CONNECTEDBY_CONFLICT, DEVICE_ALIAS_CONFLICT */
export async function createDevice(
  tx: Tx,
  tenantId: string,
  device: NewDevice,
  id: string = randomUUID(),
): Promise<Device> {
  await assertQuota(tx, tenantId, 'devices');
  await requireType(tx, tenantId, device.info.deviceTypeId);
  if (device.info.connectedBy) await requireGateway(tx, tenantId, id, device.info.connectedBy);
  await tx.query(
    `INSERT INTO devices (device_type_id, name, description, tags, connected_by, location, coordinates,
      installation_timestamp, communication_interval, reports_as, configuration, custom, tenant_id, id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
    [...values(device), tenantId, id],
  );
  await addAliases(tx, tenantId, id, device.info.aliases ?? []);
  await wantSweeps(tx, tenantId);
  return defined(await readDevice(tx, tenantId, id), 'the device was written in this transaction');
}

/** @returns undefined where the tenant has no such device; one of another tenant counts as none. */
export async function readDevice(tx: Tx, tenantId: string, id: string): Promise<Device | undefined> {
  const { rows } = await tx.query<DeviceRow>(`SELECT ${COLUMNS} FROM devices WHERE tenant_id = $1 AND id = $2`, [
    tenantId,
    id,
  ]);
  return rows[0] && toDevice(rows[0]);
}

/** @throws DomainError DEVICE_NOT_FOUND */
export async function requireDevice(tx: Tx, tenantId: string, id: string): Promise<void> {
  const found = await tx.query('SELECT FROM devices WHERE tenant_id = $1 AND id = $2', [tenantId, id]);
  if (found.rowCount === 0) throw noSuchDevice(id);
}

/** Each list matches any of its values; what is absent filters nothing. */
export interface DeviceFilter {
  deviceId?: readonly string[] | undefined;
  tag?: readonly string[] | undefined;
  connectedBy?: readonly string[] | undefined;
  deviceTypeId?: readonly string[] | undefined;
  /** `*` stands for any characters. */
  name?: readonly string[] | undefined;
  /** RSQL, which was checked. */
  filter?: string | undefined;
}

/** Newest first, or by `name`. */
export function listDevices(tx: Tx, tenantId: string, filter: DeviceFilter, page: PageRequest): Promise<Page<Device>> {
  const { where, values } = deviceConditions(tenantId, filter);
  return readPage<DeviceRow, Device>(
    tx,
    {
      columns: COLUMNS,
      from: 'devices',
      where,
      values,
      sorts: { createdAt: BY_CREATION, name: BY_NAME },
      time: 'createdAt',
    },
    page,
    toDevice,
  );
}

/** What finds the devices of a filter, over a table that is named `devices`; its parameters begin with the tenant. */
export function deviceConditions(tenantId: string, filter: DeviceFilter): { where: string[]; values: unknown[] } {
  const values: unknown[] = [tenantId];
  const names = { devices: 'devices', tenant: '$1' };
  const where = ['tenant_id = $1', ...nodesOf(filter).map((node) => deviceCondition(node, values, names))];
  if (filter.filter !== undefined) where.push(filterCondition(filter.filter, values, names));
  return { where, values };
}

/** The comma lists in the words of the filter language: they are found by the same indexes. */
function nodesOf({ deviceId, connectedBy, deviceTypeId, tag, name }: DeviceFilter): FilterNode[] {
  const nodes: FilterNode[] = [];
  const any = (field: FieldName, list: readonly Value[] | undefined): void => {
    if (list) nodes.push({ is: 'comparison', field, key: null, op: '=in=', values: list });
  };
  any('id', deviceId && uuids(deviceId));
  any('connectedBy', connectedBy && uuids(connectedBy));
  any('deviceType', deviceTypeId && uuids(deviceTypeId));
  any('tag', tag);
  any('name', name?.map(wildcards));
  return nodes;
}

/** What is no UUID names no device; PostgreSQL would call it an error. */
function uuids(list: readonly string[]): string[] {
  return list.filter((value) => isUuid(value)).map((value) => value.toLowerCase());
}

/**
 * Replaces a device by what `change` makes of it, under its lock. Where its gateway changes, the documents of all that
 * is behind it move to other topics: they are marked.
 * @param topology whether `change` may change `connectedBy`: such changes are made one after the other, so that no two
 * close a circle.
 * @throws DomainError DEVICE_NOT_FOUND, DEVICETYPE_NOT_FOUND, DEVICE_CONNECTEDBY_CONFLICT, DEVICE_ALIAS_CONFLICT,
 * DEVICE_IN_USE; whatever `change` throws.
 */
export async function updateDevice(
  tx: Tx,
  tenantId: string,
  id: string,
  topology: boolean,
  change: (current: Device) => NewDevice,
): Promise<Device> {
  if (topology) await lockTopology(tx, tenantId);
  const found = await tx.query<DeviceRow>(
    `SELECT ${COLUMNS} FROM devices WHERE tenant_id = $1 AND id = $2 FOR UPDATE`,
    [tenantId, id],
  );
  if (!found.rows[0]) throw noSuchDevice(id);
  const current = toDevice(found.rows[0]);
  const next = change(current);
  if (next.info.deviceTypeId.toLowerCase() !== current.info.deviceTypeId)
    await requireTypeChange(tx, tenantId, id, next.info.deviceTypeId);
  const moves = (next.info.connectedBy?.toLowerCase() ?? undefined) !== current.info.connectedBy;
  if (moves && next.info.connectedBy) await requireGateway(tx, tenantId, id, next.info.connectedBy);
  await tx.query(
    `UPDATE devices
      SET device_type_id = $1, name = $2, description = $3, tags = $4,
      reachable = CASE WHEN connected_by IS DISTINCT FROM $5 THEN NULL
      ELSE reachable END,
      online = online AND (connected_by IS NOT DISTINCT FROM $5 OR ${hasCredential('devices.tenant_id', 'devices.id')}), connected_by = $5, location = $6, coordinates = $7, installation_timestamp = $8,
       communication_interval = $9, reports_as = $10, configuration = $11, custom = $12, updated_at = now()
     WHERE tenant_id = $13 AND id = $14`,
    [...values(next), tenantId, id],
  );
  await tx.query('DELETE FROM device_aliases WHERE tenant_id = $1 AND device_id = $2 AND NOT alias = ANY($3::text[])', [
    tenantId,
    id,
    next.info.aliases ?? [],
  ]);
  await addAliases(tx, tenantId, id, next.info.aliases ?? []);
  if (moves) {
    await markDocumentsOf(tx, tenantId, [id]);
    await mark(tx, await refreshAdmissible(tx, [{ tenantId, deviceId: id }], databaseNow()));
    await wakeSender(tx);
  }
  await wantSweeps(tx, tenantId);
  return defined(await readDevice(tx, tenantId, id), 'the device was written in this transaction');
}

/** Its slots are those of its type: under open installations they do not change. */
async function requireTypeChange(tx: Tx, tenantId: string, id: string, typeId: string): Promise<void> {
  await requireType(tx, tenantId, typeId);
  const open = await tx.query<{ id: string }>(
    'SELECT id FROM installations WHERE tenant_id = $1 AND device_id = $2 AND ended_at IS NULL LIMIT 20',
    [tenantId, id],
  );
  if (open.rows.length > 0) {
    throw new DomainError(
      'DEVICE_IN_USE',
      'the type of a device with open installations does not change; wait for them or cancel them first',
      { installations: open.rows.map((row) => row.id) },
    );
  }
}

async function requireType(tx: Tx, tenantId: string, id: string): Promise<void> {
  const found = await tx.query('SELECT FROM device_types WHERE tenant_id = $1 AND id = $2 FOR KEY SHARE', [
    tenantId,
    id,
  ]);
  if (found.rowCount === 0) throw noSuchType(id);
}

/**
 * In the order of the aliases: two devices that want the same ones at once wait for each other instead of deadlocking.
 */
async function addAliases(tx: Tx, tenantId: string, id: string, aliases: readonly string[]): Promise<void> {
  if (aliases.length === 0) return;
  await tx.query(
    `INSERT INTO device_aliases (tenant_id, alias, device_id, position)
     SELECT $1, alias, $2, position FROM unnest($3::text[]) WITH ORDINALITY AS list(alias, position) ORDER BY alias
     ON CONFLICT (tenant_id, alias) DO UPDATE SET position = excluded.position
       WHERE device_aliases.device_id = excluded.device_id`,
    [tenantId, id, aliases],
  );
  const { rows } = await tx.query<{ alias: string }>(
    'SELECT alias FROM unnest($3::text[]) AS alias EXCEPT SELECT alias FROM device_aliases WHERE tenant_id = $1 AND device_id = $2',
    [tenantId, id, aliases],
  );
  if (rows.length > 0) {
    const taken = rows.map((row) => row.alias).sort();
    throw new DomainError(
      'DEVICE_ALIAS_CONFLICT',
      `these aliases name another device: ${taken.slice(0, 20).join(', ')}`,
      { aliases: taken },
    );
  }
}

/** 404, the same for a device of another tenant (docs/contracts/rest-api.md, "Conventions"). Made, not thrown. */
export function noSuchDevice(id: string): DomainError {
  return new DomainError('DEVICE_NOT_FOUND', `device ${id} does not exist`);
}

/** A device as its row has it. */
export function deviceValues({ info, configuration, custom }: NewDevice) {
  return {
    device_type_id: info.deviceTypeId,
    name: info.name,
    description: info.description ?? null,
    tags: info.tags ?? [],
    connected_by: info.connectedBy ?? null,
    location: info.location ?? null,
    coordinates: info.coordinates ?? null,
    installation_timestamp: info.installationTimestamp ? new Date(info.installationTimestamp).toISOString() : null,
    communication_interval: info.communicationInterval ?? null,
    reports_as: info.reportsAs ?? null,
    configuration: configuration ?? null,
    custom: custom ?? null,
  };
}

/** In the order of the statements' parameters. */
function values(device: NewDevice): unknown[] {
  const { location, coordinates, configuration, custom, ...plain } = deviceValues(device);
  const json = (value: unknown): string | null => (value === null ? null : JSON.stringify(value));
  return [
    plain.device_type_id,
    plain.name,
    plain.description,
    plain.tags,
    plain.connected_by,
    json(location),
    json(coordinates),
    plain.installation_timestamp,
    plain.communication_interval,
    plain.reports_as,
    json(configuration),
    json(custom),
  ];
}

/** docs/contracts/device-mqtt.md, "Payloads": absent = false, false, ["sha256"], unlimited. */
function capabilitiesOf({ resume, cancelDuringInstall, hash, maxSize }: Caps): NonNullable<Device['capabilities']> {
  return {
    resume: resume ?? false,
    cancelDuringInstall: cancelDuringInstall ?? false,
    hash: hash ?? ['sha256'],
    ...(maxSize === undefined ? {} : { maxSize }),
  };
}

/** How a device is reached, for the answer about one. Times are RFC 3339. */
export interface Connection {
  online: boolean;
  node?: string;
  reachable?: boolean;
  helloAt?: string;
  saidDeviceType?: string;
}

/** Of a device that exists. */
export async function readConnection(tx: Tx, tenantId: string, deviceId: string): Promise<Connection> {
  const { rows } = await tx.query<{
    online: boolean;
    reachable: boolean | null;
    hello_at: Date | null;
    said_type: string | null;
  }>('SELECT online, reachable, hello_at, said_type FROM devices WHERE tenant_id = $1 AND id = $2', [
    tenantId,
    deviceId,
  ]);
  const row = oneRow(rows, 'the device was read in this transaction');
  const node = (await servingNodesOf(tx, [{ tenantId, deviceId }])).get(deviceKey(tenantId, deviceId));
  return {
    online: row.online,
    ...(node === undefined ? {} : { node }),
    // Of a device on its own connection a gateway says nothing.
    ...(row.reachable === null || node === undefined || node === deviceId ? {} : { reachable: row.reachable }),
    ...(row.hello_at === null ? {} : { helloAt: row.hello_at.toISOString() }),
    ...(row.said_type === null ? {} : { saidDeviceType: row.said_type }),
  };
}

function toDevice(row: DeviceRow): Device {
  return {
    id: row.id,
    info: {
      name: row.name,
      deviceTypeId: row.device_type_id,
      ...(row.description === null ? {} : { description: row.description }),
      tags: row.tags,
      ...(row.connected_by === null ? {} : { connectedBy: row.connected_by }),
      aliases: row.aliases,
      ...(row.location === null ? {} : { location: row.location }),
      ...(row.coordinates === null ? {} : { coordinates: row.coordinates }),
      ...(row.installation_timestamp === null
        ? {}
        : { installationTimestamp: row.installation_timestamp.toISOString() }),
      ...(row.communication_interval === null ? {} : { communicationInterval: row.communication_interval }),
      ...(row.reports_as === null ? {} : { reportsAs: row.reports_as }),
    },
    ...(row.configuration === null ? {} : { configuration: row.configuration }),
    ...(row.custom === null ? {} : { custom: row.custom }),
    online: row.online,
    ...(row.last_seen_at === null ? {} : { lastSeenAt: row.last_seen_at.toISOString() }),
    ...(row.agent === null ? {} : { agent: row.agent }),
    ...(row.caps === null ? {} : { capabilities: capabilitiesOf(row.caps) }),
    ...(row.boot_id === null ? {} : { bootId: row.boot_id }),
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}
