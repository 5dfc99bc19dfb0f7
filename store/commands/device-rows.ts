import type { Facet, FacetCount } from '../../domain/fleet/facets.js';
import { deviceConditions, type DeviceFilter } from './devices.js';
import type { Page, PageRequest } from '../db/page.js';
import type { Tx } from '../db/pool.js';
import { BY_CREATION, BY_NAME, readRows } from '../db/read-page.js';
import { between, type Between } from '../db/times.js';
import { readOpenOf, type InstallationView } from '../installations/views.js';

/** A device in a few members. */
export interface DeviceRow {
  readonly id: string;
  readonly name: string;
  readonly online: boolean;
  /** By slot; null = content without a known version. */
  readonly versions: Readonly<Record<string, string | null>>;
  /** The open one that executes, else the next in turn; null = none is open, or it was not asked for. */
  readonly installation: Pick<InstallationView, 'id' | 'slot' | 'state' | 'waitingOn'> | null;
}

interface CompactRow {
  id: string;
  name: string;
  online: boolean;
  /** @narrowed made by jsonb_object_agg of a text */
  versions: Record<string, string | null>;
}

const VERSIONS = `coalesce((SELECT jsonb_object_agg(s.slot, s.version) FROM device_slots s
  WHERE s.tenant_id = devices.tenant_id AND s.device_id = devices.id AND s.reported_by IS NOT NULL), '{}'::jsonb)`;

/** The list of devices in compact rows. @param withInstallation whether the open installation is looked for */
export async function listDeviceRows(
  tx: Tx,
  tenantId: string,
  filter: DeviceFilter,
  page: PageRequest,
  withInstallation: boolean,
): Promise<Page<DeviceRow>> {
  const { where, values } = deviceConditions(tenantId, filter);
  const { rows, ...rest } = await readRows<CompactRow>(
    tx,
    {
      columns: `id, name, online, ${VERSIONS} AS versions`,
      from: 'devices',
      where,
      values,
      sorts: { createdAt: BY_CREATION, name: BY_NAME },
      time: 'createdAt',
    },
    page,
  );
  const ids = rows.map((row) => row.id);
  const open = withInstallation ? await readOpenOf(tx, tenantId, ids) : new Map<string, InstallationView>();
  const items = rows.map(({ id, name, online, versions }): DeviceRow => ({
    id,
    name,
    online,
    versions,
    installation: open.get(id) ?? null,
  }));
  return { items, ...rest };
}

/** Values of a facet that are told: the most frequent ones. */
const MOST_VALUES = 100;

interface FacetRow {
  value: string | null;
  count: string;
}

/** How many of the devices that the filters find have each value, the most frequent first: it looks at all of them. */
export async function readFacet(
  tx: Tx,
  tenantId: string,
  filter: DeviceFilter,
  times: Between,
  facet: Facet,
): Promise<FacetCount[]> {
  const { where, values } = deviceConditions(tenantId, filter);
  where.push(...between('created_at', times, values));
  const rows = await facetRows(tx, where.join(' AND '), values, facet);
  return rows.map((row) => ({ value: row.value, count: Number(row.count) }));
}

/** OFFSET 0 changes nothing; by it prepared.ts sees that a plan depends on the values of the filter. */
const MOST_FREQUENT = `GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ${MOST_VALUES} OFFSET 0`;

async function facetRows(tx: Tx, where: string, values: unknown[], facet: Facet): Promise<FacetRow[]> {
  switch (facet.by) {
    case 'deviceType': {
      const { rows } = await tx.query<FacetRow>(
        `SELECT coalesce(t.model, t.id::text) AS value, sum(d.count) AS count
         FROM (SELECT device_type_id, count(*) AS count FROM devices WHERE ${where} GROUP BY 1) AS d
           JOIN device_types t ON t.tenant_id = $1 AND t.id = d.device_type_id ${MOST_FREQUENT}`,
        values,
      );
      return rows;
    }
    case 'online': {
      const { rows } = await tx.query<FacetRow>(
        `SELECT online::text AS value, count(*) AS count FROM devices WHERE ${where} ${MOST_FREQUENT}`,
        values,
      );
      return rows;
    }
    case 'connectedBy': {
      const { rows } = await tx.query<FacetRow>(
        `SELECT connected_by::text AS value, count(*) AS count FROM devices WHERE ${where} ${MOST_FREQUENT}`,
        values,
      );
      return rows;
    }
    case 'tag': {
      const { rows } = await tx.query<FacetRow>(
        `SELECT tag AS value, count(*) AS count FROM (SELECT tags FROM devices WHERE ${where}) AS d
           LEFT JOIN LATERAL unnest(d.tags) AS tag ON true ${MOST_FREQUENT}`,
        values,
      );
      return rows;
    }
    case 'version': {
      values.push(facet.slot);
      const { rows } = await tx.query<FacetRow>(
        `SELECT s.version AS value, count(*) AS count FROM (SELECT id FROM devices WHERE ${where}) AS d
           LEFT JOIN device_slots s ON s.tenant_id = $1 AND s.device_id = d.id AND s.slot = $${values.length}
         ${MOST_FREQUENT}`,
        values,
      );
      return rows;
    }
  }
}
