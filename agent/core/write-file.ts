import { copyFile, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Written beside, flushed, renamed: a reader finds the old file or the new one, never half of one. Only one writer
 * per path.
 * @param durable false = not flushed: it survives the process, not a power cut. A fleet of simulated devices has only
 * processes to lose.
 */
export async function replaceFile(path: string, content: string, durable: boolean): Promise<void> {
  const beside = `${path}.new`;
  const file = await open(beside, 'w', 0o600);
  try {
    await file.writeFile(content);
    if (durable) await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, path);
  if (durable) await syncFolder(dirname(path));
}

/**
 * Flushed before it returns, where that is asked for: a rename afterwards has the whole file or the old one.
 */
export async function copyWhole(from: string, to: string, durable: boolean): Promise<void> {
  await copyFile(from, to);
  if (!durable) return;
  const file = await open(to, 'r+');
  await file.sync().finally(() => file.close());
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

/** For catch blocks: the system's code of an error, whatever realm it comes from. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

export function messageOf(error: unknown): string {
  const message = (error as { message?: unknown } | null)?.message;
  return typeof message === 'string' && message !== '' ? message : (codeOf(error) ?? String(error));
}
