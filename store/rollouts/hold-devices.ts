import type { Tx } from '../db/pool.js';

/**
 * Holds whether these devices can be reached as it is, until the transaction ends: it waits for what is being said of
 * them, or of the gateways above them, and what is said later waits. Presence looks for the targets of its device
 * (moves.ts, `refreshAdmissible`), and does not find one that another transaction is only about to make: judged without
 * this, that target would never learn that its device has come. To be called before any target is locked, as devices go
 * before targets (docs/architecture.md §2).
 */
export async function holdDevices(tx: Tx, tenantId: string, deviceIds: readonly string[]): Promise<void> {
  if (deviceIds.length === 0) return;
  await tx.query(
    `WITH RECURSIVE above(id, connected_by) AS (
       SELECT d.id, d.connected_by FROM devices d WHERE d.tenant_id = $1 AND d.id = ANY($2::uuid[])
       UNION SELECT d.id, d.connected_by FROM above a JOIN devices d ON d.tenant_id = $1 AND d.id = a.connected_by)
     SELECT FROM devices d WHERE d.tenant_id = $1 AND d.id IN (SELECT id FROM above) ORDER BY d.id FOR SHARE OF d`,
    [tenantId, deviceIds],
  );
}
