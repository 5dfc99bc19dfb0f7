import { DomainError } from '../../domain/errors.js';
import type { Tx } from '../db/pool.js';
import { commandRollout } from './rollout-commands.js';

/** How many of what stands in the way are named. */
const NAMED = 20;

/** Who aborts. */
const SERVICE = { id: 'service', mayApprove: false } as const;

async function rolloutsOf(tx: Tx, tenantId: string, firmwareId: string): Promise<{ id: string; name: string }[]> {
  const { rows } = await tx.query<{ id: string; name: string }>(
    `SELECT r.id, r.name FROM rollout_firmwares f JOIN rollouts r ON r.tenant_id = f.tenant_id AND r.id = f.rollout_id
     WHERE f.tenant_id = $1 AND f.firmware_id = $2 AND r.finished_at IS NULL AND r.aborted IS NULL
       -- A draft does nothing; to start it asks for its firmware again.
       AND r.start_requested_at IS NOT NULL ORDER BY r.id`,
    [tenantId, firmwareId],
  );
  return rows;
}

/** @throws DomainError FIRMWARE_IN_USE naming rollouts that have not ended: under them a firmware is not deleted. */
export async function refuseUsedByRollouts(tx: Tx, tenantId: string, firmwareId: string): Promise<void> {
  const rollouts = await rolloutsOf(tx, tenantId, firmwareId);
  if (rollouts.length === 0) return;
  const named = rollouts.slice(0, NAMED);
  throw new DomainError(
    'FIRMWARE_IN_USE',
    `rollouts of firmware ${firmwareId} have not ended: ${named.map((one) => `"${one.name}" (${one.id})`).join(', ')}; wait for them, abort them, or delete with ?force=true, which aborts them`,
    {
      rollouts: named.map((one) => one.id),
    },
  );
}

/** Aborts the rollouts that would install a firmware, and what is in flight of them, before the firmware goes. */
export async function abortRolloutsOf(
  tx: Tx,
  tenantId: string,
  firmwareId: string,
  because: string,
  now: number,
): Promise<void> {
  for (const { id } of await rolloutsOf(tx, tenantId, firmwareId))
    await commandRollout(tx, tenantId, id, SERVICE, { do: 'abort', cancelOpen: true, because }, now);
}
