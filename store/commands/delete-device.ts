import { DomainError } from '../../domain/errors.js';
import { releaseChildren } from './topology.js';
import { noSuchDevice } from './devices.js';
import { cancelAllOf } from './report.js';
import { mark, markDocumentsOf, wakeSender, type Mark } from '../outbox/outbox.js';
import type { Tx } from '../db/pool.js';
import { endRollbackOf } from '../rollouts/rollback-moves.js';
import { endTargetsOf } from '../rollouts/moves.js';

/** How many of what stands in the way are named. */
const NAMED = 20;

/**
 * Deletes a device with its credentials, slots and history of installations. What is open on it keeps it, and so do its
 * children, which would lose their connection without a word; `force` is that word: it lets go of the children and
 * cancels what is open.
 * @throws DomainError DEVICE_NOT_FOUND, DEVICE_IN_USE naming what uses it
 */
export async function deleteDevice(tx: Tx, tenantId: string, id: string, force: boolean, now: number): Promise<void> {
  if (force) await releaseChildren(tx, tenantId, id);
  const found = await tx.query('SELECT FROM devices WHERE tenant_id = $1 AND id = $2 FOR UPDATE', [tenantId, id]);
  if (found.rowCount === 0) throw noSuchDevice(id);
  const children = await ids(
    tx,
    `SELECT id FROM devices WHERE tenant_id = $1 AND connected_by = $2 ORDER BY created_at LIMIT ${NAMED}`,
    tenantId,
    id,
  );
  if (children.length > 0) {
    throw new DomainError(
      'DEVICE_IN_USE',
      `the device is the gateway of ${children.join(', ')}; give them another with PATCH, or delete with ?force=true, which leaves them without a gateway`,
      { devices: children },
    );
  }
  const open = await ids(
    tx,
    `SELECT id FROM installations WHERE tenant_id = $1 AND device_id = $2 AND ended_at IS NULL ORDER BY requested_at
      LIMIT ${NAMED}`,
    tenantId,
    id,
  );
  if (open.length > 0 && !force) {
    throw new DomainError(
      'DEVICE_IN_USE',
      `installations are open on the device: ${open.join(', ')}; wait for them, or delete with ?force=true, which cancels them`,
      { installations: open },
    );
  }
  // Before its installations are cancelled: that it is gone is what becomes of its targets.
  await mark(tx, [...(await endTargetsOf(tx, tenantId, id, now)), ...(await endRollbackOf(tx, tenantId, id))]);
  if (open.length > 0) await cancelAllOf(tx, tenantId, id, now);
  await markWhatGoes(tx, tenantId, id, open);
  await tx.query('DELETE FROM devices WHERE tenant_id = $1 AND id = $2', [tenantId, id]);
}

/**
 * The broker is to forget its documents and its password; its processes are to find that there is nothing left to do.
 */
async function markWhatGoes(tx: Tx, tenantId: string, id: string, installations: readonly string[]): Promise<void> {
  await markDocumentsOf(tx, tenantId, [id]);
  await mark(tx, [
    ...installations.map((subject): Mark => ({ receiver: 'workflow', tenantId, subject })),
    { receiver: 'credential', tenantId, subject: id },
  ]);
  await wakeSender(tx);
}

async function ids(tx: Tx, query: string, tenantId: string, id: string): Promise<string[]> {
  return (await tx.query<{ id: string }>(query, [tenantId, id])).rows.map((row) => row.id);
}
