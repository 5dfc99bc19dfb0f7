import { mkdir, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { assertPieceName, type Pieces } from './port.js';

/** Pieces as files of one folder, each written once. */
export class DiskPieces implements Pieces {
  constructor(private readonly folder: string) {}

  /** Makes the folder. */
  async prepare(): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
  }

  async keep(name: string, bytes: Uint8Array): Promise<void> {
    const path = this.pathOf(name);
    try {
      await writeFile(path, bytes, { flag: 'wx', mode: 0o600, flush: true });
      const folder = await open(this.folder, 'r');
      await folder.sync().finally(() => folder.close());
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  async open(name: string): Promise<Readable | undefined> {
    try {
      return (await open(this.pathOf(name), 'r')).createReadStream();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async remove(name: string): Promise<void> {
    await rm(this.pathOf(name), { force: true });
  }

  async sweep(olderThanMs: number): Promise<number> {
    let removed = 0;
    for (const name of await readdir(this.folder)) {
      const path = join(this.folder, name);
      const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      });
      if (!found || Date.now() - found.mtimeMs < olderThanMs) continue;
      await rm(path, { force: true });
      removed += 1;
    }
    return removed;
  }

  private pathOf(name: string): string {
    assertPieceName(name);
    return join(this.folder, name);
  }
}
