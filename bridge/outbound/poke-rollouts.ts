import type { Engine } from '../../adapters/engine/port.js';
import type { Claimed, Settled } from '../../store/outbox/outbox.js';
import type { Pool } from '../../store/db/pool.js';
import { markRolloutsStarted, openRollouts } from '../../store/rollouts/to-send.js';
import { rolloutTitle } from './process-titles.js';
import type { LeaseGuard } from '../rounds/lease-guard.js';

/** "At most one a second": what moves while a rollout was just told of it waits for the next one. */
const POKE_EVERY_MS = 1_000;

/** Whether the mark is for the process of a rollout; else it is for that of an installation. */
export function isRollout(claimed: Claimed): boolean {
  return claimed.detail === 'rollout';
}

/**
 * Has the processes of rollouts look again; one that does not run is started by it. Of those that have ended no process
 * needs to hear.
 */
export async function pokeRollouts(
  pool: Pool,
  engine: Engine,
  claimed: readonly Claimed[],
  now: () => number,
  guard?: LeaseGuard,
): Promise<Settled[]> {
  if (claimed.length === 0) return [];
  const open = await openRollouts(pool, claimed);
  const settled = await Promise.all(
    claimed.map(async (one): Promise<Settled> => {
      const known = open.get(one.subject);
      if (known === undefined) return { claimed: one };
      try {
        guard?.assert();
        const ref = { tenantId: one.tenantId, rolloutId: one.subject };
        await engine.poke(ref, rolloutTitle(ref, known.name));
        return { claimed: one, rest: now() + POKE_EVERY_MS };
      } catch (error) {
        return { claimed: one, error: (error as Error).message };
      }
    }),
  );
  const started = settled.filter((one) => one.error === undefined && open.get(one.claimed.subject)?.started === false);
  await markRolloutsStarted(
    pool,
    started.map((one) => one.claimed),
    guard?.fence,
  );
  return settled;
}
