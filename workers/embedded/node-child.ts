import { spawn } from 'node:child_process';
import { stopChild, type Exit } from './native.js';
import type { Part } from './supervisor.js';

/** `graceMs`: milliseconds from being asked to end until it is killed. */
export interface NodeChildOptions {
  name: string;
  /** The compiled file. */
  file: string;
  env: NodeJS.ProcessEnv;
  graceMs: number;
  onSpawn: (pid: number) => void;
}

/**
 * Of the youngest objects, in MB, three times over: V8's own 16 let each of five processes hold some 30 MB of garbage.
 * Measured with 1,000 devices connected: 609 instead of 733 MB together. Smaller ones are collected more often, which
 * costs less than the measurement can tell.
 */
const YOUNG_MB = 4;

/**
 * Of glibc's heaps, which threads of the engine's client and of Node leave half empty: eight for each core by default.
 */
const ARENAS = '2';

/**
 * A process of Slipway itself as a part. It has an IPC channel, over which nothing is ever sent: that the kernel closes
 * it is how the child learns that this process is gone, however that ended (runtime/shutdown.ts). What it prints goes
 * to standard error: standard output is for people. It counts as started when it runs; whether it is ready is what
 * /health/ready says.
 */
export function nodeChild({ name, file, env, graceMs, onSpawn }: NodeChildOptions): Part {
  return {
    name,
    async start() {
      // A group of its own: Ctrl-C goes to the all in one alone, which then stops them in order.
      const child = spawn(process.execPath, [`--max-semi-space-size=${YOUNG_MB}`, '--enable-source-maps', file], {
        env: { MALLOC_ARENA_MAX: ARENAS, ...env },
        stdio: ['ignore', 2, 2, 'ipc'],
        detached: true,
      });
      const exited = new Promise<Exit>((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', reject);
      });
      const pid = child.pid ?? 0;
      onSpawn(pid);
      return { pid, exited, stop: () => stopChild(child, exited, 'SIGTERM', graceMs) };
    },
  };
}
