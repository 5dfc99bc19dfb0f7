import { existsSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Log } from '../../runtime/log.js';
import { endProcess, identify, type ProcessId } from './processes.js';

/** A fast shutdown writes a checkpoint; what takes longer is killed, and the log replays it. */
const GRACE_MS = 5_000;

/**
 * Ends what an earlier postmaster left in this data folder, and removes its pid file when nothing of it runs any more.
 * The server's own check is not enough: after `kill -9` its backends may outlive it for a moment, and a number in the
 * file that now belongs to another program keeps it from starting. Call it only while you own the folder.
 */
export async function clearPostgresFolder(data: string, log: Log): Promise<void> {
  const pidFile = join(data, 'postmaster.pid');
  if (!existsSync(pidFile)) return;
  const postmaster = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
  const found = existsSync('/proc/self/cwd') ? processesIn(data) : [];
  if (found.length > 0)
    log.warn(
      { postmaster, processes: found.map(({ pid }) => pid) },
      'stopping the PostgreSQL that an earlier start left behind',
    );
  // The postmaster first: it takes its backends along in good order.
  const first = found.find(({ pid }) => pid === postmaster);
  if (first) await endProcess(first, 'SIGINT', GRACE_MS);
  for (const id of found) await endProcess(id, 'SIGQUIT', GRACE_MS);
  // Where there is no /proc the file stays: the server judges it, and refuses to start rather than harm a running one.
  if (existsSync('/proc/self/cwd')) rmSync(pidFile, { force: true });
}

/** Processes of PostgreSQL that work in this folder: the postmaster and its backends all make it their current one. */
function processesIn(data: string): ProcessId[] {
  const found: ProcessId[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (
        readlinkSync(`/proc/${name}/cwd`) !== data ||
        basename(readlinkSync(`/proc/${name}/exe`)).split(' ')[0] !== 'postgres'
      )
        continue;
    } catch (error) {
      // Another user's, or gone meanwhile: in either case not one of ours.
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EACCES' || code === 'EPERM' || code === 'ENOENT' || code === 'ESRCH') continue;
      throw error;
    }
    const id = identify(Number(name));
    if (id) found.push(id);
  }
  return found;
}
