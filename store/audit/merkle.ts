import { createHash } from 'node:crypto';

/**
 * The Merkle tree of RFC 6962, section 2.1, over leaves that are only ever added. Hashes are SHA-256, 32 bytes each.
 * Nothing here reads a store: subtrees that are whole come from a NodeSource.
 */

/** Bytes of one hash. */
export const HASH_BYTES = 32;
const LEAF = Buffer.of(0);
const NODE = Buffer.of(1);

/** The hash of the whole subtree over the leaves from `index · 2^level` on, `2^level` of them. */
export type NodeSource = (level: number, index: number) => Promise<Buffer>;

/** @param line the bytes of a leaf, as they are exported */
export function leafHash(line: string): Buffer {
  return createHash('sha256').update(LEAF).update(line).digest();
}

/** The hash of two subtrees beside each other. */
export function nodeHash(left: Buffer, right: Buffer): Buffer {
  return createHash('sha256').update(NODE).update(left).update(right).digest();
}

/** The hash of a whole subtree. @param hashes a power of two of them, from left to right */
export function foldWhole(hashes: readonly Buffer[]): Buffer {
  const [first, second] = hashes;
  if (first === undefined) throw new Error('a subtree has at least one leaf');
  if (second === undefined) return first;
  const half = hashes.length / 2;
  return nodeHash(foldWhole(hashes.slice(0, half)), foldWhole(hashes.slice(half)));
}

/** The root over the first `size` leaves; of none, the hash of nothing. */
export async function rootHash(size: number, node: NodeSource): Promise<Buffer> {
  return size === 0 ? createHash('sha256').digest() : rangeHash(0, size, node);
}

/** What shows that leaf `index` is one of the first `size`: RFC 6962, section 2.1.1, from the leaf's side up. */
export async function inclusionProof(index: number, size: number, node: NodeSource): Promise<Buffer[]> {
  const path = async (from: number, to: number): Promise<Buffer[]> => {
    if (to - from === 1) return [];
    const middle = from + split(to - from);
    return index < middle
      ? [...(await path(from, middle)), await rangeHash(middle, to, node)]
      : [...(await path(middle, to)), await rangeHash(from, middle, node)];
  };
  return path(0, size);
}

/** What shows that the first `from` leaves begin the first `to`: RFC 6962, section 2.1.2. `0 < from ≤ to`. */
export async function consistencyProof(from: number, to: number, node: NodeSource): Promise<Buffer[]> {
  const part = async (old: number, begin: number, end: number, known: boolean): Promise<Buffer[]> => {
    if (old === end - begin) return known ? [] : [await rangeHash(begin, end, node)];
    const half = split(end - begin);
    const middle = begin + half;
    return old <= half
      ? [...(await part(old, begin, middle, known)), await rangeHash(middle, end, node)]
      : [...(await part(old - half, middle, end, false)), await rangeHash(begin, middle, node)];
  };
  return part(from, 0, to, true);
}

/** The roots of the whole subtrees that cover the first `size` leaves, the largest first: what a tree grows from. */
export async function leftRoots(size: number, node: NodeSource): Promise<Buffer[]> {
  const roots: Buffer[] = [];
  for (let from = 0; from < size;) {
    let level = 0;
    while (2 ** (level + 1) <= size - from) level += 1;
    roots.push(await node(level, from / 2 ** level));
    from += 2 ** level;
  }
  return roots;
}

/** Of the leaves from `from` to before `to`; `from` is a multiple of the largest power of two that is in the range. */
async function rangeHash(from: number, to: number, node: NodeSource): Promise<Buffer> {
  const count = to - from;
  const half = split(count);
  if (count === 1 || half * 2 === count) return node(Math.log2(count), from / count);
  return nodeHash(await rangeHash(from, from + half, node), await rangeHash(from + half, to, node));
}

/** The largest power of two below `count`; 0 for one leaf. */
function split(count: number): number {
  let half = count === 1 ? 0 : 1;
  while (half > 0 && half * 2 < count) half *= 2;
  return half;
}
