import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { migrate } from '../../store/db/migrate.js';

export interface TestDatabase {
  url: string;
  /** Also while clients are still connected. */
  drop(): Promise<void>;
}

/**
 * A database of its own, with the whole schema, in the server of the run (global-setup.js). Its name tells whose it is.
 * @param upTo the last migration that it has; absent = all of them
 */
export async function createTestDatabase(title: string, upTo?: string): Promise<TestDatabase> {
  const admin = process.env['SLIPWAY_TEST_DATABASE_URL'];
  if (admin === undefined)
    throw new Error(
      'SLIPWAY_TEST_DATABASE_URL is missing: run the tests with jest, whose global set-up starts a PostgreSQL',
    );
  // PostgreSQL cuts names at 63 bytes.
  const name = `${title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .slice(0, 50)}_${randomBytes(4).toString('hex')}`;
  await run(admin, `create database ${pg.escapeIdentifier(name)}`);
  const url = new URL(admin);
  url.pathname = `/${name}`;
  await migrate(url.href, upTo);
  return { url: url.href, drop: () => run(admin, `drop database if exists ${pg.escapeIdentifier(name)} with (force)`) };
}

async function run(databaseUrl: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
  try {
    await client.connect();
    await client.query(statement);
  } finally {
    await client.end();
  }
}
