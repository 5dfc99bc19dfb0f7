import type { Tx } from '../db/pool.js';
import { iso } from '../db/times.js';
import { AUDIT } from '../history/history.js';
import { chain, readDropped } from '../history/seal.js';
import { LINE_COLUMNS, lineOf, type LineRow } from './lines.js';
import { leafHash } from './merkle.js';
import { readLeaves, treeSize } from './tiles.js';

/** What may go is sealed. */
interface SealedRow extends LineRow {
  /** @narrowed sealing sets it with the number */
  hash: Buffer;
}

/** Entries that are looked at in one transaction: some milliseconds. */
const PAGE = 1_000;

/** An entry of the history that is not what it was when it was sealed: what is older than it is left alone. */
export class BrokenHistory extends Error {
  override readonly name = 'BrokenHistory';
  constructor(tenantId: string, number: number) {
    super(`the history of the tenant "${tenantId}" is broken at the entry ${number}: nothing is dropped from there on`);
  }
}

/** Up to which times things go: epoch milliseconds. `acts` undefined = what people did stays. */
export interface Before {
  readonly history: number;
  readonly acts: number | undefined;
}

/**
 * Notes that the next entries of a tenant may go: those older than a time, up to the first that is not. The newest
 * entry of a tenant is never among them, because the sealer goes on from there; nor is one whose leaf the tree does not
 * have yet. Each is compared with its leaf and with the chain, so that what was changed does not vanish. Where acts and
 * the rest are kept for different times, the shorter one says which entries are compared; each goes by its own.
 * @returns whether there may be more.
 * @throws BrokenHistory
 */
export async function letGo(tx: Tx, tenantId: string, { history, acts }: Before): Promise<boolean> {
  const before = Math.max(history, acts ?? history);
  const dropped = await readDropped(tx, tenantId);
  const size = await treeSize(tx, tenantId);
  const { rows } = await tx.query<SealedRow>(
    `SELECT ${LINE_COLUMNS}, hash FROM history WHERE tenant_id = $1 AND number > $2 AND number <= $3
      ORDER BY number LIMIT ${PAGE + 1}`,
    [tenantId, dropped.number, size],
  );
  const young = rows.findIndex(({ at }) => Date.parse(at) >= before);
  const old = rows.slice(0, young === -1 ? rows.length - 1 : Math.min(young, PAGE));
  if (acts !== undefined)
    await tx.query('UPDATE history_dropped SET acts_before = $2 WHERE tenant_id = $1', [tenantId, iso(acts)]);
  if (old.length === 0) return false;
  const first = dropped.number + 1;
  const leaves = await readLeaves(tx, tenantId, first, dropped.number + old.length);
  let { hash } = dropped;
  for (const [index, row] of old.entries()) {
    const number = first + index;
    hash = chain(hash, number, row);
    const isWhole = Number(row.number) === number && hash.equals(row.hash);
    if (!isWhole || leaves[index]?.equals(leafHash(lineOf(row))) !== true) throw new BrokenHistory(tenantId, number);
  }
  await tx.query(
    `INSERT INTO history_dropped (tenant_id, number, hash, acts_before) VALUES ($1, $2, decode($3, 'hex'), $4)
      ON CONFLICT (tenant_id) DO UPDATE SET number = excluded.number, hash = excluded.hash`,
    [tenantId, dropped.number + old.length, hash.toString('hex'), acts === undefined ? null : iso(acts)],
  );
  return old.length === PAGE;
}

/** What people did has a retention of its own: $5, null where it stays for ever. */
const IS_OLD = `CASE WHEN h.event = '${AUDIT}' THEN h.at < $5 ELSE h.at < $4 END`;

/**
 * What an entry explains that is still there: an installation, a rollout, or what a slot holds that no installation
 * brought, by the newest entry that says so.
 */
const EXPLAINS = `(EXISTS (SELECT FROM installations i WHERE i.tenant_id = h.tenant_id AND i.id = h.installation_id)
  OR h.installation_id IS NULL AND EXISTS (SELECT FROM rollouts r WHERE r.tenant_id = h.tenant_id AND r.id = h.rollout_id)
  OR h.event = 'slot' AND EXISTS (SELECT FROM device_slots s WHERE s.tenant_id = h.tenant_id
      AND s.device_id = h.device_id AND s.slot = h.data->>'slot')
    AND NOT EXISTS (SELECT FROM history n WHERE n.tenant_id = h.tenant_id AND n.device_id = h.device_id
      AND n.entry > h.entry AND n.event = 'slot' AND n.data->>'slot' = h.data->>'slot'))`;

/**
 * Drops a page of the entries that may go and are old enough, but for what explains something that is still there.
 * What is kept is looked at again in each round: it may explain nothing any more.
 * @param after the number after which the page begins
 * @returns the number after which the next page begins; undefined where there is none.
 */
export async function dropEntries(
  tx: Tx,
  tenantId: string,
  { history, acts }: Before,
  after: number,
): Promise<number | undefined> {
  const { number: upTo } = await readDropped(tx, tenantId);
  const { rows } = await tx.query<{ last: string | null; looked: number }>(
    `WITH page AS (SELECT entry, number FROM history WHERE tenant_id = $1 AND number > $2 AND number <= $3
       ORDER BY number LIMIT ${PAGE}),
     gone AS (DELETE FROM history h USING page p WHERE h.tenant_id = $1 AND h.entry = p.entry
       AND ${IS_OLD} AND NOT ${EXPLAINS})
     SELECT max(number) AS last, count(*)::int AS looked FROM page`,
    [tenantId, after, upTo, iso(history), acts === undefined ? null : iso(acts)],
  );
  const [row] = rows;
  return row?.last == null || row.looked < PAGE ? undefined : Number(row.last);
}
