import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { InstallError } from '../core/installer.js';
import { codeOf, messageOf } from '../core/write-file.js';
import type { Ended } from './exit-codes.js';
import { awaitPredecessor, forgetProcess, killGroup, recordProcess } from './process-record.js';

export interface Command {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** Between asking a command to stop and ending it. */
const GRACE_MS = 5_000;
/** What a question may answer: a slot's content is a line. */
const MOST_ANSWER = 64 * 1024;
/** A reader that waits for it sees a line this late. */
const LOOK_MS = 250;

/** Asks a command something that changes nothing: it may be stopped at any time. @returns also its standard output. */
export async function ask({ command, env, timeoutMs }: Command): Promise<Ended & { out: string }> {
  const child = start(command, env, ['ignore', 'pipe', 'pipe']);
  const said = { out: '', err: '' };
  child.stdout?.on('data', (chunk: Buffer) => (said.out = (said.out + chunk.toString()).slice(0, MOST_ANSWER)));
  child.stderr?.on('data', (chunk: Buffer) => (said.err = (said.err + chunk.toString()).slice(-MOST_ANSWER)));
  const end = await endOf(child, timeoutMs, 'close');
  return { ...end, out: said.out, lastWords: lastLine(said.err) || lastLine(said.out) };
}

/**
 * Lets a command change something. It outlives the agent: a command that is killed in the middle of writing a slot
 * leaves half of it, so the command is a process group of its own, writes to files instead of into our pipes, and the
 * next agent waits for its end before it begins again. It begins only when it has been written down that it runs: until
 * then it waits for a line on its standard input, which ends with us.
 * @param place of `<place>.out`, `.err` (what it wrote) and `.run` (which process it is)
 * @param onLine sees each line of its standard output
 */
export async function perform(
  { command, env, timeoutMs }: Command,
  place: string,
  signal: AbortSignal,
  onLine: (line: string) => void = () => undefined,
): Promise<Ended & { lines: string[] }> {
  await mkdir(dirname(place), { recursive: true });
  await awaitPredecessor(`${place}.run`, signal);
  signal.throwIfAborted();
  const [out, err] = await Promise.all([open(`${place}.out`, 'w'), open(`${place}.err`, 'w')]);
  try {
    const child = start(['/bin/sh', '-c', 'read -r go || exit 125; exec "$@" </dev/null', 'sh', ...command], env, [
      'pipe',
      out.fd,
      err.fd,
    ]);
    child.stdin?.on('error', () => child.stdin?.destroy()); // it ended before it read: its exit code says more
    if (child.pid !== undefined) await recordProcess(`${place}.run`, child.pid, timeoutMs + GRACE_MS);
    child.stdin?.end('go\n');
    const tail = follow(`${place}.out`, onLine);
    const end = await endOf(child, timeoutMs, 'exit', signal).finally(() => tail.stop());
    await forgetProcess(`${place}.run`);
    const [said, complained] = await Promise.all([tailOf(`${place}.out`), tailOf(`${place}.err`)]);
    return {
      ...end,
      lastWords: lastLine(complained) || lastLine(said),
      lines: [...linesOf(said), ...linesOf(complained)],
    };
  } finally {
    await Promise.all([out.close(), err.close()]);
  }
}

function start(
  [program = '', ...args]: readonly string[],
  env: Command['env'],
  stdio: ['ignore' | 'pipe', 'pipe' | number, 'pipe' | number],
): ChildProcess {
  return spawn(program, args, { env: { ...process.env, ...env }, stdio, detached: true });
}

/**
 * @throws the signal's reason where the agent ends first: the command is left alone. InstallError where it could not be
 * started.
 */
async function endOf(
  child: ChildProcess,
  timeoutMs: number,
  event: 'exit' | 'close',
  signal?: AbortSignal,
): Promise<Omit<Ended, 'lastWords'>> {
  let timedOut = false;
  const { pid } = child;
  const timers = [
    setTimeout(() => {
      timedOut = true;
      if (pid !== undefined) killGroup(pid, 'SIGTERM');
    }, timeoutMs),
    setTimeout(() => pid !== undefined && killGroup(pid, 'SIGKILL'), timeoutMs + GRACE_MS),
  ];
  try {
    return await new Promise((done, broken) => {
      child.once('error', (error) =>
        broken(
          new InstallError(
            'INSTALL_FAILED',
            `the command could not be started: ${messageOf(error)}`,
            codeOf(error) === 'EAGAIN',
            { cause: error },
          ),
        ),
      );
      child.once(event, (code: number | null, by: string | null) => done({ code, signal: by, timedOut }));
      const leave = () => {
        child.unref();
        broken(signal?.reason as Error);
      };
      if (signal?.aborted === true) leave();
      signal?.addEventListener('abort', leave, { once: true });
    });
  } finally {
    timers.forEach(clearTimeout);
  }
}

/** Reads what is added to a file, line by line. */
function follow(path: string, onLine: (line: string) => void): { stop(): void } {
  let seen = 0;
  const look = async () => {
    const added = await readFrom(path, seen);
    const whole = added.subarray(0, added.lastIndexOf('\n') + 1);
    seen += whole.length;
    for (const line of linesOf(whole.toString())) onLine(line);
  };
  const timer = setInterval(() => void look().catch(() => clearInterval(timer)), LOOK_MS);
  return { stop: () => clearInterval(timer) };
}

/** A handler may write as much as it likes: its end is what is told. */
async function tailOf(path: string): Promise<string> {
  const { size } = await stat(path);
  return (await readFrom(path, Math.max(0, size - MOST_ANSWER))).toString();
}

async function readFrom(path: string, position: number): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(MOST_ANSWER), position });
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '');
}

function lastLine(text: string): string {
  return linesOf(text).at(-1)?.trim() ?? '';
}
