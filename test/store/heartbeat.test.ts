import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { Heartbeat } from '../../store/db/heartbeat.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { readHeldLeases } from '../../store/db/vitals.js';
import { createTestDatabase } from '../support/database.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('store_heartbeat');
  pool = openPool({ databaseUrl: database.url, name: 'heartbeat-test', max: 3 });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

async function becomes(held: boolean, name: string): Promise<void> {
  const until = Date.now() + 5_000;
  while ((await readHeldLeases(pool)).has(name) !== held) {
    if (Date.now() > until) throw new Error(`the lease "${name}" did not become ${held ? 'held' : 'free'}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('a heartbeat', () => {
  it('shows that at least one of several processes runs, until the last one ends', async () => {
    const fail = (error: unknown): never => {
      throw error;
    };
    const [one, other] = [
      new Heartbeat(pool, 'orchestrator', 'one', fail),
      new Heartbeat(pool, 'orchestrator', 'other', fail),
    ];
    await becomes(true, 'orchestrator');
    await one.end();
    await becomes(true, 'orchestrator'); // within a beat of the other
    await other.end();
    await becomes(false, 'orchestrator');
  });
});
