import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { SnapshotAbout } from '../../store/db/snapshot.js';
import { isSameMac, macOf } from './backup-key.js';

/** Files of the data folder that are kept as they are. The rest can be made again, or is a process's own. */
export const KEPT_FILES = ['admin-token', 'audit-key', 'device-authority.pem', 'ports.json'] as const;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in hex');

/**
 * What a backup is: a folder with `manifest.json`, `database/<table>.copy.gz` (rows in PostgreSQL's text format),
 * `blobs/` by content as a disk store has them, and files of the data folder. Members may be added; what changes the
 * meaning of others is a new format. No member is a path: a backup names tables, contents and the files of a closed
 * list, so that it can lead nowhere outside of its folder and of the data folder.
 */
const schema = z.object({
  format: z.literal(1, 'is not one that this version of Slipway reads'),
  at: z.string(),
  postgres: z.string(),
  migrations: z.array(z.string()).min(1),
  tables: z.array(
    z.object({
      name: z.string().regex(/^[a-z_]+$/, 'is not the name of a table'),
      columns: z.array(z.string()),
      rows: z.number(),
      sha256,
    }),
  ),
  sequences: z.array(z.object({ table: z.string(), column: z.string(), value: z.string().nullable() })),
  /** What ready firmware refers to. `left out`: with --without-blobs. */
  blobs: z.enum(['included', 'left out']),
  contents: z.array(z.object({ sha256, size: z.number(), firmware: z.string() })),
  /** Contents that the blob store did not have, or had damaged, when the backup was made. */
  lacking: z.array(z.string()),
  files: z.array(z.enum(KEPT_FILES, `is not one of ${KEPT_FILES.join(', ')}`)),
  /** SHA-256 of each of `files`. Absent in backups of versions before there were keys. */
  fileHashes: z.partialRecord(z.enum(KEPT_FILES), sha256).optional(),
});

/** What stands beside the rows of a backup. */
export type Manifest = z.output<typeof schema>;

/** Where the rows of a table stand, below the folder of the backup. */
export const tableFile = (name: string): string => join('database', `${name}.copy.gz`);

/** Where the manifest of a backup in this folder stands. */
export const manifestFile = (folder: string): string => join(folder, 'manifest.json');

/**
 * The text of a manifest. With a key it carries `mac`, an HMAC-SHA256 over all the rest, which holds the SHA-256 of
 * every other file.
 */
export function printManifest(manifest: Manifest, key: Buffer | undefined): string {
  const signed = key === undefined ? manifest : { ...manifest, mac: macOf(manifest, key) };
  return `${JSON.stringify(signed, undefined, 2)}\n`;
}

/**
 * @param key of `SLIPWAY_BACKUP_KEY_FILE`
 * @param isUnauthenticated whether a backup is taken without looking who made it
 * @throws a sentence where the folder is no backup, one of another format, or one that is not proven to be of this key
 */
export async function readManifest(
  folder: string,
  { key, isUnauthenticated }: { key: Buffer | undefined; isUnauthenticated: boolean },
): Promise<Manifest> {
  const text = await readFile(manifestFile(folder), 'utf8').catch((error: unknown) => {
    throw new Error(`${folder} is no backup: it has no manifest.json that can be read`, { cause: error });
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new Error(`${manifestFile(folder)} is damaged: ${(error as Error).message}`, { cause: error });
  }
  if (!isUnauthenticated) assertAuthentic(folder, json, key);
  const parsed = schema.safeParse(json);
  if (!parsed.success)
    throw new Error(
      `${manifestFile(folder)} cannot be used: ${parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; ')}`,
    );
  return parsed.data;
}

function assertAuthentic(folder: string, json: unknown, key: Buffer | undefined): void {
  const otherwise =
    '; with --unauthenticated it is restored all the same: only if you know that no other person could write into it';
  if (key === undefined)
    throw new Error(
      `${folder} cannot be authenticated: set SLIPWAY_BACKUP_KEY_FILE to the key that it was made with${otherwise}`,
    );
  const { mac, ...rest } = (typeof json === 'object' && json !== null ? json : {}) as Record<string, unknown>;
  if (mac === undefined) throw new Error(`${folder} was made without a key, and cannot be authenticated${otherwise}`);
  if (typeof mac !== 'string' || !isSameMac(mac, macOf(rest, key)))
    throw new Error(
      `${folder} is not authentic: its manifest was changed, or made with another key than that of SLIPWAY_BACKUP_KEY_FILE${otherwise}`,
    );
}

/** The part of the manifest that the store wrote and reads again. */
export function aboutOf({ at, postgres, migrations, tables, sequences }: Manifest): SnapshotAbout {
  return { at, postgres, migrations, tables, sequences };
}
