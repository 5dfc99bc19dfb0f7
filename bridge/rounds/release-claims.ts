import type { Fence } from '../../store/db/leases.js';
import { releaseClaims, type Receiver } from '../../store/outbox/outbox.js';
import type { Pool } from '../../store/db/pool.js';

/**
 * A sender's rounds. Before its first one, and after one that failed in the middle (PostgreSQL went away between the
 * claim and the end), the claims without an active sender are freed: they would keep their rows from being sent for
 * half a minute, which is longer than a device may have to answer an offer.
 */
export function withReleasedClaims(
  pool: Pool,
  receiver: Receiver,
  fence: Fence,
  round: () => Promise<boolean>,
): () => Promise<boolean> {
  let isClean = false;
  return async () => {
    if (!isClean) await releaseClaims(pool, receiver, fence);
    isClean = false;
    const more = await round();
    isClean = true;
    return more;
  };
}
