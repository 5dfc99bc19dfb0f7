import { readdir, readFile } from 'node:fs/promises';
import type { Migration } from 'kysely';
import pg from 'pg';
import { assertRights, lackingConnect } from './rights.js';

const FOLDER = new URL('../sql/', import.meta.url);

/**
 * Brings the schema up to date. Safe to call from several processes at once: the migrator holds an advisory lock, one
 * runs and the others wait. A migration runs in one transaction with all that come after it: all or none.
 * @param upTo the last migration to run, for a database that is to have the schema of an older version for now; by
 * default all of them.
 * @throws a sentence where the user lacks a right (rights.ts), or the schema is of a newer Slipway; when a migration
 * fails, PostgreSQL's own message and the file's name.
 */
export async function migrate(databaseUrl: string, upTo?: string): Promise<void> {
  if (await isUpToDate(databaseUrl, upTo)) return;
  const { Kysely, Migrator, PostgresDialect } = await import('kysely');
  const db = new Kysely<unknown>({
    dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: databaseUrl, max: 2 }) }),
  });
  try {
    const migrator = new Migrator({ db, provider: { getMigrations: readMigrations } });
    const { error, results } = await (upTo === undefined ? migrator.migrateToLatest() : migrator.migrateTo(upTo));
    if (error) {
      const failed = results?.find((result) => result.status === 'Error')?.migrationName ?? 'the migrator itself';
      throw new Error(
        `the database schema could not be brought up to date (${failed}): ${String((error as Error).message ?? error)}`,
        { cause: error },
      );
    }
  } finally {
    await db.destroy();
  }
}

/**
 * Looked at first, and without the migrator: it takes 15 MB in a process that lives long, and mostly there is nothing
 * to do.
 */
async function isUpToDate(databaseUrl: string, upTo: string | undefined): Promise<boolean> {
  const client = new pg.Client({ connectionString: databaseUrl });
  // It may break between two statements; what is asked next says so.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const isLatest = upTo === undefined && (await hasAllMigrations(client));
    await assertRights(client, { migrates: !isLatest });
    return isLatest;
  } catch (error) {
    throw lackingConnect(error, databaseUrl) ?? error;
  } finally {
    await client.end();
  }
}

/** @throws a sentence where there are migrations that this version does not know: it would misread their tables. */
async function hasAllMigrations(client: pg.Client): Promise<boolean> {
  const known = await client.query<{ is_readable: boolean | null }>(
    `SELECT has_table_privilege(to_regclass('kysely_migration'), 'SELECT') AS is_readable`,
  );
  // Not there yet; or not this user's, which its rights will say.
  if (known.rows[0]?.is_readable !== true) return false;
  const done = await client.query<{ name: string }>('SELECT name FROM kysely_migration ORDER BY name');
  const names = await migrationNames();
  const unknown = done.rows.find((row) => !names.includes(row.name));
  if (unknown)
    throw new Error(
      `the database is of a newer Slipway: its schema has "${unknown.name}", which this one does not know. Start the newer one, or restore a backup (docs/operations.md, "Upgrade")`,
    );
  return done.rows.length === names.length;
}

/** Of all migrations that there are, in their order. */
export async function migrationNames(): Promise<string[]> {
  return (await sqlFiles()).map((name) => name.replace(/\.sql$/, ''));
}

async function sqlFiles(): Promise<string[]> {
  return (await readdir(FOLDER)).filter((name) => /^\d{4}-.*\.sql$/.test(name)).sort();
}

async function readMigrations(): Promise<Record<string, Migration>> {
  const { sql } = await import('kysely');
  const names = await sqlFiles();
  const migrations: Record<string, Migration> = {};
  for (const name of names) {
    const text = await readFile(new URL(name, FOLDER), 'utf8');
    migrations[name.replace(/\.sql$/, '')] = { up: async (db) => void (await sql.raw(text).execute(db)) };
  }
  return migrations;
}
