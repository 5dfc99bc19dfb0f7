import { createHash } from 'node:crypto';

/**
 * The Merkle tree of RFC 6962, section 2.1, as a verifier grows it: only the roots of its whole subtrees are kept. A
 * client does not take the service's own code for this: what checks and what is checked are apart.
 */
export class Tree {
  /** The largest first; each is over 2^level leaves. */
  private readonly roots: { level: number; hash: Buffer }[] = [];

  /** @param left the roots of the whole subtrees over the first `size` leaves, the largest first */
  constructor(
    public size: number,
    left: readonly Buffer[],
  ) {
    let rest = size;
    for (const hash of left) {
      const level = Math.floor(Math.log2(Math.max(1, rest)));
      this.roots.push({ level, hash });
      rest -= 2 ** level;
    }
    if (rest !== 0) throw new Error(`${left.length} roots do not cover ${size} leaves`);
  }

  add(leaf: Buffer): void {
    let node = { level: 0, hash: leaf };
    for (let last = this.roots.at(-1); last?.level === node.level; last = this.roots.at(-1)) {
      this.roots.pop();
      node = { level: node.level + 1, hash: nodeHash(last.hash, node.hash) };
    }
    this.roots.push(node);
    this.size += 1;
  }

  /** Of no leaves, the hash of nothing. */
  root(): Buffer {
    const hashes = this.roots.map(({ hash }) => hash);
    const last = hashes.pop();
    if (last === undefined) return createHash('sha256').digest();
    return hashes.reduceRight((right, left) => nodeHash(left, right), last);
  }
}

/** @param line of the export, without its line break */
export function leafHash(line: string): Buffer {
  return createHash('sha256').update(Buffer.of(0)).update(line).digest();
}

function nodeHash(left: Buffer, right: Buffer): Buffer {
  return createHash('sha256').update(Buffer.of(1)).update(left).update(right).digest();
}
