import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { codeOf } from '../core/write-file.js';

/** Between asking a group to stop and ending it, milliseconds. */
export const GRACE_MS = 5_000;
/** How long its end is waited for after SIGKILL: a process that hangs in a driver dies when the driver lets it. */
const KILLED_MS = 5_000;
const LOOK_MS = 50;

/**
 * Ends a command with whatever it started: SIGTERM, and after 5 s SIGKILL, until no member of the group lives. The
 * leader's death is not the end: what it started may ignore SIGTERM and go on writing.
 * @returns false where a member lives on: it became another user (sudo), or hangs in the kernel
 * @throws the signal's reason
 */
export async function endGroup(pid: number, signal?: AbortSignal): Promise<boolean> {
  signalGroup(pid, 'SIGTERM');
  if (await isGone(pid, GRACE_MS, signal)) return true;
  signalGroup(pid, 'SIGKILL');
  return isGone(pid, KILLED_MS, signal, () => signalGroup(pid, 'SIGKILL'));
}

async function isGone(
  pid: number,
  withinMs: number,
  signal?: AbortSignal,
  meanwhile: () => void = () => undefined,
): Promise<boolean> {
  for (let waited = 0; ; waited += LOOK_MS) {
    if (!(await isGroupAlive(pid))) return true;
    if (waited >= withinMs) return false;
    signal?.throwIfAborted();
    meanwhile();
    await pause(LOOK_MS, undefined, signal && { signal });
  }
}

/** A zombie is dead: in a container no process may collect it. */
export async function isGroupAlive(pid: number): Promise<boolean> {
  switch (signalGroup(pid, 0)) {
    case 'gone':
      return false;
    // Where /proc hides the processes of others, this is all that is known of it.
    case 'refused':
      return true;
    case 'sent':
      return (await membersOf(pid)).length > 0;
  }
}

/** At once, where nothing can be waited for any more. */
export function killGroup(pid: number): void {
  signalGroup(pid, 'SIGKILL');
}

/** @returns `refused` where none of its members may be signalled by this user: it became another one (sudo). */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): 'sent' | 'gone' | 'refused' {
  if (!Number.isInteger(pid) || pid <= 1) throw new Error(`${pid} is no process group of a command`);
  try {
    process.kill(-pid, signal);
    return 'sent';
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return 'gone';
    if (codeOf(error) === 'EPERM') return 'refused';
    throw error;
  }
}

/** The living members of a process group. */
export async function membersOf(group: number): Promise<number[]> {
  const all = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const members = await Promise.all(all.map(async (pid) => ((await processOf(pid))?.group === group ? [pid] : [])));
  return members.flat();
}

/**
 * What proc(5) says in `stat`: the process group (field 5), and the start in clock ticks since the boot (field 22).
 * @returns undefined where there is no such process; a zombie is none
 */
export async function processOf(pid: number): Promise<{ group: number; startedAt: string } | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const [state, , group, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : { group: Number(group), startedAt: fields[16] ?? '' };
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}
