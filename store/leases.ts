import type { Pool, Tx } from './pool.js';
import { asService } from './transaction.js';

/**
 * Takes or renews a lease. @returns the epoch under which `holder` holds it for `ttlMs` from now, or undefined where another one does.
 * The epoch rises with each change of holder: it fences whoever believes to hold a lease that is over.
 */
export async function holdLease(pool: Pool, name: string, holder: string, ttlMs: number): Promise<number | undefined> {
  return asService(pool, async (tx) => {
    const { rows } = await tx.query<{ epoch: string }>(
      `INSERT INTO leases AS l (name, holder, epoch, expires_at) VALUES ($1, $2, 1, now() + $3 * interval '1 millisecond')
       ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at,
         epoch = CASE WHEN l.holder = excluded.holder THEN l.epoch ELSE l.epoch + 1 END
       WHERE l.holder = excluded.holder OR l.expires_at < now()
       RETURNING epoch`,
      [name, holder, ttlMs],
    );
    return rows[0] ? Number(rows[0].epoch) : undefined;
  });
}

/** Gives a lease back at once, so that the next one need not wait for its end. */
export async function releaseLease(pool: Pool, name: string, holder: string): Promise<void> {
  await asService(pool, (tx) => tx.query(`UPDATE leases SET expires_at = now() - interval '1 second' WHERE name = $1 AND holder = $2`, [name, holder]));
}

/** A fence: the transaction goes on only if the lease is still held under this epoch, and nobody can take it before the commit. */
export interface Fence {
  name: string;
  holder: string;
  epoch: number;
}

/** @throws LeaseLost. The shared lock on the row makes a successor wait for this transaction's end. */
export async function assertLease(tx: Tx, fence: Fence): Promise<void> {
  const { rows } = await tx.query(`SELECT FROM leases WHERE name = $1 AND holder = $2 AND epoch = $3 FOR SHARE`, [fence.name, fence.holder, fence.epoch]);
  if (rows.length === 0) throw new LeaseLost(fence.name);
}

export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
  constructor(lease: string) {
    super(`the lease "${lease}" is held by another process now`);
  }
}
