import type { Pool, Tx } from '../db/pool.js';
import { asService } from '../db/transaction.js';
import { assertLease, type Fence } from '../db/leases.js';
import { recordset } from '../db/recordset.js';
import { foldWhole, HASH_BYTES, leafHash, type NodeSource } from './merkle.js';
import { LINE_COLUMNS, lineOf, type LineRow } from './lines.js';

/**
 * The tree over each tenant's sealed history, as tiles of 256 hashes (C2SP tlog-tiles): level 0 holds leaves, a tile of
 * the level above the roots of 256 whole tiles. A leaf is hashed once, when its entry has been sealed, and never again:
 * it stays when the entry goes, and it differs when the entry is changed behind the service.
 */

/** Hashes of a whole tile: 2^8. */
export const TILE_HASHES = 256;
const TILE_LEVELS = 8;
/** Leaves that one tenant gets in one transaction. */
const GROW_BATCH = 2_048;
/** Tenants that are served in one transaction. */
const GROW_TENANTS = 64;

interface LastTile {
  tenant_id: string;
  index: number;
  hashes: Buffer;
}

interface WholeTile {
  /** @narrowed the statements ask for whole ones */
  root: Buffer;
}

/** A tile as it is written; `root` where it is whole. */
interface NewTile {
  level: number;
  index: number;
  hashes: Buffer;
  root: Buffer | null;
}

/** Adds the leaves of what was sealed. One writer, by the bridge's lease. @returns whether more is left. */
export async function growTrees(pool: Pool, fence: Fence): Promise<boolean> {
  return asService(pool, async (tx) => {
    await assertLease(tx, fence);
    const { rows: last } = await tx.query<LastTile>(
      `SELECT t.id AS tenant_id, coalesce(made.index, 0)::integer AS index, coalesce(made.hashes, '') AS hashes
       FROM tenants t LEFT JOIN LATERAL (SELECT index, hashes FROM history_tiles
         WHERE tenant_id = t.id AND level = 0 ORDER BY index DESC LIMIT 1) AS made ON true
       WHERE EXISTS (SELECT FROM history h WHERE h.tenant_id = t.id
         AND h.number = coalesce(made.index, 0) * ${TILE_HASHES} + coalesce(length(made.hashes), 0) / ${HASH_BYTES} + 1)
       LIMIT ${GROW_TENANTS}`,
    );
    let left = last.length === GROW_TENANTS;
    for (const tile of last) left = (await growTree(tx, tile)) || left;
    return left;
  });
}

async function growTree(tx: Tx, last: LastTile): Promise<boolean> {
  const size = last.index * TILE_HASHES + last.hashes.length / HASH_BYTES;
  const { rows } = await tx.query<LineRow>(
    `SELECT ${LINE_COLUMNS} FROM history WHERE tenant_id = $1 AND number > $2 ORDER BY number LIMIT ${GROW_BATCH}`,
    [last.tenant_id, size],
  );
  // An entry that is missing is no reason to give its place to another one.
  const whole = rows.filter((row, n) => Number(row.number) === size + n + 1);
  const tiles: NewTile[] = [];
  let { index } = last;
  let hashes = split(last.hashes);
  if (hashes.length === TILE_HASHES) [index, hashes] = [index + 1, []];
  for (const row of whole) {
    hashes.push(leafHash(lineOf(row)));
    if (hashes.length < TILE_HASHES) continue;
    tiles.push(tileOf(0, index, hashes));
    [index, hashes] = [index + 1, []];
  }
  if (hashes.length > 0 && whole.length > 0) tiles.push(tileOf(0, index, hashes));
  await writeTiles(tx, last.tenant_id, tiles);
  for (const { level, index: made } of tiles.filter(({ root }) => root !== null))
    await growAbove(tx, last.tenant_id, level, made);
  return rows.length === GROW_BATCH && whole.length === rows.length;
}

/** The tile above, where this one was the last of its 256; and so on. */
async function growAbove(tx: Tx, tenantId: string, level: number, index: number): Promise<void> {
  if ((index + 1) % TILE_HASHES !== 0) return;
  const above = Math.floor(index / TILE_HASHES);
  const { rows } = await tx.query<WholeTile>(
    `SELECT root FROM history_tiles WHERE tenant_id = $1 AND level = $2 AND index BETWEEN $3 AND $4 AND root IS NOT NULL
      ORDER BY index`,
    [tenantId, level, above * TILE_HASHES, index],
  );
  if (rows.length !== TILE_HASHES) throw new Error(`the tree of ${tenantId} lacks tiles of level ${level}`);
  await writeTiles(tx, tenantId, [
    tileOf(
      level + 1,
      above,
      rows.map(({ root }) => root),
    ),
  ]);
  await growAbove(tx, tenantId, level + 1, above);
}

function tileOf(level: number, index: number, hashes: readonly Buffer[]): NewTile {
  return {
    level,
    index,
    hashes: Buffer.concat(hashes),
    root: hashes.length === TILE_HASHES ? foldWhole(hashes) : null,
  };
}

/** A tile that grows is written over: what it held is the beginning of what it holds. */
async function writeTiles(tx: Tx, tenantId: string, tiles: readonly NewTile[]): Promise<void> {
  if (tiles.length === 0) return;
  await tx.query(
    `INSERT INTO history_tiles (tenant_id, level, index, hashes, root)
     SELECT $1, n.level, n.index, decode(n.hashes, 'hex'), decode(n.root, 'hex')
     FROM ${recordset('$2', 'level smallint, index integer, hashes text, root text')} AS n
     ON CONFLICT (tenant_id, level, index) DO UPDATE SET hashes = excluded.hashes, root = excluded.root`,
    [
      tenantId,
      JSON.stringify(
        tiles.map(({ level, index, hashes, root }) => ({
          level,
          index,
          hashes: hashes.toString('hex'),
          root: root?.toString('hex') ?? null,
        })),
      ),
    ],
  );
}

function split(hashes: Buffer): Buffer[] {
  return Array.from({ length: hashes.length / HASH_BYTES }, (_, n) =>
    hashes.subarray(n * HASH_BYTES, (n + 1) * HASH_BYTES),
  );
}

/** How many leaves the tree of a tenant has: entries that were sealed a second ago or earlier. */
export async function treeSize(tx: Tx, tenantId: string): Promise<number> {
  const { rows } = await tx.query<{ size: string }>(
    `SELECT index::bigint * ${TILE_HASHES} + length(hashes) / ${HASH_BYTES} AS size FROM history_tiles
      WHERE tenant_id = $1 AND level = 0 ORDER BY index DESC LIMIT 1`,
    [tenantId],
  );
  return Number(rows[0]?.size ?? 0);
}

/** The leaves of entries `from` to `to` (numbers, both included), from the tiles. */
export async function readLeaves(tx: Tx, tenantId: string, from: number, to: number): Promise<Buffer[]> {
  const { rows } = await tx.query<{ index: number; hashes: Buffer }>(
    `SELECT index, hashes FROM history_tiles WHERE tenant_id = $1 AND level = 0 AND index BETWEEN $2 AND $3
      ORDER BY index`,
    [tenantId, Math.floor((from - 1) / TILE_HASHES), Math.floor((to - 1) / TILE_HASHES)],
  );
  const leaves = rows.flatMap(({ hashes }) => split(hashes));
  const skipped = (from - 1) % TILE_HASHES;
  return leaves.slice(skipped, skipped + to - from + 1);
}

/** Subtrees of a tenant's tree. Each tile is read once; a source lives as long as its transaction. */
export function nodesOf(tx: Tx, tenantId: string): NodeSource {
  const tiles = new Map<string, Promise<Buffer[]>>();
  const tile = (level: number, index: number): Promise<Buffer[]> => {
    const key = `${level}/${index}`;
    const read = tiles.get(key) ?? readTile(tx, tenantId, level, index);
    tiles.set(key, read);
    return read;
  };
  return async (level, index) => {
    const step = 2 ** (level % TILE_LEVELS);
    const first = index * step;
    const hashes = await tile(Math.floor(level / TILE_LEVELS), Math.floor(first / TILE_HASHES));
    const at = first % TILE_HASHES;
    const found = hashes.slice(at, at + step);
    if (found.length !== step) throw new Error(`the tree of ${tenantId} has no node ${index} at level ${level}`);
    return foldWhole(found);
  };
}

/** A tile that is not whole exists at level 0 only: above, its hashes are the roots of the tiles below. */
async function readTile(tx: Tx, tenantId: string, level: number, index: number): Promise<Buffer[]> {
  const { rows } = await tx.query<{ hashes: Buffer }>(
    'SELECT hashes FROM history_tiles WHERE tenant_id = $1 AND level = $2 AND index = $3',
    [tenantId, level, index],
  );
  if (rows[0] || level === 0) return split(rows[0]?.hashes ?? Buffer.alloc(0));
  const { rows: below } = await tx.query<WholeTile>(
    `SELECT root FROM history_tiles WHERE tenant_id = $1 AND level = $2 AND index BETWEEN $3 AND $4 AND root IS NOT NULL
      ORDER BY index`,
    [tenantId, level - 1, index * TILE_HASHES, (index + 1) * TILE_HASHES - 1],
  );
  return below.map(({ root }) => root);
}
