import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { DomainError } from '../../domain/errors.js';
import type { Tx } from '../db/pool.js';
import type { AutoConfirmation } from './ddi-controller.js';
import { markCredentials } from './credentials.js';
import { createDevice } from './devices.js';

/**
 * Makes a device that appeared with the tenant's gateway token, or through its proxy: its id in this interface is its
 * alias and its name. @throws DomainError TENANT_QUOTA, DEVICE_ALIAS_CONFLICT
 */
export async function registerController(
  tx: Tx,
  tenantId: string,
  controllerId: string,
  deviceTypeId: string,
): Promise<string> {
  const info = { name: controllerId, deviceTypeId, aliases: [controllerId] };
  const { id } = await createDevice(tx, tenantId, { info });
  await admitByGateway(tx, tenantId, id);
  return id;
}

/**
 * Notes that a device comes in without a token of its own: rollouts count on devices that have a credential. Its hash
 * is of no secret that exists.
 */
export async function admitByGateway(tx: Tx, tenantId: string, deviceId: string): Promise<void> {
  await tx.query(
    `INSERT INTO device_credentials (tenant_id, id, device_id, type, username, secret_hash)
     VALUES ($1, $2, $3, 'hawkbitGateway', $4, $5)`,
    [
      tenantId,
      randomUUID(),
      deviceId,
      `${tenantId}/${deviceId}`,
      createHash('sha256').update(randomBytes(32)).digest(),
    ],
  );
  await markCredentials(tx, tenantId, deviceId);
}

/**
 * Changes what people and filters see of a device by what it sent.
 * @param change of the attributes as they are, under the device's lock
 * @throws DomainError DEVICE_VALIDATION where people gave the device attributes that are no object
 */
export async function changeAttributes(
  tx: Tx,
  tenantId: string,
  deviceId: string,
  change: (custom: Readonly<Record<string, unknown>>) => Record<string, unknown>,
): Promise<void> {
  const { rows } = await tx.query<{ custom: unknown }>(
    `SELECT custom FROM devices WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE`,
    [tenantId, deviceId],
  );
  const custom = rows[0]?.custom ?? {};
  if (typeof custom !== 'object' || Array.isArray(custom))
    throw new DomainError('DEVICE_VALIDATION', 'the device has `custom` that is no object: nothing can be added to it');
  await tx.query(
    `UPDATE devices SET custom = $3, updated_at = now() WHERE tenant_id = $1 AND id = $2 AND custom IS DISTINCT FROM $3`,
    [tenantId, deviceId, JSON.stringify(change(custom as Record<string, unknown>))],
  );
  await tx.query(
    `INSERT INTO hawkbit_devices (tenant_id, device_id, configured_at) VALUES ($1, $2, clock_timestamp())
     ON CONFLICT (tenant_id, device_id) DO UPDATE SET configured_at = excluded.configured_at`,
    [tenantId, deviceId],
  );
}

/** @returns false where it was so already. */
export async function setAutoConfirm(
  tx: Tx,
  tenantId: string,
  deviceId: string,
  auto: AutoConfirmation | null,
): Promise<boolean> {
  const changed = await tx.query(
    `INSERT INTO hawkbit_devices (tenant_id, device_id, auto_confirm) VALUES ($1, $2, $3)
     ON CONFLICT (tenant_id, device_id) DO UPDATE SET auto_confirm = excluded.auto_confirm
       WHERE (hawkbit_devices.auto_confirm IS NULL) <> (excluded.auto_confirm IS NULL)`,
    [tenantId, deviceId, auto === null ? null : JSON.stringify(auto)],
  );
  return (changed.rowCount ?? 0) > 0;
}

/** A firmware by its name and version, and the slot of the device that it is for; undefined = there is none. */
export async function findInstallable(
  tx: Tx,
  tenantId: string,
  deviceId: string,
  name: string,
  version: string,
): Promise<{ slot: string; sha256: string; isThere: boolean; revision: number } | undefined> {
  const { rows } = await tx.query<{
    slot: string;
    sha256: string | null;
    held: string | null;
    revision: string | null;
  }>(
    `SELECT a.slot, f.sha256, s.sha256 AS held, s.revision FROM firmwares f
     JOIN devices d ON d.tenant_id = f.tenant_id AND d.id = $2
     JOIN firmware_associations a ON a.tenant_id = f.tenant_id AND a.firmware_id = f.id
       AND a.device_type_id = d.device_type_id
     LEFT JOIN device_slots s ON s.tenant_id = f.tenant_id AND s.device_id = d.id AND s.slot = a.slot AND s.confirmed
     WHERE f.tenant_id = $1 AND f.name = $3 AND f.version = $4 AND f.state = 'ready'
     ORDER BY f.created_at DESC, a.slot LIMIT 1`,
    [tenantId, deviceId, name, version],
  );
  const [row] = rows;
  if (!row || row.sha256 === null) return undefined;
  return { slot: row.slot, sha256: row.sha256, isThere: row.held === row.sha256, revision: Number(row.revision ?? 0) };
}
