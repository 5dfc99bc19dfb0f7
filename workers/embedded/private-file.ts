import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** That others may list a folder, and read, make and remove what is in it. */
const OPEN_TO_OTHERS = 0o066;

/**
 * Makes the folder for its owner alone, and closes one that was there before and is open to others: it holds secrets,
 * and the facts. To walk through it may stay allowed, which the embedded PostgreSQL may need as its own user.
 * @throws a sentence where it is open and this user may not close it
 */
export function makePrivateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const mode = statSync(path).mode & 0o7777;
  if ((mode & OPEN_TO_OTHERS) === 0) return;
  try {
    chmodSync(path, mode & ~OPEN_TO_OTHERS);
  } catch (error) {
    throw new Error(
      `${path} is open to other users (mode ${mode.toString(8)}), and this one may not change that: chmod 700 it, or set SLIPWAY_DATA_DIR to a folder of this user`,
      { cause: error },
    );
  }
}

/** A name that survives a power loss while its bytes do not is an empty file: so the bytes are on the disk first. */
function writeSynced(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
  sync(path);
}

function sync(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/**
 * Written beside and renamed: a reader finds the old text or the new one, never half of it, also after a power loss.
 */
export function writePrivateFile(path: string, text: string): void {
  const beside = `${path}.${process.pid}.new`;
  writeSynced(beside, text);
  renameSync(beside, path);
  sync(dirname(path));
}

/**
 * Makes the file with this text unless it is there. False where it was. The text is complete the moment the name
 * exists.
 */
export function createPrivateFile(path: string, text: string): boolean {
  const beside = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeSynced(beside, text);
  try {
    linkSync(beside, path);
    sync(dirname(path));
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

/**
 * A secret of 256 random bits that is made once and then kept, readable by its owner only. An empty file holds none: it
 * is what a power loss may leave of one.
 * @param isInUse whether something was made with the secret that no other opens; then it is not made anew
 * @throws where it is lost and in use
 */
export function keepSecret(path: string, isInUse: () => boolean = () => false): string {
  const kept = readFileIfAny(path)?.trim();
  if (kept !== undefined && kept !== '') return kept;
  if (kept === '' && isInUse())
    throw new Error(
      `${path} is empty, and nothing else knows this secret: put the file of a backup of the folder there`,
    );
  const made = `${randomBytes(32).toString('base64url')}\n`;
  if (kept === undefined) createPrivateFile(path, made);
  else writePrivateFile(path, made);
  return (readFileIfAny(path) ?? '').trim();
}
