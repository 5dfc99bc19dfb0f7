import type { Firmware } from '../../domain/artifact/firmware.js';
import { DomainError } from '../../domain/errors.js';
import type { Tx } from '../db/pool.js';
import { leaveTombstone, lockFirmware, readFirmware } from '../fleet/firmwares.js';
import { markRemovable } from '../fleet/removable-contents.js';
import { cancelOpenOfFirmware } from './report.js';
import { abortRolloutsOf, refuseUsedByRollouts } from './rollouts-of-firmware.js';

/** How many of the installations that stand in the way are named. */
const NAMED = 20;

/**
 * Leaves a tombstone: name, version, size and hash stay. Associations go. Its bytes are marked, and removed once this
 * is committed.
 * @returns the firmware as it was.
 * @throws DomainError FIRMWARE_NO_ACCESS_TO_RESOURCE, FIRMWARE_IN_USE naming up to 20 installations; with `force` these
 * are cancelled instead.
 */
export async function retireFirmware(
  tx: Tx,
  tenantId: string,
  id: string,
  options: { force: boolean },
  now: number,
): Promise<Firmware> {
  await readFirmware(tx, tenantId, id, { lifetimeMs: Infinity, now });
  // Rollouts are locked before devices, and devices before the firmware, as a request for an installation does.
  if (options.force) await abortRolloutsOf(tx, tenantId, id, 'its firmware was deleted', now);
  if (options.force) await cancelOpenOfFirmware(tx, tenantId, id, 'the firmware was deleted', now);
  const firmware = await lockFirmware(tx, tenantId, id, now);
  await refuseInUse(tx, tenantId, id, options);
  await refuseUsedByRollouts(tx, tenantId, id);
  await leaveTombstone(tx, tenantId, id, now);
  if (firmware.content) await markRemovable(tx, firmware.content.sha256);
  return firmware;
}

/**
 * With `force`, what was asked to stop may still be open until its device answers, and what is in its slot already only
 * proves itself.
 */
async function refuseInUse(tx: Tx, tenantId: string, id: string, { force }: { force: boolean }): Promise<void> {
  const stopping = force ? `AND cancel IS NULL AND state <> 'confirming'` : '';
  const { rows } = await tx.query<{ id: string }>(
    `SELECT id FROM installations WHERE tenant_id = $1 AND firmware_id = $2 AND ended_at IS NULL ${stopping}
      ORDER BY requested_at, id LIMIT ${NAMED}`,
    [tenantId, id],
  );
  if (rows.length === 0) return;
  const installations = rows.map((row) => row.id);
  throw new DomainError(
    'FIRMWARE_IN_USE',
    force
      ? `installations of firmware ${id} were requested at the same moment; delete it again`
      : `installations of firmware ${id} have not ended: ${installations.join(', ')}; wait for them, cancel them, or delete with ?force=true, which cancels them`,
    { installations },
  );
}
