import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Context } from './part.js';

const END_MS = 5_000;

/**
 * A process of the bench's own, so that what it costs can be told from what is measured. Talks over IPC; it ends when
 * the channel closes, also when this process was killed (`endWithParent`).
 */
export class Child<Say, Hear> {
  private readonly process: ChildProcess;
  private readonly listeners = new Set<(message: Hear) => void>();
  private readonly gone: Promise<never>;

  constructor(context: Context, file: URL, args: readonly string[] = []) {
    const child = fork(fileURLToPath(file), args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: ['--enable-source-maps'],
    });
    this.process = child;
    child.on('message', (message) => this.listeners.forEach((listener) => listener(message as Hear)));
    this.gone = new Promise((_resolve, reject) =>
      child.once('exit', (code, signal) => reject(new Error(`${file.pathname} ended (${signal ?? code})`))),
    );
    // A waiter for a message learns of it; without one it is the normal end.
    this.gone.catch(() => undefined);
    context.atEnd(() => this.end());
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  say(message: Say): void {
    this.process.send(message as object);
  }

  /** @returns a function that ends it. */
  listen(listener: (message: Hear) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** The first message that `pick` makes something of. @throws after `ms`, or when the process ends. */
  async hear<T>(what: string, ms: number, pick: (message: Hear) => T | undefined): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    let forget: (() => unknown) | undefined;
    const late = new Promise<never>(
      (_resolve, reject) => (timer = setTimeout(() => reject(new Error(`not within ${ms / 1_000} s: ${what}`)), ms)),
    );
    const heard = new Promise<T>((resolve) => {
      forget = this.listen((message) => {
        const picked = pick(message);
        if (picked !== undefined) resolve(picked);
      });
    });
    try {
      return await Promise.race([heard, late, this.gone]);
    } finally {
      clearTimeout(timer);
      forget?.();
    }
  }

  private async end(): Promise<void> {
    const { process: child } = this;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    const timer = setTimeout(() => child.kill('SIGKILL'), END_MS);
    if (child.connected) child.disconnect();
    await exited;
    clearTimeout(timer);
  }
}

/** In the child: it ends with the channel. */
export function endWithParent(): void {
  process.once('disconnect', () => process.exit(0));
}

/** In the child. */
export function tellParent(message: object): void {
  process.send?.(message);
}
