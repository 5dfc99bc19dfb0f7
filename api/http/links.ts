import type { Sign } from '../../protocol/http/download-links.js';
import { readLinkSigner } from '../../store/fleet/downloads.js';
import type { Pool } from '../../store/db/pool.js';
import { asService } from '../../store/db/transaction.js';

/**
 * How long a link that the API gives out may wait for its download to begin: long enough to paste it, too short to pass
 * it around.
 */
export const LINK_LIFETIME_MS = 5 * 60_000;

/**
 * Reads the key of the links once: it never changes, and a tampered link shall not cost a query. A failure is not kept.
 */
export function linkSigner(pool: Pool): () => Promise<Sign> {
  let known: Sign | undefined;
  return async () => (known ??= await asService(pool, readLinkSigner));
}
