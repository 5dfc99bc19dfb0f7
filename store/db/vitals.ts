import { IS_HELD } from './leases.js';
import { oneRow } from './one-row.js';
import type { Pool, Tx } from './pool.js';
import { asService } from './transaction.js';

/** @returns the leases that are held now, by name. Each process that works alone or in turns holds one. */
export async function readHeldLeases(pool: Pool): Promise<Set<string>> {
  const { rows } = await asService(pool, (tx) =>
    tx.query<{ name: string }>(`SELECT name FROM leases WHERE ${IS_HELD}`),
  );
  return new Set(rows.map((row) => row.name));
}

/** What a sentence adds where no orchestrator answers. */
export const NOTHING_MOVES = 'no orchestrator answers: nothing moves, and no deadline is judged, until one does';

/**
 * Whether there was an orchestrator and none answers now, for 5 s at least: it died, or is frozen. Where none was ever
 * seen, nothing is known.
 */
export async function isOrchestratorAway(tx: Tx): Promise<boolean> {
  const { rows } = await tx.query<{ held: boolean }>(
    `SELECT ${IS_HELD} AS held FROM leases WHERE name = 'orchestrator'`,
  );
  return rows[0]?.held === false;
}

/** What /metrics shows of the stored state. Ages are seconds; 0 where there is none. */
export interface Vitals {
  /** Of all tenants. What ended is not counted: it only grows, and counting it would cost more each day. */
  openInstallations: { state: string; count: number }[];
  /** Open ones whose deadline has passed, and for how long the first of them has waited to be judged. */
  overdue: { count: number; oldestSeconds: number };
  outbox: { receiver: string; depth: number; oldestSeconds: number; failing: number }[];
}

/** What an operator watches: how much is open, and whether receivers are kept up to date. */
export async function readVitals(pool: Pool): Promise<Vitals> {
  return asService(pool, async (tx) => {
    const open = await tx.query<{ state: string; count: number }>(
      'SELECT state, count(*)::int AS count FROM installations WHERE ended_at IS NULL GROUP BY state',
    );
    const overdue = await tx.query<{ count: number; oldest: number }>(
      `SELECT count(*)::int AS count, coalesce(extract(epoch FROM now() - min(due_at)), 0)::float8 AS oldest
        FROM installations WHERE ended_at IS NULL AND due_at < now()`,
    );
    const outbox = await tx.query<{ receiver: string; depth: number; oldest: number; failing: number }>(
      `SELECT receiver, count(*)::int AS depth, coalesce(extract(epoch FROM now() - min(due_at) FILTER (WHERE due_at <= now())), 0)::float8 AS oldest,
         (count(*) FILTER (WHERE attempts > 0))::int AS failing
       FROM outbox GROUP BY receiver`,
    );
    const { count, oldest } = oneRow(overdue.rows, 'the overdue installations');
    return {
      openInstallations: open.rows,
      overdue: { count, oldestSeconds: Math.max(0, oldest) },
      outbox: outbox.rows.map((row) => ({
        receiver: row.receiver,
        depth: row.depth,
        oldestSeconds: Math.max(0, row.oldest),
        failing: row.failing,
      })),
    };
  });
}
