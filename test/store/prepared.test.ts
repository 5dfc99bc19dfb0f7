import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asService } from '../../store/db/transaction.js';
import { createTestDatabase } from '../support/database.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;

beforeAll(async () => {
  database = await createTestDatabase('prepared statements');
  // One connection, so that what a test sees of it is what the statement before ran on.
  pool = openPool({ databaseUrl: database.url, name: 'test', max: 1 });
  await pool.query(
    `CREATE TABLE things (name text); INSERT INTO things VALUES ('1'); GRANT SELECT ON things TO slipway_worker`,
  );
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const preparedNow = async () =>
  (await pool.query<{ statement: string }>('SELECT statement FROM pg_prepared_statements')).rows.map(
    (row) => row.statement,
  );
const named = (name: string) => asService(pool, (tx) => tx.query('SELECT * FROM things WHERE name::text = $1', [name]));

describe('A statement with parameters', () => {
  it('is prepared once it comes again, and once per connection, however often it runs', async () => {
    expect((await named('1')).rows).toEqual([{ name: '1' }]);
    expect((await preparedNow()).filter((text) => text.includes('FROM things'))).toEqual([]);
    for (let run = 0; run < 5; run += 1) expect((await named('1')).rows).toEqual([{ name: '1' }]);
    expect((await preparedNow()).filter((text) => text.includes('FROM things'))).toHaveLength(1);
  });

  it('is not prepared where it reads a page of a list, which is put together for one request', async () => {
    await asService(pool, (tx) => tx.query('SELECT name FROM things ORDER BY name OFFSET $1', [0]));
    expect((await preparedNow()).filter((text) => text.includes('OFFSET'))).toEqual([]);
  });

  it('continues after a migration changed the type of a column that it answers with', async () => {
    for (let run = 0; run < 5; run += 1) await named('1');
    await pool.query('ALTER TABLE things ALTER COLUMN name TYPE integer USING name::integer');
    expect((await named('1')).rows).toEqual([{ name: 1 }]);
  });

  it('continues, unprepared, behind a pooler that gave its connection to another client meanwhile', async () => {
    await named('1');
    for (let run = 0; run < 5; run += 1) await named('1');
    await pool.query('DEALLOCATE ALL');
    expect((await named('1')).rows).toEqual([{ name: 1 }]);
    expect((await named('1')).rows).toEqual([{ name: 1 }]);
    expect(await preparedNow()).toEqual([]);
  });
});
