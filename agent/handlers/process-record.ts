import { readFile, rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { SYSTEM_CLOCK } from '../core/clock.js';
import { codeOf, replaceFile } from '../core/write-file.js';

/** Which process is at work on a slot: enough to find it again after a crash, and not to take another one for it. */
interface ProcessRecord {
  readonly pid: number;
  /** In clock ticks since the boot (proc(5), stat, field 22). */
  readonly startedAt: string;
  readonly boot: string;
  /** By the machine's monotonic clock, milliseconds of that boot: a wall clock that is set moves no deadline. */
  readonly endBy: number;
}

const LOOK_MS = 100;

/**
 * Written before the process may begin its work.
 * @param timeoutMs after so long the next agent ends it
 */
export async function recordProcess(path: string, pid: number, timeoutMs: number): Promise<void> {
  const startedAt = await startOf(pid);
  if (startedAt === undefined) return; // it is gone already
  const record: ProcessRecord = { pid, startedAt, boot: await bootId(), endBy: SYSTEM_CLOCK.monotonic() + timeoutMs };
  await replaceFile(path, JSON.stringify(record), false); // after a power cut there is no such process
}

export function forgetProcess(path: string): Promise<void> {
  return rm(path, { force: true });
}

/**
 * Waits for a process that an earlier agent began and did not see the end of: two at work on one slot would be worse
 * than none. Past its deadline it is ended.
 */
export async function awaitPredecessor(path: string, signal: AbortSignal): Promise<void> {
  const record = await readRecord(path);
  if (!record || record.boot !== (await bootId())) return forgetProcess(path);
  while ((await startOf(record.pid)) === record.startedAt) {
    if (SYSTEM_CLOCK.monotonic() > record.endBy) killGroup(record.pid, 'SIGKILL');
    await pause(LOOK_MS, undefined, { signal });
  }
  await forgetProcess(path);
}

/** The command and whatever it started. */
export function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}

/** @returns undefined where there is no such process; a zombie is none. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : fields[18];
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}

async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

async function readRecord(path: string): Promise<ProcessRecord | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as ProcessRecord;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
