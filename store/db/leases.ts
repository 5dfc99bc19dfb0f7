import type { Pool, Tx } from './pool.js';
import { asService } from './transaction.js';

/**
 * Whether a row of `leases` is one that is held, in SQL. One that ends further ahead than its own length was written
 * while PostgreSQL's clock was ahead, and is none. The clock is read when the row is: a transaction that began before
 * the renewal would take it for one from the future.
 */
export const IS_HELD = 'expires_at > clock_timestamp() AND expires_at <= clock_timestamp() + length';

/**
 * Takes or renews a lease. @returns the epoch under which `holder` holds it for `ttlMs` from now, or undefined where
 * another one does. The epoch rises with each change of holder: it fences a process that believes to hold a lease that
 * is over.
 *
 * Renewing waits for no lock: it changes no key, so it does not meet the key-share locks of fenced transactions, which
 * under load never all end at the same moment. Taking over waits for them: what the old holder began under its epoch is
 * committed, or is not, before.
 */
export async function holdLease(pool: Pool, name: string, holder: string, ttlMs: number): Promise<number | undefined> {
  return asService(pool, async (tx) => {
    const length = `$3 * interval '1 millisecond'`;
    const renewed = await tx.query<{ epoch: string }>(
      `UPDATE leases SET expires_at = now() + ${length}, length = ${length} WHERE name = $1 AND holder = $2 RETURNING epoch`,
      [name, holder, ttlMs],
    );
    if (renewed.rows[0]) return Number(renewed.rows[0].epoch);
    const made = await tx.query<{ epoch: string }>(
      `INSERT INTO leases (name, holder, epoch, expires_at, length) VALUES ($1, $2, 1, now() + ${length}, ${length})
        ON CONFLICT DO NOTHING
        RETURNING epoch`,
      [name, holder, ttlMs],
    );
    if (made.rows[0]) return Number(made.rows[0].epoch);
    const over = await tx.query(`SELECT FROM leases WHERE name = $1 AND NOT (${IS_HELD}) FOR UPDATE`, [name]);
    if (over.rowCount === 0) return undefined;
    // Counted from here: the wait for the lock may have used up the time from the transaction's beginning.
    const taken = await tx.query<{ epoch: string }>(
      `UPDATE leases SET holder = $2, epoch = epoch + 1, expires_at = clock_timestamp() + ${length},
        length = ${length}
        WHERE name = $1 RETURNING epoch`,
      [name, holder, ttlMs],
    );
    return taken.rows[0] && Number(taken.rows[0].epoch);
  });
}

/** Gives a lease back at once, so that the next one need not wait for its end. */
export async function releaseLease(pool: Pool, name: string, holder: string): Promise<void> {
  await asService(pool, (tx) =>
    tx.query(`UPDATE leases SET expires_at = now() - interval '1 second' WHERE name = $1 AND holder = $2`, [
      name,
      holder,
    ]),
  );
}

/**
 * A fence: the transaction goes on only if the lease is still held under this epoch, and no other process can take it
 * before the commit.
 */
export interface Fence {
  name: string;
  holder: string;
  epoch: number;
}

/**
 * A holder that stalls between two statements (a stopped process, a lost network) must not keep its successor out for
 * longer.
 */
const STALLED_MS = 3_000;

/**
 * @throws LeaseLost. The lock on the row makes a successor wait for this transaction's end, which PostgreSQL forces
 * where its holder stalls.
 */
export async function assertLease(tx: Tx, fence: Fence): Promise<void> {
  const { rowCount } = await tx.query(
    `SELECT set_config('idle_in_transaction_session_timeout', '${STALLED_MS}', true) FROM leases WHERE name = $1
      AND holder = $2 AND epoch = $3 FOR KEY SHARE`,
    [fence.name, fence.holder, fence.epoch],
  );
  if (rowCount === 0) throw new LeaseLost(fence.name);
}

/** Another process holds the lease now. What this one began must be given up, not tried again. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
  constructor(lease: string) {
    super(`the lease "${lease}" is held by another process now`);
  }
}
