import { codeOf } from '../../agent/core/write-file.js';

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
    throw error;
  }
}

/** What a test's commands left behind, by their ids. */
export function killAll(pids: readonly number[]): void {
  for (const pid of pids.filter((one) => one > 1 && isAlive(one))) process.kill(pid, 'SIGKILL');
}
