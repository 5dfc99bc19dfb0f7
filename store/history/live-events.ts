import { oneRow } from '../db/one-row.js';
import type { ReadEntry } from './history.js';
import type { KeysetRequest, Page } from '../db/page.js';
import type { Pool, Tx } from '../db/pool.js';
import { asService } from '../db/transaction.js';
import { cursorAfter, parseEntryCursor } from '../db/cursors.js';

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

/** Entries of the range, oldest first. What was written within the last second may not have a number yet. */
export async function readSealed(
  tx: Tx,
  tenantId: string,
  { after, upTo, rolloutIds, limit }: SealedRange,
): Promise<SealedEntry[]> {
  const { rows } = await tx.query<{
    /** @narrowed the statement asks for a range of numbers */
    number: string;
    at: Date;
    device_id: string | null;
    installation_id: string | null;
    rollout_id: string | null;
    event: string;
    data: Record<string, unknown>;
  }>(
    `SELECT number, at, device_id, installation_id, rollout_id, event, data FROM history
     WHERE tenant_id = $1 AND number > $2 AND number <= $3 ${rolloutIds ? 'AND rollout_id = ANY($5::uuid[])' : ''}
       ORDER BY number LIMIT $4`,
    [tenantId, after, upTo, limit, ...(rolloutIds ? [rolloutIds] : [])],
  );
  return rows.map((row) => ({
    number: Number(row.number),
    at: row.at.getTime(),
    event: row.event,
    data: row.data,
    deviceId: row.device_id,
    installationId: row.installation_id,
    rolloutId: row.rollout_id,
  }));
}

/** The sealed history of a tenant, oldest first. */
export async function listSealed(
  tx: Tx,
  tenantId: string,
  after: number,
  { pageSize, cursor }: KeysetRequest,
): Promise<Page<SealedEntry>> {
  const from = cursor === undefined ? after : (parseEntryCursor(cursor) ?? after);
  const read = await readSealed(tx, tenantId, { after: from, upTo: Number.MAX_SAFE_INTEGER, limit: pageSize + 1 });
  const items = read.slice(0, pageSize);
  return {
    items,
    nextCursor: cursorAfter(read, pageSize, (entry) => String(entry.number)),
  };
}

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
