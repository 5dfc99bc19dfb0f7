import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';

/** How a program ended. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A native program that was started; `exited` resolves however it ended. */
export interface Native {
  pid: number;
  exited: Promise<Exit>;
  /** Asks by this signal, kills after the grace, and resolves when it has ended. */
  stop(ask: NodeJS.Signals, graceMs: number): Promise<void>;
  /** The last lines that it wrote to its standard error. */
  lastLines(): string[];
}

/** How a native program is started. */
export interface NativeOptions {
  env: NodeJS.ProcessEnv;
  cwd?: string;
  /** Put before the command, as `unshare …`. */
  prefix?: readonly string[];
  /** Sent by the kernel when this process dies, so that a native program never outlives it. */
  parentDeathSignal: 'INT' | 'TERM' | 'KILL';
  onLine(line: string): void;
}

const KEPT_LINES = 15;
const LAST_LINE_MS = 200;

/** The whole path of a program on the PATH, or undefined. */
export function findProgram(name: string, path = process.env['PATH'] ?? ''): string | undefined {
  return path
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

/**
 * False where there is no such file, or this user may not run it.
 * @throws any other error of the file system
 */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EACCES' || code === 'ENOTDIR') return false;
    throw error;
  }
}

/**
 * Whether a command can be run here; busybox has programs of the same name that know fewer options, so names prove
 * nothing.
 */
export function works(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore', timeout: 5_000 }).status === 0;
}

let canFollowParent: boolean | undefined;

/**
 * Starts a program that is no node process. It leads a process group of its own: Ctrl-C in a terminal reaches the whole
 * group of the all in one, and PostgreSQL would be gone before those who use it.
 * @throws when it cannot be started at all.
 */
export async function startNative(command: string, args: readonly string[], options: NativeOptions): Promise<Native> {
  canFollowParent ??= process.platform === 'linux' && works('setpriv', ['--pdeathsig', 'KILL', 'true']);
  // Innermost: the kernel forgets this signal when the process changes its user.
  const follow = canFollowParent ? ['setpriv', '--pdeathsig', options.parentDeathSignal] : [];
  const [file = command, ...rest] = [...(options.prefix ?? []), ...follow, command, ...args];
  const child = spawn(file, rest, {
    cwd: options.cwd,
    env: options.env,
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  const lines: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (lines.push(line) > KEPT_LINES) lines.shift();
    options.onLine(line);
  });
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      // The last line, which says why, may still be in the pipe; but a program's own children can hold that open for
      // longer.
      const timer = setTimeout(() => resolve({ code, signal }), LAST_LINE_MS);
      child.once('close', () => {
        clearTimeout(timer);
        resolve({ code, signal });
      });
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) =>
      reject(new Error(`${command} could not be started: ${error.message}`, { cause: error })),
    );
  });
  return {
    pid: child.pid ?? 0,
    exited,
    stop: (ask, graceMs) => stopChild(child, exited, ask, graceMs),
    lastLines: () => [...lines],
  };
}

/** Asks, kills after the grace, waits for the end. */
export async function stopChild(
  child: ChildProcess,
  exited: Promise<unknown>,
  ask: NodeJS.Signals,
  graceMs: number,
): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill(ask);
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
  await exited;
  clearTimeout(timer);
}
