import { createHash } from 'node:crypto';
import { noSuchType } from '../fleet/types.js';
import type { Tx } from '../db/pool.js';
import { readDdiTerms } from './ddi-controller.js';

/** What a tenant lets devices in by over hawkBit's interface, without secrets. */
export interface HawkbitSettings {
  /** Seconds. */
  readonly pollingSeconds: number;
  readonly hasGatewayToken: boolean;
  /** The type of devices that appear with the gateway token or through the proxy; null = none may. */
  readonly registersAs: string | null;
  readonly authorities: readonly string[];
}

/** Absent members stay as they are. */
export interface HawkbitChange {
  readonly pollingSeconds?: number | undefined;
  /** null takes it away. */
  readonly gatewayToken?: string | null | undefined;
  readonly registersAs?: string | null | undefined;
  readonly authorities?: readonly string[] | undefined;
}

/** Those of hawkBit where a tenant has none: nothing is let in but tokens of devices. */
export async function readHawkbitSettings(tx: Tx, tenantId: string): Promise<HawkbitSettings> {
  const { gatewayHash, ...terms } = await readDdiTerms(tx, tenantId);
  return { ...terms, hasGatewayToken: gatewayHash !== null };
}

/** @throws DomainError DEVICETYPE_NOT_FOUND */
export async function changeHawkbitSettings(tx: Tx, tenantId: string, change: HawkbitChange): Promise<HawkbitSettings> {
  // The row's lock: two changes at once are made one after the other.
  await tx.query(`INSERT INTO hawkbit_settings (tenant_id) VALUES ($1) ON CONFLICT (tenant_id) DO NOTHING`, [tenantId]);
  await tx.query(`SELECT FROM hawkbit_settings WHERE tenant_id = $1 FOR UPDATE`, [tenantId]);
  const was = await readDdiTerms(tx, tenantId);
  const { gatewayToken, registersAs = was.registersAs } = change;
  if (registersAs !== null) await requireType(tx, tenantId, registersAs);
  const hash =
    gatewayToken === undefined
      ? was.gatewayHash
      : gatewayToken === null
        ? null
        : createHash('sha256').update(gatewayToken).digest();
  await tx.query(
    `UPDATE hawkbit_settings SET polling_seconds = $2, gateway_hash = $3, registers_as = $4, authorities = $5
     WHERE tenant_id = $1`,
    [
      tenantId,
      change.pollingSeconds ?? was.pollingSeconds,
      hash,
      registersAs,
      (change.authorities ?? was.authorities).map((one) => one.toLowerCase()),
    ],
  );
  return readHawkbitSettings(tx, tenantId);
}

async function requireType(tx: Tx, tenantId: string, id: string): Promise<void> {
  const found = await tx.query('SELECT FROM device_types WHERE tenant_id = $1 AND id = $2', [tenantId, id]);
  if (found.rowCount === 0) throw noSuchType(id);
}
