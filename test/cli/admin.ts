import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { openDiskBlobs } from '../../adapters/blobs/disk.js';
import { UPLOAD_WORKER } from '../support/upload-worker.js';

export interface Ran {
  code: number;
  /** Standard output and standard error. */
  said: string;
}

/** The key of all backups of the tests, unless a test says otherwise. */
export const BACKUP_KEY = join(mkdtempSync(join(tmpdir(), 'slipway-key-')), 'backup.key');
writeFileSync(BACKUP_KEY, randomBytes(48).toString('base64'));
process.once('exit', () => rmSync(dirname(BACKUP_KEY), { recursive: true, force: true }));

/**
 * Runs `slipway-admin` as a user does: a process with settings, an exit code and lines. Nothing of the caller's own
 * settings reaches it.
 */
export function admin(args: readonly string[], settings: Readonly<Record<string, string>>, ms = 90_000): Promise<Ran> {
  const own = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(SLIPWAY_|AWS_|DATABASE_URL|MQTT_|TEMPORAL_)/.test(name)),
  );
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      ['--enable-source-maps', 'dist/cli/admin/main.js', ...args],
      { env: { ...own, SLIPWAY_BACKUP_KEY_FILE: BACKUP_KEY, ...settings }, timeout: ms },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : error.code;
        if (typeof code !== 'number')
          reject(new Error(`slipway-admin ${args.join(' ')} did not end by itself: ${stderr}`, { cause: error }));
        else resolve({ code, said: stdout + stderr });
      },
    );
  });
}

export interface EmptyDatabase {
  url: string;
  readonly query: <T extends object = Record<string, unknown>>(sql: string, values?: unknown[]) => Promise<T[]>;
  drop(): Promise<void>;
}

/** A database without anything in it, in the server of the run; `owner` must exist. */
export async function createEmptyDatabase(
  title: string,
  owner?: { name: string; password: string },
): Promise<EmptyDatabase> {
  const server = process.env['SLIPWAY_TEST_DATABASE_URL'];
  if (server === undefined)
    throw new Error(
      'SLIPWAY_TEST_DATABASE_URL is missing: run the tests with jest, whose global set-up starts a PostgreSQL',
    );
  const name = `${title}_${randomBytes(4).toString('hex')}`;
  await run(server, `CREATE DATABASE ${name}${owner ? ` OWNER ${owner.name}` : ''}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  const ofAdmin = url.href;
  if (owner) [url.username, url.password] = [owner.name, owner.password];
  return {
    url: url.href,
    query: async <T extends object>(sql: string, values?: unknown[]) => (await run(ofAdmin, sql, values)) as T[],
    drop: async () => void (await run(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
  };
}

export async function run(url: string, sql: string, values?: unknown[]): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

/**
 * Each table with the number of its rows and a digest over all of them: equal digests, equal rows. Columns that a
 * restore changes on purpose are left out.
 */
export async function digests(query: EmptyDatabase['query']): Promise<Record<string, string>> {
  const tables = await query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'kysely%' ORDER BY 1`,
  );
  const found: Record<string, string> = {};
  for (const { name } of tables.filter((one) => !['leases', 'outbox'].includes(one.name))) {
    const left = `- 'process_started_at' - 'due_at' - 'online' - 'session' - 'hello_wanted_at'`;
    const [row] = await query<{ digest: string }>(
      `SELECT count(*) || ' ' || coalesce(md5(string_agg((to_jsonb(t) ${left})::text, E'\\n' ORDER BY (to_jsonb(t) ${left})::text)), '') AS digest FROM ${name} t`,
    );
    found[name] = row!.digest;
  }
  return found;
}

/** A folder of the test's own, with what the service would keep in it. */
export class Folder {
  private constructor(readonly path: string) {}

  static async make(): Promise<Folder> {
    return new Folder(await mkdtemp(join(tmpdir(), 'slipway-admin-')));
  }

  at(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** Puts bytes into the disk store of a data folder. @returns their address. */
  async blob(dataDir: string, bytes: Buffer): Promise<string> {
    const store = await openDiskBlobs(join(dataDir, 'blobs'), { worker: UPLOAD_WORKER });
    const received = await store.receive(
      (async function* () {
        yield Buffer.from(bytes);
      })(),
    );
    await received.commit();
    await received.discard();
    return received.sha256;
  }

  remove(): Promise<void> {
    return rm(this.path, { recursive: true, force: true });
  }
}

export const sha256Of = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
