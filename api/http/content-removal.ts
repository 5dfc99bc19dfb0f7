import { randomUUID } from 'node:crypto';
import type { BlobStore } from '../../adapters/blobs/port.js';
import type { Pool } from '../../store/db/pool.js';
import { beginRemoval, endRemoval, giveUpRemoval, readRemovable } from '../../store/fleet/removable-contents.js';

/** Of one round of housekeeping. */
const AT_MOST = 100;
/** A process that stood still for so long between its look and the removal looks again. */
const STALLED_MS = 60_000;

/**
 * Removes bytes from the blob store if no firmware of any tenant refers to them. The store may take a minute, and
 * PostgreSQL ends a transaction that idles for a quarter of that: so no lock is held meanwhile, but a row says that the
 * bytes may vanish, and an upload of the same bytes waits for it to go. A crash in the middle leaves the row, and the
 * next round goes on. Where the store fails, an upload waits no longer than what it did may still have an effect.
 * @returns whether they were removed.
 * @throws what the store threw
 */
export async function removeContent(pool: Pool, blobs: BlobStore, sha256: string): Promise<boolean> {
  const began = performance.now();
  const removal = randomUUID();
  if (!(await beginRemoval(pool, sha256, removal))) return false;
  if (performance.now() - began > STALLED_MS) return false;
  try {
    await blobs.remove(sha256);
  } catch (error) {
    await giveUpRemoval(pool, sha256, removal);
    throw error;
  }
  await endRemoval(pool, sha256, removal);
  return true;
}

/**
 * What is marked, some at a time. @returns how many were removed. @throws at the first that the store does not remove;
 * the next round begins with others.
 */
export async function removeMarkedContents(pool: Pool, blobs: BlobStore): Promise<number> {
  let removed = 0;
  for (const sha256 of await readRemovable(pool, AT_MOST)) if (await removeContent(pool, blobs, sha256)) removed += 1;
  return removed;
}
