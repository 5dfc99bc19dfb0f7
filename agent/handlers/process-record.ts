import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { SYSTEM_CLOCK } from '../core/clock.js';
import { InstallError } from '../core/installer.js';
import { codeOf, replaceFile } from '../core/write-file.js';
import { endGroup, isGroupAlive, killGroup, membersOf, processOf } from './process-group.js';

/** Which process is at work on a slot: enough to find it again after a crash, and not to take another one for it. */
const processRecord = z.object({
  /** Also of its process group. Never 1: a signal to the group 1 would go to every process there is. */
  pid: z.int().min(2),
  /** In clock ticks since the boot (proc(5), stat, field 22). */
  startedAt: z.string().regex(/^\d+$/),
  boot: z.string().min(1),
  /** By the machine's monotonic clock, milliseconds of that boot: a wall clock that is set moves no deadline. */
  endBy: z.number(),
});
type ProcessRecord = z.output<typeof processRecord>;

const LOOK_MS = 100;

/**
 * Written before the process may begin its work.
 * @param timeoutMs after so long the next agent ends it
 */
export async function recordProcess(path: string, pid: number, timeoutMs: number): Promise<void> {
  const startedAt = (await processOf(pid))?.startedAt;
  if (startedAt === undefined) return; // it is gone already
  const record: ProcessRecord = { pid, startedAt, boot: await bootId(), endBy: SYSTEM_CLOCK.monotonic() + timeoutMs };
  await replaceFile(path, JSON.stringify(record), false); // after a power cut there is no such process
}

/** Called once the process has ended; without a record it does nothing. */
export function forgetProcess(path: string): Promise<void> {
  return rm(path, { force: true });
}

/**
 * Waits for a process that an earlier agent began and did not see the end of: two at work on one slot would be worse
 * than none. Past its time it is ended, and so is what it left behind: how it ended is not known, so that the same
 * command begins again.
 * @param meanwhile is called again and again while it is waited for
 * @throws InstallError BUSY where it lives on after all
 */
export async function awaitPredecessor(
  path: string,
  signal: AbortSignal,
  meanwhile: () => Promise<void>,
): Promise<void> {
  const record = await readRecord(path);
  if (!record || record.boot !== (await bootId())) return forgetProcess(path);
  while ((await isLeading(record)) && SYSTEM_CLOCK.monotonic() < record.endBy) {
    await meanwhile();
    await pause(LOOK_MS, undefined, { signal });
  }
  const isLeft = (await isLeading(record)) || (await isLeftBehind(record.pid));
  if (isLeft && !(await endGroup(record.pid, signal)))
    throw new InstallError(
      'BUSY',
      `an earlier run of the command (process group ${record.pid}) is still at work and cannot be ended`,
      true,
    );
  await forgetProcess(path);
}

/**
 * Ends what an earlier agent asked and did not hear the answer of (`kill -9`): it would hold a line, a lock or a
 * processor for ever. For the start of an agent, which is the only one on this folder and has asked nothing yet.
 * @param traces the folder of `ask`
 */
export async function endQuestions(traces: string): Promise<void> {
  for (const name of await namesIn(traces)) {
    const record = await readRecord(join(traces, name));
    const isOurs = record?.boot === (await bootId()) && ((await isLeading(record)) || (await isLeftBehind(record.pid)));
    if (record && isOurs) killGroup(record.pid);
    await forgetProcess(join(traces, name));
  }
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Whether it is this process still: its number may have been given to another one. */
async function isLeading({ pid, startedAt }: ProcessRecord): Promise<boolean> {
  return (await processOf(pid))?.startedAt === startedAt;
}

/**
 * Whether a group without its leader is one of a command. The number may have been given anew since, but a command
 * hands its variables down to what it starts; what became another user cannot be looked into, and is taken for ours.
 */
async function isLeftBehind(pid: number): Promise<boolean> {
  if ((await processOf(pid)) !== undefined || !(await isGroupAlive(pid))) return false;
  const environments = await Promise.all((await membersOf(pid)).map(environmentOf));
  return environments.length === 0 || environments.some((one) => one === undefined || one.includes('SLIPWAY_ACTION='));
}

/** @returns undefined where it may not be read */
async function environmentOf(pid: number): Promise<string | undefined> {
  try {
    return await readFile(`/proc/${pid}/environ`, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(codeOf(error) ?? '')) return '';
    if (['EACCES', 'EPERM'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}

async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

/** @returns undefined also for one that a power cut left empty or cut: its process went with the power. */
async function readRecord(path: string): Promise<ProcessRecord | undefined> {
  try {
    return processRecord.safeParse(JSON.parse(await readFile(path, 'utf8'))).data;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
