import { oneRow } from './one-row.js';
import type { Readable } from 'node:stream';
import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';

/** A table of a snapshot, with the columns in the order of its rows. */
export interface SnapshotTable {
  readonly name: string;
  readonly columns: readonly string[];
}

/** A counter behind a column that numbers rows by itself. null: it was never asked. */
export interface SnapshotSequence {
  readonly table: string;
  readonly column: string;
  readonly value: string | null;
}

/** What the facts say of the bytes that ready firmware refers to. */
export interface ReadyContent {
  readonly sha256: string;
  readonly size: number;
  /** One of the firmwares, as people name it. */
  readonly firmware: string;
}

/** Every fact at one moment. JSON-safe: it is written beside the rows. */
export interface SnapshotAbout {
  /** RFC 3339. */
  readonly at: string;
  readonly postgres: string;
  /** Which migrations made the schema, in their order. */
  readonly migrations: readonly string[];
  /** What is referred to comes before what refers to it. */
  readonly tables: readonly SnapshotTable[];
  readonly sequences: readonly SnapshotSequence[];
}

/** Open only while its transaction is: all tables are read as they were at one moment. */
export interface Snapshot {
  readonly about: SnapshotAbout;
  readonly contents: readonly ReadyContent[];
  /**
   * The rows in PostgreSQL's text format for COPY, the same in each version. One table at a time, each read to its end.
   */
  readonly read: (table: SnapshotTable) => Readable & { rowCount: number };
}

const CONNECT_TIMEOUT_MS = 10_000;
/** For one table: an hour moves some hundred million rows. What takes longer hangs. */
const TABLE_LIMIT_MS = 60 * 60_000;

/** As the owner of the database, on a connection of its own: the pools' statements end after seconds. */
export async function asOwner<T>(databaseUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'slipway-admin',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: TABLE_LIMIT_MS,
  });
  // A connection that breaks also fails the statement under way; without a listener it would end the process.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/**
 * Calls `work` with all facts as they are at one moment, while others go on writing: one REPEATABLE READ transaction.
 * PostgreSQL keeps old versions of rows for as long as it lasts, so long work belongs behind it.
 * @throws a sentence where the database is not Slipway's, or does not show this user everything.
 */
export async function inSnapshot<T>(databaseUrl: string, work: (snapshot: Snapshot) => Promise<T>): Promise<T> {
  return asOwner(databaseUrl, async (client) => {
    await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    await assertSeesAll(client);
    const about = await describe(client);
    const result = await work({
      about,
      contents: await readyContents(client),
      read: (table) =>
        client.query(copyTo(`COPY (SELECT ${columnList(table)} FROM ${pg.escapeIdentifier(table.name)}) TO STDOUT`)),
    });
    await client.query('COMMIT');
    return result;
  });
}

/**
 * Contents of all tenants that a ready firmware refers to: what a blob store must have. @throws as `inSnapshot` does.
 */
export function readReadyContents(databaseUrl: string): Promise<ReadyContent[]> {
  return asOwner(databaseUrl, async (client) => {
    await assertSeesAll(client);
    return readyContents(client);
  });
}

interface ContentRow {
  /** @narrowed a CHECK of the table: what is ready has its hash */
  sha256: string;
  size: string;
  firmware: string;
}

async function readyContents(client: pg.Client): Promise<ReadyContent[]> {
  const { rows } = await client.query<ContentRow>(
    `SELECT sha256, max(size) AS size, min(concat_ws(' ', name, version)) AS firmware FROM firmwares
      WHERE state = 'ready' GROUP BY sha256 ORDER BY sha256`,
  );
  return rows.map((row) => ({ ...row, size: Number(row.size) }));
}

/** The columns, each quoted, as COPY takes them. */
export function columnList({ columns }: SnapshotTable): string {
  return columns.map((name) => pg.escapeIdentifier(name)).join(', ');
}

/** Row-level security leaves rows out in silence: a backup without them would look like one. */
async function assertSeesAll(client: pg.Client): Promise<void> {
  const { rows: found } = await client.query<{ there: boolean }>(
    `SELECT to_regclass('kysely_migration') IS NOT NULL AND to_regclass('installations') IS NOT NULL AS there`,
  );
  if (!oneRow(found, 'whether the tables are there').there)
    throw new Error("this database has none of Slipway's tables: is DATABASE_URL the right one?");
  const { rows: users } = await client.query<{ name: string; sees: boolean }>(
    `SELECT rolname AS name, rolsuper OR rolbypassrls OR pg_has_role(rolname, 'slipway_worker', 'USAGE') AS sees
      FROM pg_roles WHERE rolname = current_user`,
  );
  const user = oneRow(users, 'the role of this connection');
  if (!user.sees)
    throw new Error(
      `the database user "${user.name}" does not see the rows of all tenants: use the one with which Slipway connects`,
    );
}

async function describe(client: pg.Client): Promise<SnapshotAbout> {
  const { rows } = await client.query<{ at: Date; postgres: string }>(
    `SELECT now() AS at, current_setting('server_version') AS postgres`,
  );
  const { at, postgres } = oneRow(rows, 'the time and version of PostgreSQL');
  const migrations = await client.query<{ name: string }>('SELECT name FROM kysely_migration ORDER BY name');
  return {
    at: at.toISOString(),
    postgres,
    migrations: migrations.rows.map((row) => row.name),
    tables: await tablesOf(client),
    sequences: await sequencesOf(client),
  };
}

/**
 * A partitioned table counts once, as a whole. `device_terms` is made anew by the triggers on `devices`;
 * `ended_credentials` tells brokers of the last minute, and of `removable_contents` and `removable_pieces` no bytes are
 * in a backup.
 */
const TABLES = `SELECT oid, relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
  AND relnamespace = current_schema()::regnamespace AND relname NOT LIKE 'kysely\\_%'
  AND relname NOT IN ('device_terms', 'ended_credentials', 'removable_contents', 'removable_pieces')`;

async function tablesOf(client: pg.Client): Promise<SnapshotTable[]> {
  const { rows } = await client.query<{ name: string; columns: string[]; refers_to: string[] }>(
    `WITH t AS (${TABLES})
     SELECT t.relname AS name,
       ARRAY(SELECT attname::text FROM pg_attribute a WHERE a.attrelid = t.oid AND attnum > 0 AND NOT attisdropped
         AND attgenerated = '' ORDER BY attnum) AS columns,
       ARRAY(SELECT DISTINCT o.relname::text FROM pg_constraint c JOIN t o ON o.oid = c.confrelid
         WHERE c.conrelid = t.oid AND c.contype = 'f' AND o.oid <> t.oid) AS refers_to
     FROM t ORDER BY 1`,
  );
  const ordered: SnapshotTable[] = [];
  const left = new Map(rows.map((row) => [row.name, row]));
  while (left.size > 0) {
    const free = [...left.values()].filter(({ refers_to: others }) => !others.some((other) => left.has(other)));
    if (free.length === 0)
      throw new Error(
        `the tables ${[...left.keys()].join(', ')} refer to each other in a circle: there is no order in which they can be loaded`,
      );
    for (const { name, columns } of free) {
      ordered.push({ name, columns });
      left.delete(name);
    }
  }
  return ordered;
}

/** Read after the snapshot was taken: a counter may be ahead of its rows, never behind them. */
async function sequencesOf(client: pg.Client): Promise<SnapshotSequence[]> {
  const { rows } = await client.query<{ table: string; column: string; sequence: string }>(
    `WITH t AS (${TABLES})
     SELECT t.relname AS table, a.attname AS column, pg_get_serial_sequence(quote_ident(t.relname),
       a.attname) AS sequence
     FROM t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE pg_get_serial_sequence(quote_ident(t.relname), a.attname) IS NOT NULL ORDER BY 1, 2`,
  );
  const sequences: SnapshotSequence[] = [];
  for (const { table, column, sequence } of rows) {
    const { rows: states } = await client.query<{ last_value: string; is_called: boolean }>(
      `SELECT last_value, is_called FROM ${sequence}`,
    );
    const { last_value: value, is_called: isCalled } = oneRow(states, `the sequence ${sequence}`);
    sequences.push({ table, column, value: isCalled ? value : null });
  }
  return sequences;
}
