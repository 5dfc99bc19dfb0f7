import { isOrchestratorAway, NOTHING_MOVES } from '../db/vitals.js';
import type { FacetCount } from '../../domain/fleet/facets.js';
import type { Installation } from '../../domain/installation/installation.js';
import { waitingOn } from '../../domain/installation/waiting-on.js';
import { reachOf } from '../fleet/gateways.js';
import { readHistory, type ReadEntry } from '../history/history.js';
import { COLUMNS, toInstallation, type InstallationRow } from './rows.js';
import { type Page, type PageRequest } from '../db/page.js';
import { readRows, type SortKey } from '../db/read-page.js';
import type { Tx } from '../db/pool.js';
import { deviceKey } from '../db/keys.js';
import { between, type Between } from '../db/times.js';

/** An installation as people see it: the row, what it waits for, and what happened. */
export interface InstallationView extends Installation {
  readonly requestedBy: string;
  readonly retryOf: string | null;
  /** One sentence; null once it ended. */
  readonly waitingOn: string | null;
  readonly nextActionAt: number | null;
  readonly history: readonly ReadEntry[];
  /** Whether Temporal has been told of it: before that there is nothing to look at. */
  readonly processStarted: boolean;
}

const VIEW_COLUMNS = `${COLUMNS}, (SELECT x.id FROM installations x WHERE x.tenant_id = i.tenant_id
  AND x.device_id = i.device_id AND x.executing AND x.id <> i.id) AS other`;
const FROM = `installations i JOIN firmwares f ON f.tenant_id = i.tenant_id AND f.id = i.firmware_id`;
/** The time of the end as its index has it: what has not ended comes after all that has. */
const END = `CASE WHEN i.ended_at IS NULL THEN 'infinity'::timestamptz ELSE i.ended_at END`;
const SORTS = {
  requestedAt: { sql: 'i.requested_at', type: 'timestamptz' },
  endedAt: { sql: END, type: 'timestamptz' },
} as const satisfies Record<string, SortKey>;

/** @returns undefined where that device of the tenant has no such installation. */
export async function readInstallation(
  tx: Tx,
  tenantId: string,
  deviceId: string,
  id: string,
): Promise<InstallationView | undefined> {
  const { rows } = await tx.query<ViewRow>(
    `SELECT ${VIEW_COLUMNS} FROM ${FROM} WHERE i.tenant_id = $1 AND i.device_id = $2 AND i.id = $3`,
    [tenantId, deviceId, id],
  );
  return (await toViews(tx, tenantId, rows))[0];
}

/** Of each of these devices the open installation that executes, else the next in turn; without its history. */
export async function readOpenOf(
  tx: Tx,
  tenantId: string,
  deviceIds: readonly string[],
): Promise<Map<string, InstallationView>> {
  const { rows } = await tx.query<ViewRow>(
    `SELECT DISTINCT ON (i.device_id) ${VIEW_COLUMNS} FROM ${FROM}
     WHERE i.tenant_id = $1 AND i.device_id = ANY($2::uuid[]) AND i.ended_at IS NULL
     ORDER BY i.device_id, i.executing DESC, i.priority DESC, i.requested_at, i.id`,
    [tenantId, deviceIds],
  );
  return new Map((await toViews(tx, tenantId, rows, false)).map((one) => [one.deviceId, one]));
}

/** Those of the named installations that are open, without their history. */
export async function readOpen(tx: Tx, tenantId: string, ids: readonly string[]): Promise<InstallationView[]> {
  const { rows } = await tx.query<ViewRow>(
    `SELECT ${VIEW_COLUMNS} FROM ${FROM} WHERE i.tenant_id = $1 AND i.id = ANY($2::uuid[]) AND i.ended_at IS NULL`,
    [tenantId, ids],
  );
  return toViews(tx, tenantId, rows, false);
}

/**
 * Of one device, newest first. `latestOnly`: the latest successful one per slot, which is what the slot holds now: by
 * the service's clock, for a device's own may be wrong.
 */
export async function listOfDevice(
  tx: Tx,
  tenantId: string,
  deviceId: string,
  options: { latestOnly: boolean },
  page: PageRequest,
): Promise<Page<InstallationView>> {
  const where = ['i.tenant_id = $1', 'i.device_id = $2'];
  if (options.latestOnly) {
    where.push(`i.id IN (SELECT DISTINCT ON (slot) id FROM installations
      WHERE tenant_id = $1 AND device_id = $2 AND state = 'installed'
      ORDER BY slot, ended_at DESC, requested_at DESC, id DESC)`);
  }
  return listed(tx, tenantId, where, [tenantId, deviceId], page);
}

/** All that are given must match; absent = any. */
export interface InstallationFilter {
  /** Any of these. */
  id?: readonly string[] | undefined;
  state?: readonly string[] | undefined;
  slot?: readonly string[] | undefined;
  rolloutId?: readonly string[] | undefined;
  deviceId?: readonly string[] | undefined;
  firmwareId?: readonly string[] | undefined;
  /** RFC 3339. Only what ended at this time or later; `endedUntil`: only what ended before that time. */
  endedSince?: string | undefined;
  endedUntil?: string | undefined;
}

/**
 * Across devices, newest first or by `endedAt`: then what has not ended comes after all that has.
 * @param withHistory whether their history is read, too
 */
export async function listInstallations(
  tx: Tx,
  tenantId: string,
  filter: InstallationFilter,
  page: PageRequest,
  withHistory = true,
): Promise<Page<InstallationView>> {
  const { where, values } = installationConditions(tenantId, filter);
  return listed(tx, tenantId, where, values, page, withHistory);
}

/** What finds the installations of a filter, over a table that is named `i`; its parameters begin with the tenant. */
function installationConditions(tenantId: string, filter: InstallationFilter): { where: string[]; values: unknown[] } {
  const where = ['i.tenant_id = $1'];
  const values: unknown[] = [tenantId];
  const any = (column: string, type: string, list: readonly string[] | undefined) => {
    if (!list) return;
    // One value is compared as one: only then does the index that is ordered by it give a page without sorting all that
    // it finds.
    const one = list.length === 1;
    values.push(one ? list[0] : list);
    where.push(one ? `i.${column} = $${values.length}::${type}` : `i.${column} = ANY($${values.length}::${type}[])`);
  };
  any('id', 'uuid', filter.id);
  any('state', 'text', filter.state);
  any('slot', 'text', filter.slot);
  any('rollout_id', 'uuid', filter.rolloutId);
  any('device_id', 'uuid', filter.deviceId);
  any('firmware_id', 'uuid', filter.firmwareId);
  if (filter.endedSince !== undefined) {
    values.push(filter.endedSince);
    where.push(`${END} >= $${values.length}::timestamptz AND i.ended_at IS NOT NULL`);
  }
  if (filter.endedUntil !== undefined) {
    values.push(filter.endedUntil);
    where.push(`${END} < $${values.length}::timestamptz`);
  }
  return { where, values };
}

/** Values of a facet that are told: the most frequent ones. OFFSET 0: as in commands/device-rows.ts. */
const MOST_VALUES = 100;

/** What installations can be counted by. */
export type InstallationFacet = 'state' | 'slot' | 'firmwareId' | 'rolloutId';

/** How many of the installations that the filters find have each value, the most frequent first. */
export async function readInstallationFacet(
  tx: Tx,
  tenantId: string,
  filter: InstallationFilter,
  times: Between,
  facet: InstallationFacet,
): Promise<FacetCount[]> {
  const { where, values } = installationConditions(tenantId, filter);
  where.push(...between('i.requested_at', times, values));
  values.push(facet);
  const { rows } = await tx.query<{ value: string | null; count: string }>(
    `SELECT CASE $${values.length}::text WHEN 'state' THEN i.state WHEN 'slot' THEN i.slot
       WHEN 'firmwareId' THEN i.firmware_id::text ELSE i.rollout_id::text END AS value, count(*) AS count
     FROM installations i WHERE ${where.join(' AND ')} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ${MOST_VALUES} OFFSET 0`,
    values,
  );
  return rows.map(({ value, count }) => ({ value, count: Number(count) }));
}

async function listed(
  tx: Tx,
  tenantId: string,
  where: readonly string[],
  values: readonly unknown[],
  page: PageRequest,
  withHistory = true,
): Promise<Page<InstallationView>> {
  const { rows, ...rest } = await readRows<ViewRow>(
    tx,
    {
      columns: VIEW_COLUMNS,
      from: FROM,
      where,
      values,
      sorts: SORTS,
      time: 'requestedAt',
      id: 'i.id',
      counted: 'installations i',
    },
    page,
  );
  return { items: await toViews(tx, tenantId, rows, withHistory), ...rest };
}

interface ViewRow extends InstallationRow {
  other: string | null;
  requested_by: string;
  retry_of: string | null;
  process_started_at: Date | null;
}

async function toViews(tx: Tx, tenantId: string, rows: ViewRow[], withHistory = true): Promise<InstallationView[]> {
  const history = await readHistory(tx, tenantId, withHistory ? rows.map((row) => row.id) : []);
  const reach = await reachOf(
    tx,
    rows.filter((row) => row.ended_at === null).map((row) => ({ tenantId, deviceId: row.device_id })),
  );
  const open = rows.some((row) => row.ended_at === null);
  const away = open && (await isOrchestratorAway(tx));
  return rows.map((row) => {
    const installation = toInstallation(row);
    return {
      ...installation,
      requestedBy: row.requested_by,
      retryOf: row.retry_of,
      waitingOn: waitingOn(installation, {
        ...reach.get(deviceKey(tenantId, row.device_id)),
        executing: row.other,
        ...(away && { held: NOTHING_MOVES }),
      }),
      nextActionAt: away ? null : installation.dueAt,
      history: history.get(row.id) ?? [],
      processStarted: row.process_started_at !== null,
    };
  });
}
