import { openCheckpoint, type Checkpoint } from './note.js';
import { leafHash, Tree } from './tree.js';

/** The first row that is not as it was sealed; `entry` is its number in the history. */
export interface BrokenRow {
  readonly entry: number;
  readonly because: 'changed' | 'removed' | 'inserted';
}

/** `broken`: a row, or a sentence where no single row can be named. */
export interface Verdict {
  readonly log: string;
  readonly first: number;
  readonly last: number;
  readonly broken?: BrokenRow | string;
}

/** What `GET /v1/audit/export?form=proof` writes, beside the entries themselves. */
interface Row {
  readonly log?: string;
  readonly first?: number;
  readonly last?: number;
  readonly left?: readonly string[];
  readonly entry?: number;
  readonly leaf?: string;
  readonly missing?: true;
  readonly leaves?: readonly string[];
  readonly checkpoint?: string;
}

/** What a verifier trusts besides: the key, and a checkpoint that was kept elsewhere. */
export interface Trusted {
  /** `name+hash+key`. */
  readonly verifierKey: string;
  /** A note of before, where one was kept. */
  readonly kept?: string;
}

/**
 * Checks an export with its proof (docs/audit.md, "How others verify it") and names the first row that was changed,
 * removed or inserted. Reads it once, and keeps 256 rows at most.
 */
export async function verifyExport(lines: AsyncIterable<string>, { verifierKey, kept }: Trusted): Promise<Verdict> {
  const checker = new Checker(verifierKey, kept);
  for await (const line of lines) {
    if (line === '') continue;
    const verdict = checker.read(line);
    if (verdict !== undefined) return verdict;
  }
  return checker.cut();
}

class Checker {
  private header: { log: string; first: number; last: number } | undefined;
  private tree: Tree | undefined;
  private readonly older: Checkpoint | string | undefined;
  private olderRoot: Buffer | undefined;
  private next = 0;
  /** Rows since the last leaves: their hash as they are now. */
  private block: { entry: number; hash: Buffer | undefined }[] = [];
  private firstBroken: BrokenRow | undefined;

  constructor(
    private readonly verifierKey: string,
    kept: string | undefined,
  ) {
    this.older = kept === undefined ? undefined : openCheckpoint(kept, verifierKey);
  }

  /** @returns a verdict once it is known */
  read(line: string): Verdict | undefined {
    const row = parsed(line);
    if (row === undefined) return this.says(`the line behind entry ${this.next - 1} is not JSON`);
    if (this.tree === undefined) return this.begin(row);
    if (row.leaves !== undefined) return this.compare(row.leaves, row.first ?? 0);
    if (row.checkpoint !== undefined) return this.close(row.checkpoint);
    return this.take(row, line);
  }

  /** The export ended without its checkpoint. */
  cut(): Verdict {
    return this.says('it ends before its checkpoint: it was cut off, or entries at its end were removed');
  }

  private begin({ log, first, last, left }: Row): Verdict | undefined {
    if (log === undefined || first === undefined || last === undefined || left === undefined)
      return this.says('it does not begin with the line that names the tree: export it with --proof');
    this.header = { log, first, last };
    this.next = first;
    this.tree = new Tree(first - 1, left.map(hashOf));
    this.note();
    return undefined;
  }

  private take(row: Row, line: string): Verdict | undefined {
    const { entry } = row;
    if (entry === undefined) return this.says(`the line behind entry ${this.next - 1} is no entry`);
    // Numbers have no gaps: one that is left out was removed, one too many was put in.
    if (entry > this.next) return this.says({ entry: this.next, because: 'removed' });
    if (entry < this.next) return this.says({ entry, because: 'inserted' });
    const hash = row.missing ? undefined : row.leaf === undefined ? leafHash(line) : hashOf(row.leaf);
    this.block.push({ entry, hash });
    this.next += 1;
    return undefined;
  }

  private compare(leaves: readonly string[], first: number): Verdict | undefined {
    const { tree, block } = this;
    const [begin] = block;
    if (tree === undefined || (begin?.entry ?? this.next) !== first)
      return this.says(`the leaves from entry ${first} on stand in the wrong place`);
    for (const [index, leaf] of leaves.map(hashOf).entries()) {
      const row = block[index];
      if (row === undefined) return this.says({ entry: first + index, because: 'removed' });
      if (row.hash === undefined) this.firstBroken ??= { entry: row.entry, because: 'removed' };
      else if (!row.hash.equals(leaf)) this.firstBroken ??= { entry: row.entry, because: 'changed' };
      tree.add(row.hash ?? leaf);
      this.note();
    }
    const extra = block[leaves.length];
    if (extra !== undefined) return this.says({ entry: extra.entry, because: 'inserted' });
    this.block = [];
    return undefined;
  }

  private close(text: string): Verdict {
    const { tree, header, older, block } = this;
    const [unbound] = block;
    if (unbound !== undefined) return this.says({ entry: unbound.entry, because: 'inserted' });
    if (this.firstBroken !== undefined) return this.says(this.firstBroken);
    const signed = openCheckpoint(text, this.verifierKey);
    if (typeof signed === 'string') return this.says(signed);
    if (tree === undefined || header === undefined || signed.size !== tree.size)
      return this.says(`the checkpoint is over ${signed.size} entries, and the file ends with ${tree?.size ?? 0}`);
    if (!signed.root.equals(tree.root())) return this.says('its tree is not the one that was signed');
    if (typeof older === 'string') return this.says(`the checkpoint that was kept: ${older}`);
    if (older !== undefined && this.olderRoot === undefined)
      return this.says(`the file does not reach the kept checkpoint of size ${older.size}: export more of it`);
    if (older !== undefined && !this.olderRoot?.equals(older.root))
      return this.says(`the first ${older.size} entries are not those of the kept checkpoint: history was rewritten`);
    return { ...header };
  }

  /** Where the tree has the size of the kept checkpoint, its root is kept for the comparison. */
  private note(): void {
    if (typeof this.older === 'object' && this.tree?.size === this.older.size) this.olderRoot = this.tree.root();
  }

  private says(broken: BrokenRow | string): Verdict {
    const { log = '', first = 0, last = 0 } = this.header ?? {};
    // Of two faults the first one is named.
    const earlier = this.firstBroken;
    const isEarlier = earlier !== undefined && (typeof broken === 'string' || earlier.entry < broken.entry);
    return { log, first, last, broken: isEarlier ? earlier : broken };
  }
}

function parsed(line: string): Row | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function hashOf(text: string): Buffer {
  return Buffer.from(text, 'base64');
}
