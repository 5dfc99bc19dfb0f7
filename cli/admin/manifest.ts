import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { SnapshotAbout } from '../../store/db/snapshot.js';

/**
 * What a backup is: a folder with `manifest.json`, `database/<table>.copy.gz` (rows in PostgreSQL's text format),
 * `blobs/` by content as a disk store has them, and files of the data folder. Members may be added; what changes the
 * meaning of others is a new format.
 */
const schema = z.object({
  format: z.literal(1, 'is not one that this version of Slipway reads'),
  at: z.string(),
  postgres: z.string(),
  migrations: z.array(z.string()).min(1),
  tables: z.array(
    z.object({
      name: z.string(),
      columns: z.array(z.string()),
      rows: z.number(),
      file: z.string(),
      sha256: z.string(),
    }),
  ),
  sequences: z.array(z.object({ table: z.string(), column: z.string(), value: z.string().nullable() })),
  /** What ready firmware refers to. `left out`: with --without-blobs. */
  blobs: z.enum(['included', 'left out']),
  contents: z.array(z.object({ sha256: z.string(), size: z.number(), firmware: z.string() })),
  /** Contents that the blob store did not have, or had damaged, when the backup was made. */
  lacking: z.array(z.string()),
  files: z.array(z.string()),
});

/** What stands beside the rows of a backup. */
export type Manifest = z.output<typeof schema>;

/** Files of the data folder that are kept as they are. The rest can be made again, or is a process's own. */
export const KEPT_FILES = ['admin-token', 'ports.json'] as const;

/** Where the manifest of a backup in this folder stands. */
export const manifestFile = (folder: string): string => join(folder, 'manifest.json');

/** @throws a sentence where the folder is no backup, or one of another format. */
export async function readManifest(folder: string): Promise<Manifest> {
  const text = await readFile(manifestFile(folder), 'utf8').catch((error: unknown) => {
    throw new Error(`${folder} is no backup: it has no manifest.json that can be read`, { cause: error });
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new Error(`${manifestFile(folder)} is damaged: ${(error as Error).message}`, { cause: error });
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success)
    throw new Error(
      `${manifestFile(folder)} cannot be used: ${parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; ')}`,
    );
  return parsed.data;
}

/** The part of the manifest that the store wrote and reads again. */
export function aboutOf({ at, postgres, migrations, tables, sequences }: Manifest): SnapshotAbout {
  return { at, postgres, migrations, tables, sequences };
}
