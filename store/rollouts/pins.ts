import type { Tx } from '../db/pool.js';

/**
 * What is replaced stays for as long as a roll back may want it: a firmware that a rollout refers to is not deleted
 * under it.
 * @param sha256 of content that slots of its devices hold
 */
export async function pinEarlier(
  tx: Tx,
  { tenantId, id }: { readonly tenantId: string; readonly id: string },
  sha256: readonly string[],
): Promise<void> {
  if (sha256.length === 0) return;
  await tx.query(
    `INSERT INTO rollout_firmwares (tenant_id, rollout_id, firmware_id)
     SELECT $1, $2, f.id FROM firmwares f WHERE f.tenant_id = $1 AND f.sha256 = ANY($3::text[]) AND f.state = 'ready'
     ORDER BY f.id ON CONFLICT DO NOTHING`,
    [tenantId, id, [...new Set(sha256)]],
  );
}
