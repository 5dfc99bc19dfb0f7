import type { Tx } from '../db/pool.js';
import { recordset } from '../db/recordset.js';

/** The devices that these aliases name, as `tenant/alias` → id. What names nothing is absent. */
export async function resolveAliases(
  tx: Tx,
  aliases: readonly { tenantId: string; alias: string }[],
): Promise<Map<string, string>> {
  if (aliases.length === 0) return new Map();
  const { rows } = await tx.query<{ tenant_id: string; alias: string; device_id: string }>(
    `SELECT a.tenant_id, a.alias, a.device_id FROM device_aliases a
     JOIN ${recordset('$1', 'tenant_id text, alias text')} AS k ON a.tenant_id = k.tenant_id AND a.alias = k.alias`,
    [JSON.stringify(aliases.map((one) => ({ tenant_id: one.tenantId, alias: one.alias })))],
  );
  return new Map(rows.map((row) => [`${row.tenant_id}/${row.alias}`, row.device_id]));
}
