import { copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { openDiskBlobs } from '../../adapters/blobs/disk.js';
import type { BlobStore } from '../../adapters/blobs/port.js';
import { inSnapshot, readReadyContents, type ReadyContent, type Snapshot } from '../../store/db/snapshot.js';
import { copyContents, sayCopied, sayLacking, type CopiedContents } from './copy-contents.js';
import { withBlobs, withDatabase, type Context, type ExitCode } from './context.js';
import { readBackupKey } from './backup-key.js';
import { entriesOf, hashOf, syncPath, writeCompressed } from './files.js';
import { KEPT_FILES, manifestFile, printManifest, tableFile, type Manifest } from './manifest.js';

/** Each further round means that firmware was deleted in the very second of the one before. */
const ROUNDS = 5;

/**
 * Makes a backup of everything that cannot be made again into a folder, while the service runs: all facts as they are
 * at one moment, and the bytes that they refer to. Not Temporal's file and not the broker's: both follow from the
 * facts.
 *
 * The folder has its name only once it is complete. What an attempt that broke off has fetched of the blobs, the next
 * one uses.
 */
export async function backup(
  context: Context,
  into: string,
  { withoutBlobs }: { withoutBlobs: boolean },
): Promise<ExitCode> {
  const target = resolve(into);
  if ((await entriesOf(target)).length > 0)
    throw new Error(`${target} is not empty: name a folder that does not exist yet`);
  const key = await readBackupKey(context.settings.backupKeyFile);
  const folder = `${target}.unfinished`;
  await mkdir(join(folder, 'database'), { recursive: true, mode: 0o700 });
  const made = await withDatabase(context, (url) =>
    withoutBlobs ? facts(url, folder) : factsAndBlobs(context, url, folder),
  );
  const files = await keepFiles(context.settings.dataDir, folder);
  const fileHashes: Manifest['fileHashes'] = {};
  for (const name of files) fileHashes[name] = await hashOf(join(folder, name));
  const manifest: Manifest = { format: 1, ...made, blobs: withoutBlobs ? 'left out' : 'included', files, fileHashes };
  await writeFile(manifestFile(folder), printManifest(manifest, key), { mode: 0o600 });
  for (const path of [
    manifestFile(folder),
    ...files.map((name) => join(folder, name)),
    join(folder, 'database'),
    folder,
  ])
    await syncPath(path);
  await rename(folder, target);
  await syncPath(dirname(target));
  context.say(
    `${manifest.tables.reduce((sum, { rows }) => sum + rows, 0)} rows of ${manifest.tables.length} tables, as of ${manifest.at}: ${target}`,
  );
  if (key === undefined) context.say(WITHOUT_KEY);
  return made.lacking.length === 0 ? 0 : 2;
}

const WITHOUT_KEY =
  'It is not signed: any process that can write into this folder can change it, and restore asks for --unauthenticated. Set SLIPWAY_BACKUP_KEY_FILE (docs/backup.md).';

type Facts = Omit<Manifest, 'format' | 'blobs' | 'files' | 'fileHashes'>;

async function facts(databaseUrl: string, folder: string): Promise<Facts> {
  return inSnapshot(databaseUrl, async (snapshot) => ({
    ...(await writeFacts(snapshot, folder)),
    contents: [...snapshot.contents],
    lacking: [],
  }));
}

/**
 * Most of the blobs come first, so that the snapshot is short and almost nothing is left to fetch behind it. A firmware
 * may be deleted in that moment, and its bytes with it; then the facts are taken once more.
 */
async function factsAndBlobs(context: Context, databaseUrl: string, folder: string): Promise<Facts> {
  const target = await openDiskBlobs(join(folder, 'blobs'));
  const { store: name } = context.settings.blobs;
  try {
    return await withBlobs(context, name, async (source) => {
      const first = await copyContents(source, target, await readReadyContents(databaseUrl));
      for (let round = 1; round <= ROUNDS; round += 1) {
        const made = await facts(databaseUrl, folder);
        const rest = await copyContents(source, target, made.contents);
        const present = new Set((await readReadyContents(databaseUrl)).map(({ sha256 }) => sha256));
        if (rest.lacking.some(({ content }) => !present.has(content.sha256))) continue;
        await removeOthers(target, folder, made.contents);
        return { ...made, lacking: conclude(context, name, first, rest, made.contents) };
      }
      throw new Error(
        `firmware was deleted again and again while its bytes were fetched: make the backup at a quieter moment`,
      );
    });
  } finally {
    await target.close();
  }
}

function conclude(
  context: Context,
  store: string,
  first: CopiedContents,
  rest: CopiedContents,
  contents: readonly ReadyContent[],
): string[] {
  const copied = first.copied + rest.copied;
  const { lacking } = rest;
  sayCopied(context, `${contents.length} blobs of ready firmware`, {
    copied,
    bytes: first.bytes + rest.bytes,
    there: contents.length - copied - lacking.length,
    lacking,
  });
  if (lacking.length > 0) {
    sayLacking(context, store, lacking);
    context.say(
      `The backup lacks these ${lacking.length}, because the blob store does. Are SLIPWAY_BLOB_STORE and its settings those of the service?`,
    );
  }
  return lacking.map(({ content }) => content.sha256);
}

/** What was deleted before the snapshot, or stems from an attempt that broke off. */
async function removeOthers(target: BlobStore, folder: string, contents: readonly ReadyContent[]): Promise<void> {
  const wanted = new Set(contents.map(({ sha256 }) => sha256));
  for (const prefix of (await entriesOf(join(folder, 'blobs'))).filter((name) => name.length === 2)) {
    for (const sha256 of await entriesOf(join(folder, 'blobs', prefix)))
      if (!wanted.has(sha256)) await target.remove(sha256);
  }
  await target.sweep(0);
}

async function writeFacts({ about, read }: Snapshot, folder: string): Promise<Omit<Facts, 'contents' | 'lacking'>> {
  const tables: Manifest['tables'] = [];
  for (const table of about.tables) {
    const source = read(table);
    const sha256 = await writeCompressed(source, join(folder, tableFile(table.name)));
    tables.push({ name: table.name, columns: [...table.columns], rows: source.rowCount, sha256 });
  }
  return {
    at: about.at,
    postgres: about.postgres,
    migrations: [...about.migrations],
    sequences: [...about.sequences],
    tables,
  };
}

async function keepFiles(dataDir: string, folder: string): Promise<Manifest['files']> {
  const kept: Manifest['files'] = [];
  for (const name of KEPT_FILES) {
    await rm(join(folder, name), { force: true });
    if (!existsSync(join(dataDir, name))) continue;
    await copyFile(join(dataDir, name), join(folder, name));
    kept.push(name);
  }
  return kept;
}
