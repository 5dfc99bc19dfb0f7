import type { Installation } from '../../domain/installation/installation.js';
import { waitingOn } from '../../domain/installation/waiting-on.js';
import { reachOf } from '../fleet/gateways.js';
import { readHistory, type ReadEntry } from '../history/history.js';
import { COLUMNS, toInstallation, type InstallationRow } from './rows.js';
import { type Page, type PageRequest } from '../db/page.js';
import type { Tx } from '../db/pool.js';
import { deviceKey } from '../db/keys.js';
import { printCursor, parseCursor } from '../db/cursors.js';

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

const FROM = `
  SELECT ${COLUMNS}, (SELECT x.id FROM installations x WHERE x.tenant_id = i.tenant_id AND x.device_id = i.device_id
    AND x.executing AND x.id <> i.id) AS other
  FROM installations i
  JOIN firmwares f ON f.tenant_id = i.tenant_id AND f.id = i.firmware_id`;

/** @returns undefined where that device of the tenant has no such installation. */
export async function readInstallation(
  tx: Tx,
  tenantId: string,
  deviceId: string,
  id: string,
): Promise<InstallationView | undefined> {
  const { rows } = await tx.query<ViewRow>(`${FROM} WHERE i.tenant_id = $1 AND i.device_id = $2 AND i.id = $3`, [
    tenantId,
    deviceId,
    id,
  ]);
  return (await toViews(tx, tenantId, rows))[0];
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
  if (!options.latestOnly) return listed(tx, tenantId, 'i.device_id = $2', [deviceId], page);
  const latest = `i.device_id = $2 AND i.id IN (SELECT DISTINCT ON (slot) id FROM installations
    WHERE tenant_id = $1 AND device_id = $2 AND state = 'installed'
      ORDER BY slot, ended_at DESC, requested_at DESC, id DESC)`;
  return listed(tx, tenantId, latest, [deviceId], page);
}

/** All that are given must match; absent = any. */
export interface InstallationFilter {
  /** Any of these. */
  state?: readonly string[];
  slot?: readonly string[];
  rolloutId?: readonly string[];
}

/** Across devices, newest first. */
export async function listInstallations(
  tx: Tx,
  tenantId: string,
  filter: InstallationFilter,
  page: PageRequest,
): Promise<Page<InstallationView>> {
  const conditions: string[] = ['true'];
  const values: unknown[] = [];
  const any = (column: string, type: string, list: readonly string[] | undefined) => {
    if (!list) return;
    // One value is compared as one: only then does the index that is ordered by it give a page without sorting all that
    // it finds.
    const one = list.length === 1;
    values.push(one ? list[0] : list);
    conditions.push(
      one ? `i.${column} = $${values.length + 1}::${type}` : `i.${column} = ANY($${values.length + 1}::${type}[])`,
    );
  };
  any('state', 'text', filter.state);
  any('slot', 'text', filter.slot);
  any('rollout_id', 'uuid', filter.rolloutId);
  return listed(tx, tenantId, conditions.join(' AND '), values, page);
}

async function listed(
  tx: Tx,
  tenantId: string,
  condition: string,
  values: readonly unknown[],
  page: PageRequest,
): Promise<Page<InstallationView>> {
  const all: unknown[] = [tenantId, ...values];
  let where = `i.tenant_id = $1 AND ${condition}`;
  let offset = page.page * page.pageSize;
  const key = page.cursor === undefined ? undefined : parseCursor(page.cursor);
  if (key) {
    all.push(key.at, key.id);
    where += ` AND (i.requested_at, i.id) < ($${all.length - 1}::timestamptz, $${all.length}::uuid)`;
    offset = 0;
  }
  const { rows } = await tx.query<ViewRow>(
    `${FROM} WHERE ${where} ORDER BY i.requested_at DESC, i.id DESC LIMIT ${page.pageSize + 1} OFFSET ${offset}`,
    all,
  );
  const items = await toViews(tx, tenantId, rows.slice(0, page.pageSize));
  const last = items.at(-1);
  const more = rows.length > page.pageSize && last !== undefined;
  return {
    items,
    nextCursor: more ? printCursor({ at: new Date(last.requestedAt).toISOString(), id: last.id }) : undefined,
  };
}

interface ViewRow extends InstallationRow {
  other: string | null;
  requested_by: string;
  retry_of: string | null;
  process_started_at: Date | null;
}

async function toViews(tx: Tx, tenantId: string, rows: ViewRow[]): Promise<InstallationView[]> {
  const history = await readHistory(
    tx,
    tenantId,
    rows.map((row) => row.id),
  );
  const reach = await reachOf(
    tx,
    rows.filter((row) => row.ended_at === null).map((row) => ({ tenantId, deviceId: row.device_id })),
  );
  return rows.map((row) => {
    const installation = toInstallation(row);
    return {
      ...installation,
      requestedBy: row.requested_by,
      retryOf: row.retry_of,
      waitingOn: waitingOn(installation, { ...reach.get(deviceKey(tenantId, row.device_id)), executing: row.other }),
      nextActionAt: installation.dueAt,
      history: history.get(row.id) ?? [],
      processStarted: row.process_started_at !== null,
    };
  });
}
