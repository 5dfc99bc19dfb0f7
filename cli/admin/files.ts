import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { Transform, Writable, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGunzip, createGzip } from 'node:zlib';

/** The entries of a folder; none where it does not exist. */
export async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Writes a stream compressed, for its owner only, and through to the disk. @returns the SHA-256 of the file. */
export async function writeCompressed(source: Readable, path: string): Promise<string> {
  const hash = createHash('sha256');
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  // Rows repeat themselves so much that more effort gains little and costs the service's processor.
  await pipeline(
    source,
    createGzip({ level: constants.Z_BEST_SPEED }),
    hashing,
    createWriteStream(path, { mode: 0o600 }),
  );
  await syncPath(path);
  return hash.digest('hex');
}

/** The content of a gzip file, unpacked as it is read. A file that cannot be read is an error of the stream. */
export function readCompressed(path: string): Readable {
  const file = createReadStream(path);
  const rows = createGunzip();
  file.once('error', (error) => rows.destroy(error));
  return file.pipe(rows);
}

/** SHA-256 of the file in lower-case hex, read as a stream. */
export async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(
    createReadStream(path),
    new Writable({ write: (chunk: Buffer, _encoding, done) => (hash.update(chunk), done()) }),
  );
  return hash.digest('hex');
}

/** What is renamed into place after this survives a power cut. Also for folders. */
export async function syncPath(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
