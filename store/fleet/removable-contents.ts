import type { Pool, Tx } from '../db/pool.js';
import { asService } from '../db/transaction.js';
import { isContentNeeded, lockContent } from './firmwares.js';

/**
 * A removal that took longer was cut off with its process, and is done again. Longer than a blob store may take with
 * all its retries: two of the same at once could meet an upload between them.
 */
const REMOVAL_LASTS = '15 minutes';
/** What the store refused, or did not answer in time, may still happen for so long: a proxy may have passed it on. */
const MAY_STILL_HAPPEN = '1 minute';
/** No process is at it that may live, and none failed at it lately. A time from the future is none. */
const IS_FREE = `(removing_since IS NULL
  OR removing_since NOT BETWEEN now() - interval '${REMOVAL_LASTS}' AND now() + interval '${REMOVAL_LASTS}')`;

/** These bytes may not be needed any more. In the transaction that makes them so: then a crash forgets none. */
export async function markRemovable(tx: Tx, sha256: string): Promise<void> {
  await tx.query('INSERT INTO removable_contents (sha256) VALUES ($1) ON CONFLICT DO NOTHING', [sha256]);
}

/**
 * What is marked, and not being removed by a process that may live. The oldest first, but behind all others those that
 * were tried before: a store may refuse them for ever.
 */
export async function readRemovable(pool: Pool, limit: number): Promise<string[]> {
  const { rows } = await asService(pool, (tx) =>
    tx.query<{ sha256: string }>(
      `SELECT sha256 FROM removable_contents WHERE ${IS_FREE}
       ORDER BY removing_since NULLS FIRST, marked_at LIMIT $1`,
      [limit],
    ),
  );
  return rows.map((row) => row.sha256);
}

/**
 * Looks once more, under the content's lock: what a firmware refers to is marked no longer.
 * @param removal names this attempt
 * @returns whether the caller is to remove the bytes now, and to call `endRemoval` then.
 */
export async function beginRemoval(pool: Pool, sha256: string, removal: string): Promise<boolean> {
  return asService(pool, async (tx) => {
    await lockContent(tx, sha256);
    if (await isContentNeeded(tx, sha256)) {
      await tx.query('DELETE FROM removable_contents WHERE sha256 = $1 AND removal IS NULL', [sha256]);
      return false;
    }
    const { rowCount } = await tx.query(
      `UPDATE removable_contents SET removal = $2, removing_since = now() WHERE sha256 = $1 AND ${IS_FREE}`,
      [sha256, removal],
    );
    return rowCount === 1;
  });
}

/** The bytes are gone: the same ones may come again. */
export async function endRemoval(pool: Pool, sha256: string, removal: string): Promise<void> {
  await asService(pool, (tx) =>
    tx.query('DELETE FROM removable_contents WHERE sha256 = $1 AND removal = $2', [sha256, removal]),
  );
}

/**
 * The store did not remove them. It may never do so: the same bytes may come again all the same, and the removal is
 * tried again later.
 */
export async function giveUpRemoval(pool: Pool, sha256: string, removal: string): Promise<void> {
  await asService(pool, (tx) =>
    tx.query(
      `UPDATE removable_contents SET removal = NULL, removing_since = now() WHERE sha256 = $1 AND removal = $2`,
      [sha256, removal],
    ),
  );
}

/** Whether these bytes may vanish at any moment. Call it under the content's lock. */
export async function isBeingRemoved(tx: Tx, sha256: string): Promise<boolean> {
  const { rows } = await tx.query(
    `SELECT FROM removable_contents WHERE sha256 = $1 AND (removal IS NOT NULL
       OR removing_since BETWEEN now() - interval '${MAY_STILL_HAPPEN}' AND now() + interval '${MAY_STILL_HAPPEN}')`,
    [sha256],
  );
  return rows.length > 0;
}
