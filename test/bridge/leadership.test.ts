import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Leadership } from '../../bridge/leader/leadership.js';
import { createLog } from '../../runtime/log.js';
import { holdLease, releaseLease } from '../../store/db/leases.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { createTestDatabase } from '../support/database.js';
import { until } from '../support/until.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('leadership');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

describe('A leader whose term is over', () => {
  it('D14 goes as a process where its work does not end, so that it does not hold up the lease of others for ever', async () => {
    let stuck = 0;
    let release: () => void = () => undefined;
    const hangs = new Promise<void>((resolve) => (release = resolve));
    let terms = 0;
    const leadership = new Leadership(
      pool,
      'bridge',
      'one',
      () => ((terms += 1), { end: () => hangs }),
      createLog('test', 'silent'),
      { limitMs: 500, stuck: () => void (stuck += 1) },
    );
    await until('it leads', () => terms === 1, 60_000);
    // Another process takes the lease between two of its renewals.
    await releaseLease(pool, 'bridge', 'one');
    await until(
      'another leads',
      async () => {
        const epoch = await holdLease(pool, 'bridge', 'two', 60_000);
        if (epoch === undefined) await releaseLease(pool, 'bridge', 'one');
        return epoch;
      },
      60_000,
    );
    await until('it goes', () => stuck === 1, 60_000);
    release();
    await leadership.end();
    expect([terms, stuck]).toEqual([1, 1]);
  }, 180_000);
});
