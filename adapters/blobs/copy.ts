import { createHash } from 'node:crypto';
import type { BlobStore } from './port.js';

/** What the facts say of a blob. */
export interface Content {
  readonly sha256: string;
  readonly size: number;
}

/** Of bytes in a store. `damaged`: they are there, and their size or digest is another. */
export type Condition = 'good' | 'missing' | 'damaged';

/** Reads all of it. The length alone costs one request, so it is asked first. */
export async function conditionOf(store: BlobStore, { sha256, size }: Content): Promise<Condition> {
  const found = await store.stat(sha256);
  if (!found) return 'missing';
  if (found.size !== size) return 'damaged';
  const bytes = await store.open(sha256);
  if (!bytes) return 'missing';
  const hash = createHash('sha256');
  for await (const chunk of bytes) hash.update(chunk as Buffer);
  return hash.digest('hex') === sha256 ? 'good' : 'damaged';
}

/**
 * A `commit` that may be called again. Bytes that are there already are read and hashed once, for each upload: a
 * damaged blob is healed by it. After that their length is enough.
 * @param publish is told whether the bytes under the address are known to be the right ones.
 */
export function publishing(publish: (isKnown: boolean) => Promise<void>): () => Promise<void> {
  let isKnown = false;
  return async () => {
    await publish(isKnown);
    isKnown = true;
  };
}

/**
 * What became of one blob. `there`: the target has it already, by its length. `missing` and `damaged` are the source's;
 * the target was left as it was.
 */
export type Copied = 'copied' | 'there' | 'missing' | 'damaged';

/**
 * Copies one blob, hashing on the way: only the right bytes appear in the target. May be broken off and called again at
 * any time.
 * @param thorough a blob that the target has already is read and hashed as well, and replaced where it is wrong.
 */
export async function copyBlob(from: BlobStore, to: BlobStore, content: Content, thorough = false): Promise<Copied> {
  const { sha256, size } = content;
  if (thorough ? (await conditionOf(to, content)) === 'good' : (await to.stat(sha256))?.size === size) return 'there';
  const bytes = await from.open(sha256);
  if (!bytes) return 'missing';
  const received = await to.receive(bytes as AsyncIterable<Uint8Array>);
  try {
    if (received.sha256 !== sha256) return 'damaged';
    // Wrong bytes of the right length would count as the same ones.
    if (thorough) await to.remove(sha256);
    await received.commit();
    return 'copied';
  } finally {
    await received.discard();
  }
}
