import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Log } from '../../runtime/log.js';
import { readJsonIfAny, writePrivateFile } from './private-file.js';
import { endProcess, identify, isRunning, signal, type ProcessId } from './processes.js';

const recorded = z.array(z.object({ name: z.string(), pid: z.number().int().positive(), started: z.string() }));
type Recorded = z.infer<typeof recorded>[number];

/** Time for what a killed all in one left behind: it noticed the death itself and is usually gone already. */
const GRACE_MS = 3_000;

/** The native processes of this data directory, on disk, so that the next start can end what a crash left. */
export interface ProcessRecord {
  add(name: string, pid: number): void;
  /** Kills each that still runs, without asking: the end of a shutdown that took too long. */
  killAll(): string[];
  /** Forgets all; called when none is left. */
  clear(): void;
}

/**
 * Writes down each child that was started, so that the next start can find it if this process is killed. The window
 * between the start of a child and this line is microseconds; what falls into it ends by itself (IPC channel,
 * parent-death signal).
 */
export function recordProcesses(dataDir: string): ProcessRecord {
  const path = join(dataDir, 'processes.json');
  let known: Recorded[] = [];
  return {
    add(name, pid) {
      const id = identify(pid);
      if (id === undefined) return;
      known = [...known.filter(isRunning), { name, ...id }];
      writePrivateFile(path, JSON.stringify(known));
    },
    killAll() {
      const left = known.filter(isRunning);
      for (const { pid } of left) signal(pid, 'SIGKILL');
      return left.map(({ name, pid }) => `${name} (${pid})`);
    },
    clear() {
      known = [];
      rmSync(path, { force: true });
    },
  };
}

/** Ends what an all in one that was killed left behind on this data directory. Hold the lock when you call it. */
export async function endLeftovers(dataDir: string, log: Log): Promise<void> {
  const path = join(dataDir, 'processes.json');
  const found = recorded.safeParse(readJsonIfAny(path));
  const left = found.success ? found.data.filter(isRunning) : [];
  if (left.length > 0)
    log.warn(
      { processes: left.map(({ name, pid }) => `${name} (${pid})`) },
      'ending what an earlier start left behind',
    );
  await Promise.all(
    left.map((id: ProcessId & { name: string }) =>
      endProcess(id, id.name === 'postgres' ? 'SIGINT' : 'SIGTERM', GRACE_MS),
    ),
  );
  rmSync(path, { force: true });
}
