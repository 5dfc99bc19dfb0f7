import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openDiskBlobs } from '../../adapters/blobs/disk.js';
import type { BlobStore } from '../../adapters/blobs/port.js';
import { asOwner } from '../../store/db/snapshot.js';
import { lockDataDir } from '../../workers/embedded/lock.js';
import { freePort } from '../../workers/embedded/ports.js';
import { startPostgres } from '../../workers/embedded/postgres.js';
import { readJsonIfAny } from '../../workers/embedded/private-file.js';
import { createLog, type Log } from '../../runtime/log.js';
import { readSettings, type Settings } from '../../runtime/settings.js';

/** What each verb is given: the service's own settings, and where to say what is done. */
export interface Context {
  readonly settings: Settings;
  readonly log: Log;
  /** A line for people, on standard output. */
  readonly say: (line: string) => void;
}

/**
 * Done, with this exit code: 0, or 2 = done as far as it could be, and something is lacking. What was not done at all
 * throws, which is 1.
 */
export type ExitCode = 0 | 2;

/**
 * `dataDir` goes before `SLIPWAY_DATA_DIR`.
 * @throws SettingsError naming each setting that is not valid
 */
export function createContext(dataDir: string | undefined): Context {
  const settings = readSettings({ ...process.env, ...(dataDir === undefined ? {} : { SLIPWAY_DATA_DIR: dataDir }) });
  return {
    settings,
    // What the parts say of themselves is noise beside the answer, unless it is asked for.
    log: createLog('admin', process.env['SLIPWAY_LOG_LEVEL'] ? settings.logLevel : 'warn'),
    say: (line) => void process.stdout.write(`${line}\n`),
  };
}

/**
 * Calls `work` with the address of the database: the outside one, or that of the all in one, whether it runs on its
 * data folder or not. Where it does not run, its PostgreSQL is started for the while, and no other process can start
 * it.
 */
export async function withDatabase<T>(
  { settings, log }: Context,
  work: (databaseUrl: string) => Promise<T>,
): Promise<T> {
  const { dataDir } = settings;
  if (settings.databaseUrl !== undefined) return work(settings.databaseUrl);
  const running = (readJsonIfAny(join(dataDir, 'endpoints.json')) as { database?: string } | undefined)?.database;
  if (running !== undefined && (await answers(running))) return work(running);
  if (!existsSync(join(dataDir, 'postgres')))
    throw new Error(
      `there is no Slipway in ${dataDir}: set SLIPWAY_DATA_DIR to its data folder, or DATABASE_URL to its database`,
    );
  const lock = lockDataDir(dataDir);
  try {
    const server = await startPostgres({
      dataDir: join(dataDir, 'postgres'),
      port: await freePort(),
      log,
      bin: settings.postgresBin,
    });
    try {
      return await work(server.url);
    } finally {
      await server.stop();
    }
  } finally {
    lock.release();
  }
}

/** A service that was killed leaves its addresses behind. */
async function answers(databaseUrl: string): Promise<boolean> {
  try {
    await asOwner(databaseUrl, (client) => client.query('SELECT'));
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === 'ECONNREFUSED') return false;
    throw error;
  }
}

/** Which kind of store holds the blobs. */
export type StoreName = Settings['blobs']['store'];

/** Calls `work` with a blob store of the settings, whether it is the one in use or not. */
export async function withBlobs<T>(
  { settings }: Context,
  name: StoreName,
  work: (store: BlobStore) => Promise<T>,
): Promise<T> {
  const store = await openBlobs(settings, name);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

async function openBlobs({ blobs: { folder, s3Bucket, s3Endpoint } }: Settings, name: StoreName): Promise<BlobStore> {
  if (name === 'disk') return openDiskBlobs(folder);
  if (s3Bucket === undefined)
    throw new Error("SLIPWAY_S3_BUCKET is missing: the S3 store needs it, beside the AWS SDK's own variables");
  // Loaded only where it is needed: the SDK takes longer than a small backup.
  const { openS3Blobs } = await import('../../adapters/blobs/s3.js');
  return openS3Blobs({ bucket: s3Bucket, ...(s3Endpoint === undefined ? {} : { endpoint: s3Endpoint }) });
}

/** 1,234,567 → `1.2 MB`. */
export function sizeOf(bytes: number): string {
  const unit = ['B', 'kB', 'MB', 'GB', 'TB'] as const;
  const power = Math.min(unit.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toFixed(1)} ${unit[power]}`;
}
