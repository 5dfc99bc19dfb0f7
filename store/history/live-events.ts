import { totalOf } from '../db/count.js';
import { oneRow } from '../db/one-row.js';
import { AUDIT, type ReadEntry } from './history.js';
import type { KeysetRequest, Page } from '../db/page.js';
import type { Pool, Tx } from '../db/pool.js';
import { asService } from '../db/transaction.js';
import { cursorAfter, parseEntryCursor } from '../db/cursors.js';

/** What people did is in the same history, and not for who reads the fleet. */
const OF_THE_FLEET = `event <> '${AUDIT}'`;

/** One entry of a tenant's sealed history: its number is final, there is none before it that comes later. */
export interface SealedEntry extends ReadEntry {
  readonly number: number;
  readonly deviceId: string | null;
  readonly installationId: string | null;
  readonly rolloutId: string | null;
}

/** The newest sealed number of each tenant, 0 where nothing is sealed: one look into the index each. */
export async function newestNumbers(pool: Pool, tenants: readonly string[]): Promise<Map<string, number>> {
  const { rows } = await asService(pool, (tx) =>
    tx.query<{ tenant_id: string; number: string }>(
      `SELECT t.tenant_id, coalesce((SELECT number FROM history h WHERE h.tenant_id = t.tenant_id
        AND h.number IS NOT NULL ORDER BY h.number DESC LIMIT 1), 0) AS number
     FROM unnest($1::text[]) AS t(tenant_id)`,
      [tenants],
    ),
  );
  return new Map(rows.map((row) => [row.tenant_id, Number(row.number)]));
}

/** Numbers in the chain of one tenant's history. `limit`: entries of one answer. */
export interface SealedRange {
  /** Without this number. */
  readonly after: number;
  /** With this one. */
  readonly upTo: number;
  /** Only what happened to these rollouts; absent = everything. */
  readonly rolloutIds?: readonly string[];
  readonly limit: number;
}

interface SealedRow {
  /** @narrowed the statements ask for a range of numbers */
  number: string;
  at: Date;
  device_id: string | null;
  installation_id: string | null;
  rollout_id: string | null;
  event: string;
  data: Record<string, unknown>;
}

const COLUMNS = 'number, at, device_id, installation_id, rollout_id, event, data';

/** Entries of the range, oldest first. What was written within the last second may not have a number yet. */
export async function readSealed(
  tx: Tx,
  tenantId: string,
  { after, upTo, rolloutIds, limit }: SealedRange,
): Promise<SealedEntry[]> {
  const { rows } = await tx.query<SealedRow>(
    `SELECT ${COLUMNS} FROM history
     WHERE tenant_id = $1 AND number > $2 AND number <= $3 AND ${OF_THE_FLEET} ${rolloutIds ? 'AND rollout_id = ANY($5::uuid[])' : ''}
       ORDER BY number LIMIT $4`,
    [tenantId, after, upTo, limit, ...(rolloutIds ? [rolloutIds] : [])],
  );
  return rows.map(toSealed);
}

function toSealed(row: SealedRow): SealedEntry {
  return {
    number: Number(row.number),
    at: row.at.getTime(),
    event: row.event,
    data: row.data,
    deviceId: row.device_id,
    installationId: row.installation_id,
    rolloutId: row.rollout_id,
  };
}

/** What of the sealed history is asked for. All must match; absent = any. */
export interface SealedFilter {
  /** Entries with a higher number. */
  readonly after?: number | undefined;
  /** Any of these, as entries have it in `data.by`: `operator:key:admin`. */
  readonly by?: readonly string[] | undefined;
  readonly event?: readonly string[] | undefined;
  readonly deviceId?: readonly string[] | undefined;
  readonly rolloutId?: readonly string[] | undefined;
  /** RFC 3339. What happened at this time or later; `until`: what happened before that time. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/**
 * The sealed history of a tenant, oldest first unless `newestFirst`. Times are looked for among the numbers, which grow
 * with them, so that no index on the time is written with each entry (sql/0025-lists.sql).
 */
export async function listSealed(
  tx: Tx,
  tenantId: string,
  filter: SealedFilter,
  { pageSize, cursor, newestFirst }: KeysetRequest & { readonly newestFirst?: boolean },
): Promise<Page<SealedEntry>> {
  const values: unknown[] = [tenantId, filter.after ?? 0];
  const where = ['tenant_id = $1', 'number > $2', OF_THE_FLEET];
  const any = (column: string, type: string, list: readonly string[] | undefined) => {
    if (!list) return;
    const one = list.length === 1;
    values.push(one ? list[0] : list);
    where.push(one ? `${column} = $${values.length}::${type}` : `${column} = ANY($${values.length}::${type}[])`);
  };
  any('by_whom', 'text', filter.by);
  any('event', 'text', filter.event);
  any('device_id', 'uuid', filter.deviceId);
  any('rollout_id', 'uuid', filter.rolloutId);
  if (filter.since !== undefined) {
    values.push(filter.since);
    where.push(`at >= $${values.length}::timestamptz AND
      number > (SELECT history_number_before($1, $${values.length}::timestamptz - interval '${DISORDER}'))`);
  }
  if (filter.until !== undefined) {
    values.push(filter.until);
    where.push(`at < $${values.length}::timestamptz AND
      number <= (SELECT history_number_before($1, $${values.length}::timestamptz + interval '${DISORDER}'))`);
  }
  const counted = { from: 'history', where: [...where], values: [...values] };
  const from = cursor === undefined ? undefined : parseEntryCursor(cursor);
  if (from !== undefined) {
    values.push(from);
    where.push(`number ${newestFirst ? '<' : '>'} $${values.length}`);
  }
  values.push(pageSize + 1);
  const { rows } = await tx.query<SealedRow>(
    `SELECT ${COLUMNS} FROM history WHERE ${where.join(' AND ')}
      ORDER BY number ${newestFirst ? 'DESC' : 'ASC'} LIMIT $${values.length} OFFSET 0`,
    values,
  );
  return {
    items: rows.slice(0, pageSize).map(toSealed),
    nextCursor: cursorAfter(rows, pageSize, (row) => row.number),
    total: await totalOf(tx, counted, { read: rows.length, offset: from === undefined ? 0 : undefined, pageSize }),
  };
}

/**
 * How far times may be out of the order of the numbers: an entry has the time at which its transaction decided, of a
 * clock that may be some minutes wrong, and its number from when it was sealed after the commit.
 */
const DISORDER = '15 minutes';

/**
 * Whether everything that happened to a rollout is sealed, and the number of its newest entry; 0 where there is none.
 */
export async function sealedOf(
  tx: Tx,
  tenantId: string,
  rolloutId: string,
): Promise<{ whole: boolean; newest: number }> {
  const { rows } = await tx.query<{ whole: boolean; newest: string }>(
    'SELECT coalesce(bool_and(number IS NOT NULL), true) AS whole, coalesce(max(number), 0) AS newest FROM history WHERE tenant_id = $1 AND rollout_id = $2',
    [tenantId, rolloutId],
  );
  const { whole, newest } = oneRow(rows, 'how far the history of a rollout is sealed');
  return { whole, newest: Number(newest) };
}
