import type { Device, Installation, Slot } from '../../domain/installation/installation.js';
import type { TypeNames } from '../../domain/installation/unfit.js';
import type { DeviceAggregate } from '../../domain/installation/device-aggregate.js';
import { COLUMNS, toInstallation, writeInstallations, type InstallationRow } from './rows.js';
import type { Tx } from '../db/pool.js';
import { recordset } from '../db/recordset.js';
import { iso } from '../db/times.js';
import { deviceKey } from '../db/keys.js';
import { stillSuspended } from '../db/tenants.js';

/** Which device, and which of its installations although they may have ended. */
export interface AggregateKey {
  tenantId: string;
  deviceId: string;
  installationIds: readonly string[];
}

/** A device with its slots and open installations, its row locked until the transaction ends. */
export interface LoadedAggregate {
  aggregate: DeviceAggregate;
  /** The slots that the device's type has: what a hello says of others is not kept. */
  slotsOfType: readonly string[];
  /** How people call its type. */
  type: TypeNames;
}

/** The devices that are named, in the order in which all lock them. */
const SORTED = '(SELECT tenant_id, id FROM jsonb_to_recordset($1::jsonb) AS k(tenant_id text, id uuid) ORDER BY 1, 2)';

/**
 * Locks the devices and then their installations, always in that order and sorted, so that no two batches deadlock
 * (docs/architecture.md §2), and reads them. A key whose device does not exist is not in the answer.
 *
 * Each row is looked up by its key, in a LATERAL that is not merged with what is around it: left to choose, PostgreSQL
 * begins with the few device types and firmwares and walks all that the tenant has, until a young table was analyzed
 * for the first time (measured: 25 ms for two installations).
 */
export async function loadAggregates(tx: Tx, keys: readonly AggregateKey[]): Promise<Map<string, LoadedAggregate>> {
  const pairs = JSON.stringify(keys.map((key) => ({ tenant_id: key.tenantId, id: key.deviceId })));
  const devices = await tx.query<
    ReportedDeviceRow & {
      slots_of_type: string[];
      type_id: string;
      type_name: string;
      type_model: string | null;
      reports_as: string | null;
      suspended: boolean;
    }
  >(
    `SELECT d.*, t.slots_of_type, t.type_id, t.type_name, t.type_model,
       (SELECT x.state <> 'active' FROM tenants x WHERE x.id = d.tenant_id) AS suspended FROM ${SORTED} AS k
     CROSS JOIN LATERAL (SELECT * FROM devices x WHERE x.tenant_id = k.tenant_id AND x.id = k.id FOR NO KEY UPDATE) AS d
     CROSS JOIN LATERAL (SELECT ARRAY(SELECT jsonb_object_keys(x.slots)) AS slots_of_type, x.id AS type_id,
       x.name AS type_name, x.model AS type_model FROM device_types x
       WHERE x.tenant_id = d.tenant_id AND x.id = d.device_type_id LIMIT 1) AS t`,
    [pairs],
  );
  const suspended = await stillSuspended(
    tx,
    devices.rows.flatMap((row) => (row.suspended ? [row.tenant_id] : [])),
  );
  const loaded = new Map<string, LoadedAggregate>();
  for (const row of devices.rows) {
    const held = suspended.has(row.tenant_id) ? { suspended: true } : {};
    loaded.set(deviceKey(row.tenant_id, row.id), {
      aggregate: { device: toDevice(row), slots: {}, installations: {}, ...held },
      slotsOfType: row.slots_of_type,
      type: { id: row.type_id, name: row.type_name, model: row.type_model, reportsAs: row.reports_as },
    });
  }
  if (loaded.size === 0) return loaded;
  const slots = await tx.query<ReportedSlotRow>(
    `SELECT s.*, f.version AS firmware_version FROM ${SORTED} AS k
     CROSS JOIN LATERAL (SELECT * FROM device_slots x WHERE x.tenant_id = k.tenant_id AND x.device_id = k.id
       ORDER BY x.slot) AS s
     LEFT JOIN LATERAL (SELECT x.version FROM firmwares x WHERE s.version IS NULL AND x.tenant_id = s.tenant_id
       AND x.sha256 = s.sha256 AND x.version IS NOT NULL ORDER BY x.created_at DESC, x.id LIMIT 1) AS f ON true`,
    [pairs],
  );
  const named = keys.flatMap((key) => key.installationIds);
  // Which ids, the planner cannot see: it would plan anew for each.
  const wanted = '(x.ended_at IS NULL OR x.id = ANY((SELECT $2::uuid[])::uuid[]))';
  const installations = await tx.query<InstallationRow>(
    `SELECT ${COLUMNS} FROM (SELECT o.tenant_id, o.id FROM ${SORTED} AS k
       CROSS JOIN LATERAL (SELECT x.tenant_id, x.id FROM installations x WHERE x.tenant_id = k.tenant_id
         AND x.device_id = k.id AND ${wanted} ORDER BY x.id) AS o
       ORDER BY 1, 2) AS o
     CROSS JOIN LATERAL (SELECT * FROM installations x WHERE x.tenant_id = o.tenant_id AND x.id = o.id AND ${wanted}
       FOR NO KEY UPDATE) AS i
     CROSS JOIN LATERAL (SELECT x.version FROM firmwares x WHERE x.tenant_id = i.tenant_id AND x.id = i.firmware_id
       LIMIT 1) AS f`,
    [pairs, named],
  );
  for (const row of slots.rows)
    add(loaded, row, (aggregate) => ({ ...aggregate, slots: { ...aggregate.slots, [row.slot]: toSlot(row) } }));
  for (const row of installations.rows)
    add(loaded, row, (aggregate) => ({
      ...aggregate,
      installations: { ...aggregate.installations, [row.id]: toInstallation(row) },
    }));
  return loaded;
}

function add(
  loaded: Map<string, LoadedAggregate>,
  row: { tenant_id: string; device_id: string },
  change: (aggregate: DeviceAggregate) => DeviceAggregate,
): void {
  const key = deviceKey(row.tenant_id, row.device_id);
  const one = loaded.get(key);
  if (one) loaded.set(key, { ...one, aggregate: change(one.aggregate) });
}

/** Writes what differs between the work as it was loaded and as it is now, for many devices in a few statements. */
export async function saveAggregates(
  tx: Tx,
  changes: readonly { before: DeviceAggregate; after: DeviceAggregate }[],
): Promise<void> {
  const devices: Device[] = [];
  const slots: (Slot & { tenantId: string; deviceId: string })[] = [];
  const installations: Installation[] = [];
  for (const { before, after } of changes) {
    if (after.device !== before.device) devices.push(after.device);
    for (const slot of Object.values(after.slots)) {
      if (slot !== before.slots[slot.slot])
        slots.push({ ...slot, tenantId: after.device.tenantId, deviceId: after.device.id });
    }
    for (const one of Object.values(after.installations))
      if (one !== before.installations[one.id]) installations.push(one);
  }
  if (devices.length > 0) await writeDevices(tx, devices);
  if (slots.length > 0) await writeSlots(tx, slots);
  if (installations.length > 0) await writeInstallations(tx, installations);
}

async function writeDevices(tx: Tx, devices: readonly Device[]): Promise<void> {
  await tx.query(
    `UPDATE devices AS d
      SET online = n.online, reachable = n.reachable, session = n.session, last_seen_at = n.last_seen_at,
      silent_since = n.silent_since,
      boot_id = n.boot_id, boots = n.boots, agent = n.agent,
       caps = n.caps, said_type = n.said_type, hello_wanted_at = n.hello_wanted_at, hello_at = n.hello_at
     FROM ${recordset(
       '$1',
       `tenant_id text, id uuid, online boolean, reachable boolean, session text, last_seen_at timestamptz, silent_since timestamptz, boot_id text, boots jsonb, agent jsonb, caps jsonb, said_type text,
       hello_wanted_at timestamptz, hello_at timestamptz`,
     )} AS n
     WHERE d.tenant_id = n.tenant_id AND d.id = n.id`,
    [
      JSON.stringify(
        devices.map((d) => ({
          tenant_id: d.tenantId,
          id: d.id,
          online: d.online,
          reachable: d.reachable,
          session: d.session,
          last_seen_at: iso(d.lastSeenAt),
          silent_since: iso(d.silentSince),
          boot_id: d.bootId,
          boots: d.boots,
          agent: d.agent,
          caps: d.caps,
          said_type: d.saidType,
          hello_wanted_at: iso(d.helloWantedAt),
          hello_at: iso(d.helloAt),
        })),
      ),
    ],
  );
}

async function writeSlots(tx: Tx, slots: readonly (Slot & { tenantId: string; deviceId: string })[]): Promise<void> {
  await tx.query(
    `INSERT INTO device_slots (tenant_id, device_id, slot, version, sha256, firmware_id, installation_id, confirmed,
      revision, reported_at, reported_by)
     SELECT tenant_id, device_id, slot, version, sha256, firmware_id, installation_id, confirmed, revision, reported_at, reported_by
     FROM jsonb_to_recordset($1::jsonb) AS n(tenant_id text, device_id uuid, slot text, version text, sha256 text,
       firmware_id uuid,
       installation_id uuid, confirmed boolean, revision bigint, reported_at timestamptz, reported_by text)
     ON CONFLICT (tenant_id, device_id, slot) DO UPDATE SET version = excluded.version, sha256 = excluded.sha256,
       firmware_id = excluded.firmware_id,
       installation_id = excluded.installation_id, confirmed = excluded.confirmed, revision = excluded.revision, reported_at = excluded.reported_at,
       reported_by = excluded.reported_by`,
    [
      JSON.stringify(
        slots.map((s) => ({
          tenant_id: s.tenantId,
          device_id: s.deviceId,
          slot: s.slot,
          version: s.version,
          sha256: s.sha256,
          firmware_id: s.firmwareId,
          installation_id: s.installationId,
          confirmed: s.confirmed,
          revision: s.revision,
          reported_at: iso(s.told?.at ?? null),
          reported_by: s.told?.by ?? null,
        })),
      ),
    ],
  );
}

interface ReportedDeviceRow {
  tenant_id: string;
  id: string;
  online: boolean;
  reachable: boolean | null;
  session: string | null;
  last_seen_at: Date | null;
  silent_since: Date | null;
  boot_id: string | null;
  boots: Device['boots'];
  agent: Device['agent'];
  caps: Device['caps'];
  said_type: string | null;
  hello_wanted_at: Date | null;
  hello_at: Date | null;
}

function toDevice(row: ReportedDeviceRow): Device {
  return {
    tenantId: row.tenant_id,
    id: row.id,
    online: row.online,
    reachable: row.reachable,
    session: row.session,
    lastSeenAt: row.last_seen_at?.getTime() ?? null,
    silentSince: row.silent_since?.getTime() ?? null,
    bootId: row.boot_id,
    boots: row.boots,
    agent: row.agent,
    caps: row.caps,
    saidType: row.said_type,
    helloWantedAt: row.hello_wanted_at?.getTime() ?? null,
    helloAt: row.hello_at?.getTime() ?? null,
  };
}

interface ReportedSlotRow {
  tenant_id: string;
  device_id: string;
  slot: string;
  version: string | null;
  firmware_version: string | null;
  sha256: string | null;
  firmware_id: string | null;
  installation_id: string | null;
  confirmed: boolean;
  revision: string;
  reported_at: Date | null;
  reported_by: string | null;
}

function toSlot(row: ReportedSlotRow): Slot {
  return {
    slot: row.slot,
    version: row.version,
    ...(row.firmware_version === null ? {} : { firmwareVersion: row.firmware_version }),
    sha256: row.sha256,
    firmwareId: row.firmware_id,
    installationId: row.installation_id,
    confirmed: row.confirmed,
    revision: Number(row.revision),
    told: row.reported_by === null ? null : { by: row.reported_by, at: row.reported_at?.getTime() ?? 0 },
  };
}
