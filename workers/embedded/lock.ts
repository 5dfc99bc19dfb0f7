import { randomBytes } from 'node:crypto';
import { linkSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createPrivateFile, readFileIfAny } from './private-file.js';
import { identify, isRunning, type ProcessId } from './processes.js';

/** A data directory that only this process uses. */
export interface DataDirLock {
  /** Whether an earlier holder was killed without giving it back: then there may be something to clear up. */
  tookOver: boolean;
  release(): void;
}

/** Each try fails only if another process did something in the same millisecond. */
const TRIES = 10;

/**
 * Makes this process the only one that uses the data directory.
 * A lock whose process has ended, or whose number now belongs to another process, counts as given back.
 * @throws a sentence where a living process holds it.
 */
export function lockDataDir(dataDir: string): DataDirLock {
  const path = join(dataDir, 'lock');
  const me = identify(process.pid);
  if (me === undefined) throw new Error('this process cannot find itself in the list of processes: is /proc mounted?');
  const text = JSON.stringify(me);
  let tookOver = false;
  for (let i = 0; i < TRIES; i++) {
    if (createPrivateFile(path, text)) {
      return { tookOver, release: () => release(path, text) };
    }
    const found = readFileIfAny(path);
    if (found === undefined) continue;
    const holder = parse(found);
    if (holder !== undefined && isRunning(holder)) {
      throw new Error(
        `${dataDir} is in use: Slipway runs on it as process ${holder.pid}. Stop that one first, or set SLIPWAY_DATA_DIR to another folder.`,
      );
    }
    tookOver = removeStale(path, found) || tookOver;
  }
  throw new Error(`${path} could not be taken: other processes keep changing it. Start again, one at a time.`);
}

/**
 * Removes the lock that was judged stale, and no other: between the look and the removal another process may have taken
 * it over, so it is moved aside first, compared, and put back if it is not the one.
 */
function removeStale(path: string, judged: string): boolean {
  const aside = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  try {
    if (readFileIfAny(aside) === judged) return true;
    linkSync(aside, path);
    return false;
  } finally {
    rmSync(aside, { force: true });
  }
}

function release(path: string, text: string): void {
  if (readFileIfAny(path) === text) rmSync(path, { force: true });
}

/** Damaged text counts as stale: it is written in one piece, so only a broken disk damages it. */
function parse(text: string): ProcessId | undefined {
  const match = /^\{"pid":(\d+),"started":"([^"]*)"\}$/.exec(text);
  return match ? { pid: Number(match[1]), started: match[2] ?? '' } : undefined;
}
