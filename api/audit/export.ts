import { readLines, type ExportRow } from '../../store/audit/entries.js';
import { leafHash, leftRoots, rootHash } from '../../store/audit/merkle.js';
import { nodesOf, readLeaves, TILE_HASHES, treeSize } from '../../store/audit/tiles.js';
import { firstAt, lastBefore } from '../../store/audit/range.js';
import { readDropped } from '../../store/history/seal.js';
import type { Tx } from '../../store/db/pool.js';
import type { Signer } from './signing-key.js';

type InTenant = <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;

/** RFC 3339, as the query has them. */
interface Times {
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/**
 * The audit as JSON lines, oldest first, in pieces of some hundred lines. What is read is what was in the tree when it
 * began; each piece is a transaction of its own, so that a slow reader holds none open.
 *
 * With a signer it is a proof by itself (docs/audit.md): a first line says which tree and from which entry on, with
 * the roots of the subtrees before it; then each entry of the history has one line, its own where people did it, and
 * otherwise the hash that its line has now; each 256 of them are followed by the leaves that the tree has for them; and
 * the last line is a checkpoint of just this size.
 */
export async function* exportLines(
  inTenant: InTenant,
  tenantId: string,
  { since, until }: Times,
  signer: Signer | undefined,
): AsyncGenerator<string, void> {
  const size = await inTenant((tx) => treeSize(tx, tenantId));
  if (signer) return yield* proof(inTenant, tenantId, { since, until }, size, signer);
  for (let after = 0; ;) {
    const rows = await inTenant((tx) => readLines(tx, tenantId, { after, upTo: size, since, until, actsOnly: true }));
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows.map(({ line }) => `${line}\n`).join('');
    after = last.number;
  }
}

async function* proof(
  inTenant: InTenant,
  tenantId: string,
  { since, until }: Times,
  size: number,
  signer: Signer,
): AsyncGenerator<string, void> {
  const [first, end] = await inTenant(async (tx) => [
    since === undefined ? 1 : await firstAt(tx, tenantId, since, size),
    until === undefined ? size : await lastBefore(tx, tenantId, until, size),
  ]);
  // Whole tiles: a verifier can compare them with what it has.
  const begin = first - ((first - 1) % TILE_HASHES);
  const last = Math.max(end, begin - 1);
  const left = await inTenant((tx) => leftRoots(begin - 1, nodesOf(tx, tenantId)));
  yield jsonLine({ log: signer.origin(tenantId), first: begin, last, left: left.map(text) });
  for (let from = begin; from <= last; from += TILE_HASHES) {
    const to = Math.min(from + TILE_HASHES - 1, last);
    yield await inTenant(async (tx) => {
      const rows = await readLines(tx, tenantId, { after: from - 1, upTo: to, actsOnly: false });
      const leaves = await readLeaves(tx, tenantId, from, to);
      const dropped = await readDropped(tx, tenantId);
      return `${linesOf(rows, from, leaves, dropped.number).join('')}${jsonLine({ leaves: leaves.map(text), first: from })}`;
    });
  }
  const root = await inTenant((tx) => rootHash(last, nodesOf(tx, tenantId)));
  yield jsonLine({ checkpoint: signer.checkpoint(tenantId, last, root) });
}

/**
 * One line for each number, also for one whose entry is gone; up to `dropped` those are older than what is kept, and
 * their leaf says what they were.
 */
function linesOf(rows: readonly ExportRow[], from: number, leaves: readonly Buffer[], dropped: number): string[] {
  const byNumber = new Map(rows.map((row) => [row.number, row]));
  return leaves.map((leaf, n) => {
    const row = byNumber.get(from + n);
    if (row === undefined && from + n <= dropped) return jsonLine({ entry: from + n, leaf: text(leaf), dropped: true });
    if (row === undefined) return jsonLine({ entry: from + n, missing: true });
    return row.isAct ? `${row.line}\n` : jsonLine({ entry: row.number, leaf: text(leafHash(row.line)) });
  });
}

function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

function text(hash: Buffer): string {
  return hash.toString('base64');
}
