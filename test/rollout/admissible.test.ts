import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { openPool, type Pool } from '../../store/db/pool.js';
import { createTestDatabase } from '../support/database.js';
import { until } from '../support/until.js';
import { Story } from './story.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('admissible targets');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

it('A child that comes online while its gateway goes is not admissible: it is judged after the lock, not before', async () => {
  const story = await Story.given(pool, { online: 1 });
  const [gateway] = story.devices;
  const child = await story.facts.device(gateway, false);
  await story.creates({ targets: { deviceIds: [child] } });
  const other = await pool.connect();
  await other.query('BEGIN');
  await other.query(`SELECT FROM rollout_targets WHERE device_id = $1 FOR NO KEY UPDATE`, [child]);
  await other.query(`UPDATE devices SET online = false WHERE id = $1`, [gateway]);
  const comes = story.comesOnline(child);
  await until('the hello waits for the lock', async () => {
    const { rows } = await pool.query(
      `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
    );
    return rows.length > 0;
  });
  await other.query('COMMIT');
  other.release();
  await comes;
  expect(await story.facts.sql(`SELECT admissible FROM rollout_targets WHERE device_id = $1`, [child])).toEqual([
    { admissible: false },
  ]);
});
