import type { Tx } from '../db/pool.js';
import { filterCondition } from '../fleet/filter.js';

/** Devices of one page. */
const PAGE = 1_000;

interface ExportRow {
  id: string;
  created_at: string;
  /** @narrowed an object is never null */
  line: string;
}

/**
 * Devices as the import reads them, one JSON line each, oldest first, in pieces of a thousand; each is a transaction of
 * its own, so that a slow reader holds none open. @param filter RSQL, which was checked
 */
export async function* exportDevices(
  inTenant: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>,
  tenantId: string,
  filter: string | undefined,
): AsyncGenerator<string, void> {
  for (let after: { createdAt: string; id: string } | undefined; ;) {
    const rows = await inTenant((tx) => readPage(tx, tenantId, filter, after));
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows.map(({ line }) => `${line}\n`).join('');
    if (rows.length < PAGE) return;
    after = { createdAt: last.created_at, id: last.id };
  }
}

async function readPage(
  tx: Tx,
  tenantId: string,
  filter: string | undefined,
  after: { createdAt: string; id: string } | undefined,
): Promise<ExportRow[]> {
  const values: unknown[] = [
    tenantId,
    after?.createdAt ?? '-infinity',
    after?.id ?? '00000000-0000-0000-0000-000000000000',
  ];
  const where = ['tenant_id = $1', '(created_at, id) > ($2::timestamptz, $3::uuid)'];
  if (filter !== undefined) where.push(filterCondition(filter, values, { devices: 'devices', tenant: '$1' }));
  const { rows } = await tx.query<ExportRow>(
    `SELECT id, created_at::text AS created_at, (jsonb_build_object('id', id, 'info', jsonb_strip_nulls(jsonb_build_object(
         'name', name, 'deviceTypeId', device_type_id, 'description', description, 'tags', tags,
         'connectedBy', connected_by, 'aliases', ARRAY(SELECT alias FROM device_aliases a
           WHERE a.tenant_id = devices.tenant_id AND a.device_id = devices.id ORDER BY position, alias),
         'coordinates', coordinates,
         'installationTimestamp', to_char(installation_timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
         'communicationInterval', communication_interval, 'reportsAs', reports_as))
           || CASE WHEN location IS NULL THEN '{}' ELSE jsonb_build_object('location', location) END)
       || CASE WHEN configuration IS NULL THEN '{}' ELSE jsonb_build_object('configuration', configuration) END
       || CASE WHEN custom IS NULL THEN '{}' ELSE jsonb_build_object('custom', custom) END)::text AS line
     FROM devices WHERE ${where.join(' AND ')} ORDER BY created_at, id LIMIT ${PAGE}`,
    values,
  );
  return rows;
}
