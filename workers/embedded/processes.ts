import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process that cannot be mistaken for a later one of the same number. */
export interface ProcessId {
  pid: number;
  /** When it began, in the system's own notation: only ever compared. */
  started: string;
}

const HAS_PROC = existsSync('/proc/self/stat');
const POLL_MS = 20;

/**
 * What runs under this number now; undefined where nothing does. A zombie has ended: only its entry waits for a parent
 * that does not look.
 */
export function identify(pid: number): ProcessId | undefined {
  return HAS_PROC ? fromProc(pid) : fromPs(pid);
}

function fromProc(pid: number): ProcessId | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
  // The command's name, in parentheses, may itself hold spaces and parentheses: count from the last one (proc(5)).
  const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return state === 'Z' || state === 'X' ? undefined : { pid, started: rest[18] ?? '' };
}

/** macOS has no /proc. */
function fromPs(pid: number): ProcessId | undefined {
  let line: string;
  try {
    line = execFileSync('ps', ['-o', 'state=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 5_000,
    }).trim();
  } catch (error) {
    // ps answers 1 for a number without a process.
    if ((error as { status?: number }).status === 1) return undefined;
    throw error;
  }
  const [state = '', ...started] = line.split(/\s+/);
  return state === '' || state.startsWith('Z') ? undefined : { pid, started: started.join(' ') };
}

function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ESRCH';
}

/** A number alone is not enough: the kernel gives it to another process later, which began at another time. */
export function isRunning({ pid, started }: ProcessId): boolean {
  return identify(pid)?.started === started;
}

/** Sends a signal; true where there was a process to take it. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** Whether the process ended within the time. */
export async function ended(id: ProcessId, withinMs: number): Promise<boolean> {
  const deadline = Date.now() + withinMs;
  while (isRunning(id)) {
    if (Date.now() > deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}

/**
 * Ends a process that is not our child: asks, then kills.
 * @throws when it is there after all (stopped in the kernel, or another user's).
 */
export async function endProcess(id: ProcessId, ask: NodeJS.Signals, graceMs: number): Promise<void> {
  if (!isRunning(id)) return;
  signal(id.pid, ask);
  if (await ended(id, graceMs)) return;
  signal(id.pid, 'SIGKILL');
  if (!(await ended(id, 3_000)))
    throw new Error(`process ${id.pid} does not end, not even by SIGKILL; end it and start again`);
}
