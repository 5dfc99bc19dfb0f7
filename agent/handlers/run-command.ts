import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { InstallError } from '../core/installer.js';
import { codeOf, messageOf } from '../core/write-file.js';
import { boundOutput, CommandOutput, MOST_KEPT } from './command-output.js';
import type { Ended } from './exit-codes.js';
import { endGroup, GRACE_MS, killGroup } from './process-group.js';
import { awaitPredecessor, forgetProcess, recordProcess } from './process-record.js';

/** A program with its arguments; no shell reads it. */
export interface Command {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** What a question may answer: a slot's content is a line. */
const MOST_ANSWER = MOST_KEPT;
/** What a process left in a pipe when it ended is read within this, milliseconds; it is there already. */
const DRAIN_MS = 250;
/** A line of a handler's output, as it is told. */
const TOLD_CHARACTERS = 1_000;

/** Before a command: it begins with the line that `letBegin` writes, and ends where we end before that. */
const AT_OUR_WORD = ['/bin/sh', '-c', 'read -r go || exit 125; exec "$@" </dev/null', 'sh'];

/** Questions that are not answered yet: they end with the agent, because they change nothing. */
const asked = new Set<number>();
process.on('exit', () => asked.forEach(killGroup));

/**
 * Asks a command something that changes nothing: it may be stopped at any time.
 * @param traces the folder in which it is written down while it runs, so that the next agent can end it
 *   (`endQuestions`); left out where the command ends by itself
 * @returns also its standard output
 */
export async function ask({ command, env, timeoutMs }: Command, traces?: string): Promise<Ended & { out: string }> {
  const isTraced = traces !== undefined;
  const child = start(isTraced ? [...AT_OUR_WORD, ...command] : command, env, [
    isTraced ? 'pipe' : 'ignore',
    'pipe',
    'pipe',
  ]);
  if (child.pid !== undefined) asked.add(child.pid);
  const [out, err] = [new Pipe(child.stdout as Socket, 'oldest'), new Pipe(child.stderr as Socket, 'newest')];
  try {
    const ended = endOf(child, timeoutMs);
    const trace = isTraced && child.pid !== undefined ? await traced(child.pid, traces, timeoutMs) : undefined;
    letBegin(child);
    const end = await ended;
    if (trace !== undefined && end.isOver) await forgetProcess(trace);
    await Promise.all([out.drained(), err.drained()]);
    return { ...end, out: out.text(), lastWords: lastLine(err.text()) || lastLine(out.text()) };
  } finally {
    if (child.pid !== undefined) asked.delete(child.pid);
    out.leave();
    err.leave();
  }
}

/** @returns undefined where it could not be written down: on a full disk, too, a device says what its slots hold. */
async function traced(pid: number, traces: string, timeoutMs: number): Promise<string | undefined> {
  const trace = join(traces, `${pid}.run`);
  try {
    await mkdir(traces, { recursive: true });
    await recordProcess(trace, pid, timeoutMs + GRACE_MS);
    return trace;
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return undefined;
  }
}

/** Runs a command that answers nothing, with our own output as its output. */
export async function run({ command, env, timeoutMs }: Command): Promise<Ended> {
  return { ...(await endOf(start(command, env, ['ignore', 'inherit', 'inherit']), timeoutMs)), lastWords: '' };
}

/**
 * Waits for what an earlier agent let begin at this place and did not see the end of, and ends it after its time.
 * @throws InstallError BUSY where it cannot be ended; the signal's reason
 */
export function awaitEarlier(place: string, signal: AbortSignal): Promise<void> {
  return awaitPredecessor(`${place}.run`, signal, async () => {
    await Promise.all([boundOutput(`${place}.out`), boundOutput(`${place}.err`)]);
  });
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
  await awaitEarlier(place, signal);
  const record = `${place}.run`;
  signal.throwIfAborted();
  const out = await CommandOutput.open(`${place}.out`, onLine);
  const err = await CommandOutput.open(`${place}.err`).catch(async (error: unknown) => {
    await out.close();
    throw error;
  });
  let end: Omit<Ended, 'lastWords'> | undefined;
  let written: string[] = [];
  try {
    end = await performed(command, env, timeoutMs, { out, err, record }, signal);
  } finally {
    written = await Promise.all([out.close(), err.close()]);
  }
  // What cannot be ended is found again by the next run, which waits for it.
  if (end.isOver) await forgetProcess(record);
  const [said = '', complained = ''] = written;
  return {
    ...end,
    lastWords: lastLine(complained) || lastLine(said),
    lines: [...linesOf(said), ...linesOf(complained)].map((line) => line.slice(0, TOLD_CHARACTERS)),
  };
}

async function performed(
  command: Command['command'],
  env: Command['env'],
  timeoutMs: number,
  { out, err, record }: { out: CommandOutput; err: CommandOutput; record: string },
  signal: AbortSignal,
): Promise<Omit<Ended, 'lastWords'>> {
  const child = start([...AT_OUR_WORD, ...command], env, ['pipe', out.fd, err.fd]);
  const ended = endOf(child, timeoutMs, signal);
  const isEnded = ended.then(
    () => undefined,
    () => undefined,
  ); // it may end, or be left, before it is waited for
  try {
    if (child.pid !== undefined) await recordProcess(record, child.pid, timeoutMs + GRACE_MS);
  } catch (error) {
    child.stdin?.destroy(); // it ends without having begun
    await isEnded;
    throw error;
  }
  letBegin(child);
  out.follow();
  err.follow();
  return ended;
}

function letBegin({ stdin }: ChildProcess): void {
  stdin?.end('go\n');
}

function start(
  [program = '', ...args]: readonly string[],
  env: Command['env'],
  stdio: ['ignore' | 'pipe', 'pipe' | 'inherit' | number, 'pipe' | 'inherit' | number],
): ChildProcess {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio, detached: true });
  child.stdin?.on('error', () => child.stdin?.destroy()); // it ended before it read: its exit code says more
  return child;
}

/**
 * A command's end is the end of its process, whatever holds its output open. Where it ended well, what it left running
 * is its own affair (a daemon that it started); after any other end, and after its time, its whole process group is
 * ended before this returns.
 * @throws the signal's reason where the agent ends first: the command is left alone. InstallError where it could not be
 * started.
 */
async function endOf(child: ChildProcess, timeoutMs: number, signal?: AbortSignal): Promise<Omit<Ended, 'lastWords'>> {
  const { pid } = child;
  const end = await firstEnd(child, timeoutMs, signal);
  const isWell = end !== undefined && end.code === 0;
  const isOver = isWell || pid === undefined || (await endGroup(pid, signal));
  return { ...(end ?? { code: null, signal: null }), timedOut: end === undefined, isOver };
}

/** @returns undefined where its time was over before */
async function firstEnd(
  child: ChildProcess,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<{ code: number | null; signal: string | null } | undefined> {
  let timer: NodeJS.Timeout | undefined;
  let leave: () => void = () => undefined;
  try {
    return await new Promise((done, broken) => {
      timer = setTimeout(() => done(undefined), timeoutMs);
      child.once('error', (error) => broken(notStarted(error)));
      child.once('exit', (code, by) => done({ code, signal: by }));
      leave = () => {
        child.unref();
        broken(signal?.reason as Error);
      };
      if (signal?.aborted === true) leave();
      signal?.addEventListener('abort', leave, { once: true });
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', leave);
  }
}

function notStarted(error: Error): InstallError {
  const message = `the command could not be started: ${messageOf(error)}`;
  return new InstallError('INSTALL_FAILED', message, codeOf(error) === 'EAGAIN', { cause: error });
}

/** What a command writes into a pipe to us, bounded. */
class Pipe {
  private kept = Buffer.alloc(0);
  private bytes = 0;
  private isOpen = true;

  constructor(
    private readonly socket: Socket,
    private readonly keep: 'oldest' | 'newest',
  ) {
    socket.on('data', (piece: Buffer) => this.append(piece));
    socket.on('error', () => (this.isOpen = false)); // what was read counts, and how the process ended
    socket.once('close', () => (this.isOpen = false));
  }

  text(): string {
    return this.kept.toString();
  }

  /** After the end of the process: each turn of the loop reads what the pipe holds, until it holds nothing. */
  async drained(): Promise<void> {
    const until = performance.now() + DRAIN_MS;
    for (let before = -1; this.isOpen && before !== this.bytes && performance.now() < until;) {
      before = this.bytes;
      await turn();
      await turn();
    }
  }

  /** A process that holds the other end may write on: it is read and thrown away, and keeps nothing from ending. */
  leave(): void {
    this.socket.removeAllListeners('data');
    this.socket.resume();
    this.socket.unref();
  }

  private append(piece: Buffer): void {
    this.bytes += piece.length;
    if (this.keep === 'newest') this.kept = Buffer.concat([this.kept, piece]).subarray(-MOST_ANSWER);
    else if (this.kept.length < MOST_ANSWER) this.kept = Buffer.concat([this.kept, piece]).subarray(0, MOST_ANSWER);
  }
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '');
}

function lastLine(text: string): string {
  return linesOf(text).at(-1)?.trim() ?? '';
}
