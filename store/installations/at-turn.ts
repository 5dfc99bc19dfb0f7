import { unfitFor, type TypeNames, type Unfit } from '../../domain/installation/unfit.js';
import type { DeviceAggregate } from '../../domain/installation/device-aggregate.js';
import type { Installation } from '../../domain/installation/installation.js';
import type { Tx } from '../db/pool.js';
import { recordset } from '../db/recordset.js';
import { unassociatedAmong } from '../fleet/associations.js';

/** What the rules of a turn need beside the device and its installations. */
export interface TurnFacts {
  /** Installations whose firmware is not associated with their slot any more. */
  readonly unassociated: readonly string[];
  /** Bytes of the content, by installation. */
  readonly sizes: ReadonlyMap<string, number | null>;
}

/** Looks up what may have changed since these installations were admitted. */
export async function readTurnFacts(tx: Tx, installations: readonly Installation[]): Promise<TurnFacts> {
  return {
    unassociated: await unassociatedAmong(
      tx,
      installations.filter((one) => one.policy.rules !== undefined),
    ),
    sizes: await sizesOf(tx, installations),
  };
}

async function sizesOf(tx: Tx, installations: readonly Installation[]): Promise<Map<string, number | null>> {
  if (installations.length === 0) return new Map();
  const { rows } = await tx.query<{ id: string; size: string | null }>(
    `SELECT k.id, (SELECT f.size FROM firmwares f WHERE f.tenant_id = k.tenant_id AND f.id = k.firmware_id) AS size
     FROM ${recordset('$1', 'tenant_id text, id uuid, firmware_id uuid')} AS k`,
    [
      JSON.stringify(
        installations.map((one) => ({ tenant_id: one.tenantId, id: one.id, firmware_id: one.firmwareId })),
      ),
    ],
  );
  return new Map(rows.map((row) => [row.id, row.size === null ? null : Number(row.size)]));
}

/** Those that wait for their turn on a device. */
export function awaitingTurn({ installations }: DeviceAggregate): Installation[] {
  return Object.values(installations).filter((one) => one.state === 'scheduled' || one.state === 'queued');
}

/** By installation, why its device cannot take it; those that it can take are not in it. */
export function unfitOn(aggregate: DeviceAggregate, type: TypeNames, { sizes }: TurnFacts): Record<string, Unfit> {
  return Object.fromEntries(
    awaitingTurn(aggregate).flatMap((one) => {
      const unfit = unfitFor(aggregate.device, type, { size: sizes.get(one.id) ?? null });
      return unfit === undefined ? [] : [[one.id, unfit]];
    }),
  );
}
