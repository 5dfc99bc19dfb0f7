import type { Tx } from '../db/pool.js';
import { readDropped, verifyChain } from '../history/seal.js';
import { leafHash } from './merkle.js';
import { LINE_COLUMNS, lineOf, type LineRow } from './lines.js';
import { readLeaves, TILE_HASHES, treeSize } from './tiles.js';

/** What is wrong with the history of a tenant; `entry` is the first one that is not as it was sealed. */
export interface Broken {
  readonly entry: number;
  readonly because: 'changed' | 'missing' | 'not chained';
}

/** How the sealed history of one tenant stands. `entries`: those that were checked and are whole. */
export interface Verified {
  readonly entries: number;
  readonly broken?: Broken;
}

/**
 * Compares each entry with its leaf in the tree and with the chain of hashes. What is changed, removed or put in by SQL
 * is named; what was put in at the end, in place of the sealer, breaks the chain. Of what is older than the retention,
 * the entries that are still there are compared.
 */
export async function verifyHistory(tx: Tx, tenantId: string): Promise<Verified> {
  const size = await treeSize(tx, tenantId);
  const dropped = await readDropped(tx, tenantId);
  for (let from = 1; from <= size; from += TILE_HASHES) {
    const to = Math.min(from + TILE_HASHES - 1, size);
    const leaves = await readLeaves(tx, tenantId, from, to);
    const { rows } = await tx.query<LineRow>(
      `SELECT ${LINE_COLUMNS} FROM history WHERE tenant_id = $1 AND number BETWEEN $2 AND $3 ORDER BY number`,
      [tenantId, from, to],
    );
    const byNumber = new Map(rows.map((row) => [Number(row.number), row]));
    for (const [n, leaf] of leaves.entries()) {
      const entry = from + n;
      const row = byNumber.get(entry);
      if (row === undefined && entry <= dropped.number) continue;
      if (row === undefined) return { entries: entry - 1, broken: { entry, because: 'missing' } };
      if (!leafHash(lineOf(row)).equals(leaf)) return { entries: entry - 1, broken: { entry, because: 'changed' } };
    }
  }
  const { entries, brokenAt } = await verifyChain(tx, tenantId);
  return brokenAt === undefined ? { entries } : { entries, broken: { entry: brokenAt, because: 'not chained' } };
}
