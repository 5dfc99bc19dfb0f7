import { randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { isDiskFull, writeWhole } from './write-file.js';

/** The state of a device is some KiB, that of a gateway some for each child, one written at a time. */
const RESERVE_BYTES = 256 * 1024;
/** What a file system takes for a file beside its bytes: blocks of its own, a folder that grows. */
const BESIDE_BYTES = 16 * 1024;
const BLOCK_BYTES = 4 * 1024;

/**
 * Room on the disk that the agent can count on when another program has taken all the rest: a file of a fixed size,
 * filled with chance, so that no file system saves its blocks. A file that must be written gets as much of it as it
 * needs, and it grows again at once where there is room: what the old content of the replaced file had taken.
 */
export class Reserve {
  private turn: Promise<void> = Promise.resolve();

  constructor(private readonly path: string) {}

  /** As far as there is room. */
  async fill(): Promise<void> {
    const file = await open(this.path, 'a', 0o600).catch((error: unknown) => {
      if (isDiskFull(error)) return undefined;
      throw error;
    });
    if (!file) return;
    try {
      for (let { size } = await file.stat(); size < RESERVE_BYTES; size += BLOCK_BYTES)
        await writeWhole(file, randomBytes(Math.min(BLOCK_BYTES, RESERVE_BYTES - size)), null);
      await file.sync();
    } catch (error) {
      if (!isDiskFull(error)) throw error;
    } finally {
      await file.close();
    }
  }

  /**
   * Does `writing` with room from the reserve, then fills it again.
   * @param bytes how much will be written
   * @throws what `writing` throws also without any reserve
   */
  giveRoomFor(bytes: number, writing: () => Promise<void>): Promise<void> {
    const done = this.turn.then(() => this.give(bytes, writing));
    this.turn = done.then(
      () => undefined,
      () => undefined,
    );
    return done;
  }

  private async give(bytes: number, writing: () => Promise<void>): Promise<void> {
    try {
      await this.shrinkBy(bytes + BESIDE_BYTES);
      await writing();
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      // It may be a name that there is no room for, or a file system that gives blocks back only with the file.
      await rm(this.path, { force: true });
      await writing();
    }
    await this.fill();
  }

  private async shrinkBy(bytes: number): Promise<void> {
    const file = await open(this.path, 'a', 0o600);
    try {
      const { size } = await file.stat();
      await file.truncate(Math.max(0, size - bytes));
    } finally {
      await file.close();
    }
  }
}
