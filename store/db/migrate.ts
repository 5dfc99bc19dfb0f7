import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { oneRow } from './one-row.js';
import { refusedByPooler } from './pooler.js';
import { assertRights, lackingConnect } from './rights.js';
import { MIGRATIONS_FOLDER, migrationNames, misfit, readSchema, type Schema } from './schema-fit.js';
import { isOfOneRow } from './sqlstates.js';

/**
 * The one that the library took which ran the first migrations, so that a version that still has it waits for this one,
 * and this one for it.
 */
const ADVISORY_LOCK = '3853314791062309107';
const CONNECT_TIMEOUT_MS = 10_000;
/** A process that stalls in the middle keeps the tables locked that it has changed: PostgreSQL ends it. */
const STALLED_MS = 15_000;

/** How long a migration waits for tables that others use; the defaults are for a service at work. */
export interface MigrationWaits {
  /**
   * Milliseconds for one lock. Every statement on a table waits behind a migration that waits for it; so it is
   * less than a person would notice, and as long as the bridge waits for a row.
   */
  readonly lockMs?: number;
  /** Milliseconds between two tries, in which those who waited have their turn. */
  readonly pauseMs?: number;
  /** Milliseconds after which it is given up, with a sentence. */
  readonly giveUpMs?: number;
}

/**
 * Brings the schema up to date. Safe to call from several processes at once: one runs and the others wait. An empty
 * database gets all migrations in one transaction; otherwise each has its own, so that none keeps the locks of the one
 * before it.
 * @param upTo the last migration to run, for a database that is to have the schema of an older version for now; by
 * default all of them.
 * @returns the names of those that ran here.
 * @throws a sentence where the user lacks a right (rights.ts), or the schema is of a newer Slipway on which this one
 * cannot run; when a migration fails, PostgreSQL's own message and the file's name.
 */
export async function migrate(databaseUrl: string, upTo?: string, waits: MigrationWaits = {}): Promise<string[]> {
  const known = await migrationNames();
  const wanted = upTo === undefined ? known : known.slice(0, known.indexOf(upTo) + 1);
  if (wanted.length === 0) throw new Error(`there is no migration "${upTo}"`);
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'slipway-migrate',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: STALLED_MS,
  });
  // It may break between two statements; what is asked next says so.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const pending = await lookFirst(client, wanted);
    if (upTo === undefined && pending.length === 0) return [];
    return await runAll(client, wanted, waits);
  } catch (error) {
    const refused = refusedByPooler(error);
    throw lackingConnect(error, databaseUrl) ?? (refused === undefined ? error : new Error(refused, { cause: error }));
  } finally {
    await client.end();
  }
}

/** @returns the migrations that a database lacks, by what it says now; all of them where it says nothing yet. */
export async function pendingMigrations(databaseUrl: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await lookFirst(client, await migrationNames());
  } finally {
    await client.end();
  }
}

/** Without a lock. The rights are looked at before they are needed. @throws as `migrate` does. */
async function lookFirst(client: pg.Client, wanted: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ is_readable: boolean | null }>(
    `SELECT has_table_privilege(to_regclass('kysely_migration'), 'SELECT') AS is_readable`,
  );
  // Not there yet; or not this user's, which its rights will say.
  if (rows[0]?.is_readable !== true) {
    await assertRights(client, { migrates: true });
    return [...wanted];
  }
  const pending = pendingOf(wanted, await readSchema(client));
  await assertRights(client, { migrates: pending.length > 0 });
  return pending;
}

/** @throws a sentence where the schema has gone another way than this version's migrations, or too far for it. */
function pendingOf(wanted: readonly string[], schema: Schema): string[] {
  const { applied } = schema;
  const ran = new Set(applied);
  const pending = wanted.filter((name) => !ran.has(name));
  const [first] = pending;
  const last = applied.at(-1);
  if (first !== undefined && last !== undefined && last > first)
    throw new Error(
      `the database is of another line of Slipway: its schema has "${last}", but not "${first}", which comes before that. Use the version that made it, or restore a backup (docs/upgrade.md)`,
    );
  const unfit = pending.length === 0 && applied.length > 0 ? misfit(wanted, schema) : undefined;
  if (unfit !== undefined) throw new Error(unfit);
  return pending;
}

async function runAll(client: pg.Client, wanted: readonly string[], waits: MigrationWaits): Promise<string[]> {
  const ran: string[] = [];
  for (;;) {
    const now = await whenFree(client, () => inTransaction(client, () => runNext(client, wanted, waits)), waits);
    if (now.length === 0) return ran;
    ran.push(...now);
  }
}

/** Again and again until the tables are free for a moment. What was done of a migration until then is undone. */
async function whenFree<T>(client: pg.Client, work: () => Promise<T>, waits: MigrationWaits): Promise<T> {
  const { pauseMs = 1_000, giveUpMs = 120_000 } = waits;
  const began = performance.now();
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const { cause } = error as { cause?: unknown };
      if (!isOfOneRow(cause)) throw error;
      if (performance.now() - began > giveUpMs)
        throw new Error(`${(error as Error).message}. ${await oldestTransaction(client)}`, { cause });
    }
    // Not always the same moment, or it may always be the same moment of what others do.
    await sleep(pauseMs * (0.5 + Math.random()));
  }
}

async function inTransaction<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN');
  try {
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // The connection may be what broke; what is asked next says so.
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** @returns what ran: nothing where nothing is left to do, all where there were no tables yet, else the next one. */
async function runNext(
  client: pg.Client,
  wanted: readonly string[],
  { lockMs = 1_000 }: MigrationWaits,
): Promise<string[]> {
  // Migrators alone wait in this queue, so it has no time limit: the one in front may work for long.
  await client.query('SELECT pg_advisory_xact_lock($1::bigint)', [ADVISORY_LOCK]);
  const schema = await readSchema(client);
  const pending = pendingOf(wanted, schema);
  const isEmpty = schema.applied.length === 0;
  const now = isEmpty ? pending : pending.slice(0, 1);
  if (isEmpty)
    await client.query(
      'CREATE TABLE IF NOT EXISTS kysely_migration (name varchar(255) PRIMARY KEY, timestamp varchar(255) NOT NULL)',
    );
  else await client.query(`SELECT set_config('lock_timeout', $1, true)`, [String(Math.ceil(lockMs))]);
  for (const name of now) await runOne(client, name);
  return now;
}

async function runOne(client: pg.Client, name: string): Promise<void> {
  const text = await readFile(new URL(`${name}.sql`, MIGRATIONS_FOLDER), 'utf8');
  try {
    await client.query(text);
    await client.query(
      `INSERT INTO kysely_migration (name, timestamp)
        VALUES ($1, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))`,
      [name],
    );
  } catch (error) {
    throw new Error(
      `the database schema could not be brought up to date (${name}): ${String((error as Error).message ?? error)}`,
      { cause: error },
    );
  }
}

/** What an operator looks at where a table never becomes free. */
async function oldestTransaction(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ pid: number; name: string; seconds: number }>(
    `SELECT pid, application_name AS name, extract(epoch FROM now() - xact_start)::int AS seconds FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
      ORDER BY xact_start LIMIT 1`,
  );
  if (rows.length === 0) return 'No other transaction is open now: run it again';
  const { pid, name, seconds } = oneRow(rows, 'the oldest transaction');
  return `The oldest open transaction is that of process ${pid} of PostgreSQL ("${name}"), for ${seconds} s: end it, or wait for it, and run this again`;
}
