import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/**
 * Written beside and renamed: a reader finds the old text or the new one, never half of it, also after a crash.
 */
export function writePrivateFile(path: string, text: string): void {
  const beside = `${path}.${process.pid}.new`;
  writeFileSync(beside, text, { mode: 0o600 });
  renameSync(beside, path);
}

/**
 * Makes the file with this text unless it is there. False where it was. The text is complete the moment the name
 * exists.
 */
export function createPrivateFile(path: string, text: string): boolean {
  const beside = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeFileSync(beside, text, { mode: 0o600 });
  try {
    linkSync(beside, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(beside, { force: true });
  }
}

/** The text, or undefined where there is no such file. */
export function readFileIfAny(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * The parsed document, or undefined where the file is missing or damaged: what is kept in these files can be made
 * again.
 */
export function readJsonIfAny(path: string): unknown {
  const text = readFileIfAny(path);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError || (error as Error).name === 'SyntaxError') return undefined;
    throw error;
  }
}

/** A secret of 256 random bits that is made once and then kept, readable by its owner only. */
export function keepSecret(path: string, value: string = randomBytes(32).toString('base64url')): string {
  createPrivateFile(path, `${value}\n`);
  return (readFileIfAny(path) ?? '').trim();
}
