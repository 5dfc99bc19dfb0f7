import { readdir } from 'node:fs/promises';
import { oneRow } from './one-row.js';
import type { Tx } from './pool.js';

/** Where the migrations of this version are. */
export const MIGRATIONS_FOLDER = new URL('../sql/', import.meta.url);
/** What a sentence adds where a person has to do something. */
const READ_MORE = 'docs/upgrade.md';

/** What a migration that removes something says of itself, in the table `schema_needs`. */
export interface SchemaNeed {
  /** The migration that removes it. */
  readonly migration: string;
  /** A process that does not know this migration uses what is gone. */
  readonly least: string;
  /** What is gone, as the end of a sentence. */
  readonly because: string;
}

/** The schema of a database, as the database says. */
export interface Schema {
  /** Names of the migrations that ran, sorted. Empty: there are no tables yet. */
  readonly applied: readonly string[];
  readonly needs: readonly SchemaNeed[];
}

/** @returns the names of all migrations that this version knows, in their order. */
export async function migrationNames(): Promise<string[]> {
  return (await readdir(MIGRATIONS_FOLDER))
    .filter((name) => /^\d{4}-.*\.sql$/.test(name))
    .map((name) => name.replace(/\.sql$/, ''))
    .sort();
}

/** Reads what the schema is. The table of migrations has the name that the library gave it which ran the first ones. */
export async function readSchema(db: Tx): Promise<Schema> {
  const there = await db.query<{ migrations: boolean; needs: boolean }>(
    `SELECT to_regclass('kysely_migration') IS NOT NULL AS migrations, to_regclass('schema_needs') IS NOT NULL AS needs`,
  );
  const { migrations, needs } = oneRow(there.rows, 'whether the tables are there');
  const applied = migrations ? (await db.query<{ name: string }>('SELECT name FROM kysely_migration')).rows : [];
  const said = needs ? (await db.query<SchemaNeed>('SELECT migration, least, because FROM schema_needs')).rows : [];
  return { applied: applied.map(({ name }) => name).sort(), needs: said };
}

/**
 * Whether a process that knows these migrations can run on a schema. It needs all that it knows: its statements were
 * written for them. Of newer ones it needs no knowledge, unless one of them says so (docs/upgrade.md).
 * @returns why not, and what to do, in a sentence; undefined where it fits.
 */
export function misfit(known: readonly string[], { applied, needs }: Schema): string | undefined {
  if (applied.length === 0) return `the database has no schema yet: run "slipway-admin migrate" (${READ_MORE})`;
  const ran = new Set(applied);
  const missing = known.find((name) => !ran.has(name));
  if (missing !== undefined)
    return `the database schema is too old for this version: it ends with "${applied.at(-1)}" and lacks "${missing}". Run "slipway-admin migrate" of this version (${READ_MORE})`;
  const knows = new Set(known);
  const need = needs.find(({ least }) => !knows.has(least));
  if (need !== undefined)
    return `the database schema is too new for this version: by "${need.migration}" ${need.because}, so that a version is needed that knows "${need.least}". Start a newer version, or restore a backup (${READ_MORE})`;
  return undefined;
}
