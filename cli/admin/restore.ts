import { defined } from '../../domain/defined.js';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openDiskBlobs } from '../../adapters/blobs/disk.js';
import { copyBlob, type Condition } from '../../adapters/blobs/copy.js';
import { restoreSnapshot, type Restored } from '../../store/history/restore.js';
import type { ReadyContent } from '../../store/db/snapshot.js';
import { RESTORING } from '../../workers/embedded/backup-marker.js';
import { lockDataDir } from '../../workers/embedded/lock.js';
import { freePort } from '../../workers/embedded/ports.js';
import { startPostgres } from '../../workers/embedded/postgres.js';
import { clearPostgresFolder } from '../../workers/embedded/postgres-leftovers.js';
import { makePrivateFolder, writePrivateFile } from '../../workers/embedded/private-file.js';
import { sayLacking } from './copy-contents.js';
import { withBlobs, type Context, type ExitCode } from './context.js';
import { entriesOf, hashOf, readCompressed, syncPath } from './files.js';
import { readBackupKey } from './backup-key.js';
import { aboutOf, readManifest, tableFile, type Manifest } from './manifest.js';

/**
 * What a data folder may have before: blobs are by content, and the rest is what an earlier restore that broke off may
 * have come to.
 */
const MAY_BE_THERE = new Set<string>(['lock', 'blobs', 'admin-token', 'ports.json', RESTORING]);

/**
 * Brings a backup back: into an empty data folder, or, where DATABASE_URL is set, into that empty database and the blob
 * store of the settings. The bytes come first, then the facts. In the data folder the database appears in one step at
 * the end; until then no service starts there, and a restore that broke off is simply run again.
 */
export async function restore(
  context: Context,
  from: string,
  { isUnauthenticated }: { isUnauthenticated: boolean },
): Promise<ExitCode> {
  const folder = resolve(from);
  const key = isUnauthenticated ? undefined : await readBackupKey(context.settings.backupKeyFile);
  const manifest = await readManifest(folder, { key, isUnauthenticated });
  await assertWhole(folder, manifest);
  const { settings } = context;
  const restored =
    settings.databaseUrl === undefined
      ? await intoDataFolder(context, folder, manifest)
      : await intoOutside(context, settings.databaseUrl, folder, manifest);
  say(context, manifest, restored);
  return restored.lacking.length === 0 ? 0 : 2;
}

interface Done extends Restored {
  readonly lacking: readonly Lack[];
}
type Lack = { content: ReadyContent; why: Exclude<Condition, 'good'> };

/** Before anything is changed: a backup that is damaged must not be found out in the middle. */
async function assertWhole(folder: string, { tables, files, fileHashes = {} }: Manifest): Promise<void> {
  const hashed = [
    ...tables.map(({ name, sha256 }) => ({ file: tableFile(name), sha256 })),
    ...files.flatMap((file) => (fileHashes[file] === undefined ? [] : [{ file, sha256: fileHashes[file] }])),
  ];
  for (const { file, sha256 } of hashed) {
    const found = existsSync(join(folder, file)) ? await hashOf(join(folder, file)) : undefined;
    if (found !== sha256)
      throw new Error(
        `${join(folder, file)} ${found === undefined ? 'is missing' : 'is damaged: its SHA-256 is not the one in the manifest'}; nothing was changed`,
      );
  }
  const gone = files.find((name) => !existsSync(join(folder, name)));
  if (gone !== undefined) throw new Error(`${join(folder, gone)} is missing; nothing was changed`);
}

async function intoDataFolder(context: Context, folder: string, manifest: Manifest): Promise<Done> {
  const { dataDir } = context.settings;
  makePrivateFolder(dataDir);
  const lock = lockDataDir(dataDir);
  try {
    const others = (await entriesOf(dataDir)).filter((name) => !MAY_BE_THERE.has(name));
    if (others.length > 0)
      throw new Error(
        `${dataDir} is not empty (it has ${others.slice(0, 3).join(', ')} …): restore into a new folder, by --data-dir or SLIPWAY_DATA_DIR`,
      );
    const beside = join(dataDir, RESTORING);
    await clearLeftovers(context, beside);
    await mkdir(join(beside, 'postgres'), { recursive: true, mode: 0o700 });
    const lacking = await bringBlobs(context, folder, manifest);
    const facts = await loadFacts(context, join(beside, 'postgres'), folder, manifest);
    await bringFiles(dataDir, folder, manifest);
    await rename(join(beside, 'postgres'), join(dataDir, 'postgres'));
    await syncPath(dataDir);
    await rm(beside, { recursive: true });
    return { ...facts, lacking };
  } finally {
    lock.release();
  }
}

/** A restore that was killed may have left its PostgreSQL running for a moment. */
async function clearLeftovers({ log }: Context, beside: string): Promise<void> {
  for (const version of await entriesOf(join(beside, 'postgres')))
    await clearPostgresFolder(join(beside, 'postgres', version), log);
  await rm(beside, { recursive: true, force: true });
}

async function loadFacts(
  { log, settings }: Context,
  dataDir: string,
  folder: string,
  manifest: Manifest,
): Promise<Restored> {
  const server = await startPostgres({ dataDir, port: await freePort(), log, bin: settings.postgresBin });
  try {
    return await restoreInto(server.url, folder, manifest);
  } finally {
    await server.stop();
  }
}

async function intoOutside(context: Context, databaseUrl: string, folder: string, manifest: Manifest): Promise<Done> {
  const lacking = await bringBlobs(context, folder, manifest);
  const facts = await restoreInto(databaseUrl, folder, manifest);
  makePrivateFolder(context.settings.dataDir);
  await bringFiles(context.settings.dataDir, folder, manifest);
  return { ...facts, lacking };
}

function restoreInto(databaseUrl: string, folder: string, manifest: Manifest): Promise<Restored> {
  const byName = new Map(manifest.tables.map((table) => [table.name, table]));
  return restoreSnapshot(databaseUrl, aboutOf(manifest), async ({ name }) => {
    const { rows } = defined(byName.get(name), `the backup holds the table ${name}`);
    return { rows, source: readCompressed(join(folder, tableFile(name))) };
  });
}

/** Those that the backup lacks may be in the store: a bucket has a life of its own. */
async function bringBlobs(context: Context, folder: string, { contents, blobs }: Manifest): Promise<Lack[]> {
  const source = blobs === 'included' ? await openDiskBlobs(join(folder, 'blobs')) : undefined;
  const lacking: Lack[] = [];
  await withBlobs(context, context.settings.blobs.store, async (target) => {
    for (const content of contents) {
      const found = source
        ? await copyBlob(source, target, content)
        : (await target.stat(content.sha256))?.size === content.size
          ? 'there'
          : 'missing';
      if (found === 'missing' || found === 'damaged') lacking.push({ content, why: found });
    }
  });
  return lacking;
}

async function bringFiles(dataDir: string, folder: string, { files }: Manifest): Promise<void> {
  for (const name of files) writePrivateFile(join(dataDir, name), await readFile(join(folder, name), 'utf8'));
}

function say(context: Context, manifest: Manifest, { rows, open, history, lacking }: Done): void {
  const where = context.settings.databaseUrl === undefined ? context.settings.dataDir : 'the database of DATABASE_URL';
  context.say(
    `${rows} rows as of ${manifest.at} are in ${where}, with ${manifest.contents.length - lacking.length} blobs. ${open} installations are open and go on when Slipway starts.`,
  );
  for (const { tenant, entries, brokenAt } of history) {
    context.say(
      brokenAt === undefined
        ? `  history of ${tenant}: ${entries} entries, the chain is whole`
        : `  history of ${tenant}: the chain is broken at entry ${brokenAt}`,
    );
  }
  sayLacking(context, manifest.blobs === 'included' ? 'the backup' : 'the blob store', lacking);
}
