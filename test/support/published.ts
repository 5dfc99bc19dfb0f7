import type { Pool } from '../../store/db/pool.js';
import { asService } from '../../store/db/transaction.js';
import { writePublished } from '../../store/outbox/publications.js';

/** What the bridge notes before it publishes the first document of a device's firmware slot under a node. */
export function published(pool: Pool, deviceId: string, node: string): Promise<void> {
  return asService(pool, (tx) =>
    writePublished(tx, [{ tenantId: 'default', deviceId, slot: 'firmware', node, revision: 1 }]),
  );
}
