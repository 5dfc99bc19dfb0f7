import { copyFile, mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Written beside, flushed, renamed: a reader finds the old file or the new one, never half of one. Only one writer per
 * path.
 * @param durable false = not flushed: it survives the process, not a power cut. A fleet of simulated devices has only
 * processes to lose.
 */
export async function replaceFile(path: string, content: string, durable: boolean): Promise<void> {
  const beside = `${path}.new`;
  try {
    const file = await open(beside, 'w', 0o600);
    try {
      await file.writeFile(content);
      if (durable) await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true }); // half of it would hold room that is needed
    throw error;
  }
  if (durable) await syncFolder(dirname(path));
}

/**
 * Flushed before it returns, where that is asked for: after a rename there is the whole file, or the old one. A copy
 * that failed is removed. Its mode is that of the original.
 */
export async function copyWhole(from: string, to: string, durable: boolean): Promise<void> {
  try {
    await copyFile(from, to);
    if (!durable) return;
    const file = await open(to, 'r+');
    await file.sync().finally(() => file.close());
  } catch (error) {
    await rm(to, { force: true });
    throw error;
  }
}

/**
 * A write may take less than it was given, without an error: on a disk with one page to spare it takes that page.
 * @param position null = where the file stands
 * @throws ENOSPC also where the file takes nothing any more
 */
export async function writeWhole(file: FileHandle, bytes: Uint8Array, position: number | null): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const at = position === null ? null : position + done;
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at);
    if (bytesWritten === 0)
      throw Object.assign(new Error(`the disk took ${done} of ${bytes.length} bytes`), { code: 'ENOSPC' });
    done += bytesWritten;
  }
}

/** As `mkdir -p`; new folders survive a power cut where that is asked for. @param mode of new ones */
export async function makeFolder(path: string, durable: boolean, mode = 0o700): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode });
  if (!durable || first === undefined) return;
  for (let made = path; ; made = dirname(made)) {
    await syncFolder(dirname(made));
    if (made === first || dirname(made) === made) return;
  }
}

/** A rename is durable only once its folder is. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** There is no room: on the disk, in the quota, or for a file of this size on this file system. */
export function isDiskFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(codeOf(error) ?? '');
}

/** For catch blocks: the system's code of an error, whatever realm it comes from. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** The message of whatever was thrown; its code, or the value as text, where it has none. */
export function messageOf(error: unknown): string {
  const message = (error as { message?: unknown } | null)?.message;
  return typeof message === 'string' && message !== '' ? message : (codeOf(error) ?? String(error));
}
