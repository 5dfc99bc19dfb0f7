import { createHash, randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { DiskPieces } from './pieces-disk.js';
import { conditionOf, publishing, type Content } from './copy.js';
import { assertSha256, type BlobStore, type ByteRange, type ReceivedBlob } from './port.js';
import { UploadThread } from './upload-thread.js';

/** Larger than node's 64 KiB: half the system calls for a download, still nothing beside a thousand of them at once. */
const READ_CHUNK_BYTES = 128 * 1024;

/** Up to it an upload is written where it arrives; what is larger is handed to a thread. */
const SMALL_BYTES = 1024 * 1024;

/** For a store in a folder of this machine. */
export interface DiskOptions {
  /** The compiled upload-worker.js: threads load no TypeScript. */
  readonly worker?: URL;
}

/**
 * Blobs as files below one folder: `ab/ab34…` by content, `incoming/` for uploads under way, `unfinished/` for those
 * that go on later. The first two must be on one file system: a blob appears under its address by a hard link, which is
 * atomic and never replaces a file that a reader reads.
 */
export async function openDiskBlobs(
  folder: string,
  { worker = new URL('./upload-worker.js', import.meta.url) }: DiskOptions = {},
): Promise<BlobStore> {
  const store = new DiskBlobs(folder, new UploadThread(worker));
  await store.prepare();
  return store;
}

class DiskBlobs implements BlobStore {
  readonly pieces: DiskPieces;
  private readonly incoming: string;

  constructor(
    private readonly folder: string,
    private readonly thread: UploadThread,
  ) {
    this.incoming = join(folder, 'incoming');
    this.pieces = new DiskPieces(join(folder, 'unfinished'));
  }

  async prepare(): Promise<void> {
    await mkdir(this.incoming, { recursive: true, mode: 0o700 });
    await this.pieces.prepare();
    await syncFolder(this.folder);
  }

  async receive(source: AsyncIterable<Uint8Array>): Promise<ReceivedBlob> {
    const path = join(this.incoming, randomUUID());
    try {
      const { sha256, size } = await this.write(path, source);
      return {
        sha256,
        size,
        commit: publishing((isKnown) => this.publish(path, { sha256, size }, isKnown)),
        discard: () => rm(path, { force: true }),
      };
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  async stat(sha256: string): Promise<{ size: number } | undefined> {
    const found = await unlessMissing(stat(this.pathOf(sha256)));
    return found && { size: found.size };
  }

  async open(sha256: string, range?: ByteRange): Promise<Readable | undefined> {
    const file = await unlessMissing(open(this.pathOf(sha256), 'r'));
    return file?.createReadStream({
      highWaterMark: READ_CHUNK_BYTES,
      ...(range ? { start: range.start, end: range.end } : {}),
    });
  }

  async remove(sha256: string): Promise<void> {
    await rm(this.pathOf(sha256), { force: true });
  }

  async link(): Promise<undefined> {
    return undefined;
  }

  /** A file is made and removed: a disk that is full, gone or read-only says so here. */
  async probe(): Promise<string | undefined> {
    const path = join(this.incoming, `probe-${randomUUID()}`);
    try {
      await writeFile(path, 'x', { flag: 'wx', mode: 0o600 });
      return undefined;
    } catch (error) {
      return `cannot be written (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}): uploads fail`;
    } finally {
      await rm(path, { force: true });
    }
  }

  async room(): Promise<number> {
    const { bavail, bsize } = await statfs(this.incoming);
    return bavail * bsize;
  }

  async sweep(olderThanMs: number): Promise<number> {
    let removed = 0;
    for (const name of await readdir(this.incoming)) {
      const path = join(this.incoming, name);
      const found = await unlessMissing(stat(path));
      if (!found || Date.now() - found.mtimeMs < olderThanMs) continue;
      await rm(path, { force: true });
      removed += 1;
    }
    return removed;
  }

  async close(): Promise<void> {
    await this.thread.close();
  }

  private async write(path: string, source: AsyncIterable<Uint8Array>): Promise<{ sha256: string; size: number }> {
    const file = await open(path, 'wx', 0o600);
    const chunks = source[Symbol.asyncIterator]();
    try {
      const beginning = Buffer.allocUnsafeSlow(SMALL_BYTES);
      let size = 0;
      for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
        if (size + next.value.length > SMALL_BYTES)
          return await this.thread.write(path, joined([beginning.subarray(0, size), next.value], chunks));
        beginning.set(next.value, size);
        size += next.value.length;
      }
      const bytes = beginning.subarray(0, size);
      await file.writeFile(bytes);
      await file.sync();
      return { sha256: createHash('sha256').update(bytes).digest('hex'), size };
    } finally {
      await file.close();
      // A break ends the source.
      await chunks.return?.();
    }
  }

  private pathOf(sha256: string): string {
    assertSha256(sha256);
    return join(this.folder, sha256.slice(0, 2), sha256);
  }

  /** The file was synced when it was received; here its name is, and the name of its folder where that is new. */
  private async publish(from: string, { sha256, size }: Content, isKnown: boolean): Promise<void> {
    const to = this.pathOf(sha256);
    const folder = join(to, '..');
    if (await mkdir(folder, { recursive: true, mode: 0o700 })) await syncFolder(this.folder);
    try {
      await link(from, to);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const isThere = isKnown
        ? (await this.stat(sha256))?.size === size
        : (await conditionOf(this, { sha256, size })) === 'good';
      if (!isThere) await this.replace(from, to);
    }
    // Also where it was there: the process that linked it may not have come to this line.
    await syncFolder(folder);
  }

  /** What stands under this address are other bytes. In one step: readers of the old file read on. */
  private async replace(from: string, to: string): Promise<void> {
    const beside = join(this.incoming, randomUUID());
    await link(from, beside);
    await rename(beside, to);
  }
}

/** What was taken of a source, and then the rest of it. */
async function* joined<T>(beginning: readonly T[], rest: AsyncIterator<T>): AsyncGenerator<T> {
  yield* beginning;
  yield* { [Symbol.asyncIterator]: () => rest };
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
