import type { FileHandle } from 'node:fs/promises';

/** Of one write: a sixteenth of the system calls and turns of the event loop that the chunks of a socket (64 KiB) would take. */
const WRITE_BYTES = 1024 * 1024;
/** The disk begins with these while more arrives; left to the end, syncing 200 MB took longer than receiving them. */
const SYNC_BYTES = 32 * 1024 * 1024;

/**
 * Writes a file from its beginning while its next bytes arrive and are hashed: one write and one sync under way, so that at most twice
 * `WRITE_BYTES` are in memory, whoever sends how fast. The first failure of either ends it: a sync reports what failed before it only once.
 */
export class WriteBehind {
  private waiting: Uint8Array[] = [];
  private waitingBytes = 0;
  private unsyncedBytes = 0;
  private writing: Promise<void> = Promise.resolve();
  private syncing: Promise<void> = Promise.resolve();
  private isSyncing = false;
  private failure: Error | undefined;

  constructor(private readonly file: FileHandle) {}

  /** @throws what an earlier write failed with. */
  async take(bytes: Uint8Array): Promise<void> {
    this.waiting.push(bytes);
    this.waitingBytes += bytes.length;
    if (this.waitingBytes >= WRITE_BYTES) await this.flush();
  }

  /** All is on the disk after it. */
  async end(): Promise<void> {
    await this.flush();
    await this.settled();
    if (this.failure !== undefined) throw this.failure;
    await this.file.sync();
  }

  /** Nothing is under way any more. Never rejects. */
  async settled(): Promise<void> {
    await this.writing;
    await this.syncing;
  }

  private async flush(): Promise<void> {
    await this.writing;
    if (this.failure !== undefined) throw this.failure;
    const [chunks, bytes] = [this.waiting, this.waitingBytes];
    this.waiting = [];
    this.waitingBytes = 0;
    this.writing = this.write(chunks, bytes).catch((error: Error) => void (this.failure ??= error));
  }

  /** A write may be short, where the disk is nearly full. */
  private async write(chunks: readonly Uint8Array[], bytes: number): Promise<void> {
    if (bytes === 0) return;
    let { bytesWritten: at } = await this.file.writev(chunks);
    const rest = at < bytes ? Buffer.concat(chunks).subarray(at) : undefined;
    for (; rest && at < bytes; ) at += (await this.file.write(rest, rest.length - (bytes - at))).bytesWritten;
    this.unsyncedBytes += bytes;
    if (this.unsyncedBytes < SYNC_BYTES || this.isSyncing) return;
    this.unsyncedBytes = 0;
    this.isSyncing = true;
    this.syncing = this.file.datasync().catch((error: Error) => void (this.failure ??= error)).finally(() => (this.isSyncing = false));
  }
}
