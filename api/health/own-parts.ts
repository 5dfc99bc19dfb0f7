import { keptFor } from '../../runtime/health/kept.js';
import type { Part } from '../../runtime/health/parts.js';
import { BROKER_LEASE } from '../../store/db/heartbeat.js';
import { readHeldLeases } from '../../store/db/vitals.js';
import type { Services } from '../http/route.js';

/** A login is changed by hand. */
const WALL_KEPT_MS = 60_000;

/**
 * What each API can ask: PostgreSQL, the blob store, and by the leases that bridge and orchestrator renew every second,
 * whether these do their work, and whether the broker answers the bridge. Without database and blobs no request has an
 * answer; without the others the API takes requests, and the work begins when they are back.
 */
export function ownParts({ pool, blobs, wall }: Pick<Services, 'pool' | 'blobs' | 'wall'>): Part[] {
  // One transaction for the three of them.
  const leases = keptFor(0, () => readHeldLeases(pool));
  const held = (name: string, missing: string, { lease = name, askedOf = 'database' } = {}): Part => ({
    name,
    check: async () => ((await leases()).has(lease) ? undefined : missing),
    askedOf,
  });
  return [
    {
      name: 'database',
      check: async () => void (await pool.query('SELECT 1')),
      decides: true,
      ...(wall ? { remark: keptFor(WALL_KEPT_MS, wall) } : {}),
    },
    { name: 'blobs', check: () => blobs.probe(), decides: true },
    held('bridge', 'no bridge holds the lease: reports of devices wait in the broker'),
    held('orchestrator', 'no orchestrator holds the lease: installations do not go on'),
    held('mqtt', 'does not answer the bridge: devices are not reached', { lease: BROKER_LEASE, askedOf: 'bridge' }),
  ];
}
