import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { migrate } from '../../store/db/migrate.js';
import { openPool } from '../../store/db/pool.js';
import { STARTUP_PARAMETERS } from '../../store/db/pooler.js';
import { SchemaWatch } from '../../store/db/schema-watch.js';
import { asService } from '../../store/db/transaction.js';
import { read } from '../repo/files.js';
import { TestedPgBouncer } from '../support/pgbouncer.js';
import { TestedPostgres } from '../support/postgresql.js';
import { until } from '../support/until.js';

const LINE = `ignore_startup_parameters = ${STARTUP_PARAMETERS.join(',')}`;

let postgres: TestedPostgres;
let bouncer: TestedPgBouncer | undefined;
beforeAll(async () => {
  postgres = await TestedPostgres.start();
  await migrate(postgres.url);
}, 60_000);
afterEach(async () => {
  await bouncer?.close();
  bouncer = undefined;
});
afterAll(() => postgres.close());

/** Has a watch look at the schema through PgBouncer. @returns what a process with it writes into its log */
async function heard(...lines: string[]): Promise<string[]> {
  bouncer = await TestedPgBouncer.start(new URL(postgres.url), ...lines);
  const warnings: string[] = [];
  const pool = openPool({ databaseUrl: bouncer.url, name: 'pooled' });
  const watch = new SchemaWatch(pool, { info: () => undefined, warn: (sentence) => warnings.push(sentence) });
  try {
    await until('the schema fits', () => watch.reason === undefined);
    expect((await asService(pool, (tx) => tx.query<{ one: number }>('SELECT 1 AS one'))).rows).toEqual([{ one: 1 }]);
    return warnings;
  } finally {
    await watch.end();
    await pool.end();
  }
}

describe('Through PgBouncer in transaction mode', () => {
  it('a process says which line it lacks, and so does a migration', async () => {
    bouncer = await TestedPgBouncer.start(new URL(postgres.url));
    await expect(migrate(bouncer.url)).rejects.toThrow(
      `PgBouncer refuses connections of this service: its pgbouncer.ini needs the line "${LINE}"`,
    );
    const warnings: string[] = [];
    const pool = openPool({ databaseUrl: bouncer.url, name: 'refused' });
    const watch = new SchemaWatch(pool, { info: () => undefined, warn: (sentence) => warnings.push(sentence) });
    await until('the watch says so', () => warnings.length > 0);
    await watch.end();
    await pool.end();
    expect(warnings[0]).toContain(LINE);
  });

  it('it works with that line, and says that statements have no time limit, until the role has one', async () => {
    const without = await heard(LINE);
    expect(without).toEqual([
      expect.stringContaining('a pooler left statement_timeout and idle_in_transaction_session_timeout out'),
    ]);
    await bouncer?.close();
    // The remedy of the sentence
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    await client.query(/with: (.*;) \(docs/.exec(without[0]!)![1]!).finally(() => client.end());
    expect(await heard(LINE)).toEqual([]);
  });

  it('a process without a pooler has its limits and says nothing', async () => {
    const pool = openPool({ databaseUrl: postgres.url, name: 'direct' });
    const { rows } = await pool.query<{ statement_timeout: string }>('SHOW statement_timeout');
    await pool.end();
    expect(rows[0]?.statement_timeout).toBe('15s');
  });

  it('docs/production.md has the line', () => {
    expect(read('docs/production.md')).toContain(LINE);
  });
});
