import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

/** Of one write. */
const WRITE_BYTES = 1024 * 1024;
/**
 * What disks want places, lengths and addresses to be multiples of, where the page cache is not between: most 512 or
 * 4,096 bytes.
 */
const ALIGNMENT = 4_096;
/** As many files are written past the cache at once; more go through it. */
const LANES = 8;

/** One buffer is filled while the other is written. */
type Lane = readonly [Buffer, Buffer];

/** TypeScript has it among the names of browsers only. */
declare const WebAssembly: {
  readonly Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
};
const WEBASSEMBLY_PAGE_BYTES = 65_536;

/**
 * Memory of WebAssembly begins at a page; nothing else in JavaScript promises an address. Untouched pages of it cost
 * nothing.
 */
const lanes = once((): Lane[] => {
  const pages = (LANES * 2 * WRITE_BYTES) / WEBASSEMBLY_PAGE_BYTES;
  const buffer = reserve(pages);
  if (!buffer) return [];
  const part = (index: number) => Buffer.from(buffer, index * WRITE_BYTES, WRITE_BYTES);
  return Array.from({ length: LANES }, (_, lane): Lane => [part(2 * lane), part(2 * lane + 1)]);
});

/**
 * A new file that is written once from its beginning, past the page cache where that can be: the cache would be filled
 * at the price of what others keep in it, with bytes that are read later, once, and from then on are in it
 * (docs/decisions/0006, 0010). Where the cache has to be between, it is synced once, at the end: with other writers on
 * the disk, syncs along the way cost more than they saved. Its memory does not grow with the file. One write is under
 * way at most, and the first that fails ends it.
 */
export class DirectFile {
  private filling: Buffer;
  private other: Buffer;
  private filled = 0;
  private written = 0;
  private writing: Promise<void> = Promise.resolve();
  private failure: Error | undefined;

  private constructor(
    private readonly path: string,
    private file: FileHandle,
    private lane: Lane | undefined,
    private isDirect: boolean,
  ) {
    [this.filling, this.other] = lane ?? [Buffer.allocUnsafeSlow(WRITE_BYTES), Buffer.allocUnsafeSlow(WRITE_BYTES)];
  }

  /** @param past the page cache, where the file system and the lanes allow it. */
  static async create(path: string, past: boolean): Promise<DirectFile> {
    const lane = past ? lanes().pop() : undefined;
    try {
      const direct = lane && (await openDirect(path));
      return new DirectFile(path, direct ?? (await open(path, 'w', 0o600)), lane, direct !== undefined);
    } catch (error) {
      if (lane) lanes().push(lane);
      throw error;
    }
  }

  /** Copies the bytes: they may be used again. @throws what an earlier write failed with. */
  async append(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + WRITE_BYTES - this.filled);
      this.filling.set(part, this.filled);
      this.filled += part.length;
      at += part.length;
      if (this.filled === WRITE_BYTES) await this.flush();
    }
  }

  /** All is on the disk after it. @throws what a write failed with. */
  async end(): Promise<void> {
    const size = this.written + this.filled;
    if (this.filled > 0) await this.flush();
    await this.writing;
    if (this.failure !== undefined) throw this.failure;
    // Past the cache the last write is as long as the disk wants it.
    await this.file.truncate(size);
    await this.file.sync();
  }

  async close(): Promise<void> {
    await this.writing;
    try {
      await this.file.close();
    } finally {
      if (this.lane) lanes().push(this.lane);
      this.lane = undefined;
    }
  }

  private async flush(): Promise<void> {
    await this.writing;
    if (this.failure !== undefined) throw this.failure;
    const [buffer, bytes, at] = [this.filling, this.filled, this.written];
    [this.filling, this.other] = [this.other, this.filling];
    this.filled = 0;
    this.written += bytes;
    this.writing = this.write(buffer, bytes, at).catch((error: Error) => void (this.failure ??= error));
  }

  private async write(buffer: Buffer, bytes: number, at: number): Promise<void> {
    const length = this.isDirect ? Math.ceil(bytes / ALIGNMENT) * ALIGNMENT : bytes;
    try {
      await writeAll(this.file, buffer.subarray(0, length), at);
    } catch (error) {
      if (!this.isDirect || !isRefusal(error)) throw error;
      await this.throughTheCache();
      await writeAll(this.file, buffer.subarray(0, bytes), at);
    }
  }

  private async throughTheCache(): Promise<void> {
    const before = this.file;
    [this.file, this.isDirect] = [await open(this.path, 'r+'), false];
    await before.close();
  }
}

/** A write may be short, where the disk is nearly full. */
async function writeAll(file: FileHandle, bytes: Buffer, place: number): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, place + at);
    if (bytesWritten === 0) throw Object.assign(new Error('the disk takes nothing more'), { code: 'ENOSPC' });
    at += bytesWritten;
  }
}

/** @returns undefined where the operating system or the file system knows no such thing. */
async function openDirect(path: string): Promise<FileHandle | undefined> {
  if (constants.O_DIRECT === undefined) return undefined;
  try {
    return await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_DIRECT, 0o600);
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

/** open(2): EINVAL where the file system cannot, or the disk wants another alignment. */
function isRefusal(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EINVAL';
}

/** V8 reserves gigabytes of addresses around it. @returns undefined where they are limited (`ulimit -v`). */
function reserve(pages: number): ArrayBuffer | undefined {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
