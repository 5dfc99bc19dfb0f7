import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from '../support/until.js';
import type { Version } from './versions.js';

/** A start on a busy machine, and a worker that finishes what it has begun. */
const READY_MS = 120_000;
const END_MS = 60_000;

/** Which program it is. */
export type Kind = 'orchestrator' | 'api' | 'bridge';

/** One line of a log. */
interface Line {
  readonly level: string;
  readonly msg: string;
}

/**
 * One of the processes that an operator rolls: it is stopped by SIGTERM, and the same program of another version takes
 * its place, with the same settings. It ends with this process.
 */
export class RolledProcess {
  /** Which version runs. */
  version: Version | undefined;
  private child: ChildProcess | undefined;
  private lines: Line[] = [];
  private rest = '';
  /** What its logs had at the level of an error, and ends that were none. */
  readonly faults: string[] = [];

  constructor(
    readonly kind: Kind,
    readonly name: string,
    private readonly env: NodeJS.ProcessEnv,
    /** Whether it takes part, by what it said since its start. */
    private readonly isReady: (said: (words: string) => boolean) => boolean | Promise<boolean>,
  ) {}

  /** Stops what runs, starts this version, and waits until it takes part. */
  async replace(version: Version): Promise<void> {
    await this.stop();
    this.lines = [];
    this.version = version;
    const child = spawn(
      process.execPath,
      ['--enable-source-maps', join(version.folder, `dist/workers/${this.kind}.js`)],
      {
        cwd: version.folder,
        env: this.env,
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      },
    );
    this.child = child;
    child.stderr?.on('data', (chunk: Buffer) => this.hear(chunk.toString()));
    await until(
      `${this.title} takes part`,
      () => {
        if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
        return this.isReady((words) => this.said(words));
      },
      READY_MS,
    ).catch((error: unknown) => {
      const last = this.lines.slice(-5).map(({ msg }) => msg);
      throw new Error(`${(error as Error).message}; it said: ${last.join(' | ')}`, { cause: error });
    });
  }

  /** As a supervisor does: SIGTERM, and it must end by itself, with 0. */
  async stop(): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await until(`${this.title} ends`, () => child.exitCode !== null || child.signalCode !== null, END_MS);
    if (child.exitCode !== 0) this.faults.push(`${this.title} ended with ${child.exitCode ?? child.signalCode}`);
  }

  /** Whatever it does. */
  kill(): void {
    this.child?.kill('SIGKILL');
  }

  /** Whether its log has these words, since its start. */
  said(words: string): boolean {
    return this.lines.some(({ msg }) => msg.includes(words));
  }

  /** Whether it says that it leads, and not that it does no longer. */
  get leads(): boolean {
    const last = this.lines.filter(({ msg }) => msg.includes('leads "bridge"')).at(-1);
    return last !== undefined && !last.msg.endsWith('no longer');
  }

  get title(): string {
    return `${this.name} (${this.version?.name ?? 'none'})`;
  }

  private hear(text: string): void {
    const parts = (this.rest + text).split('\n');
    this.rest = parts.pop() ?? '';
    for (const part of parts.filter((one) => one.startsWith('{'))) {
      const line = JSON.parse(part) as Line;
      this.lines.push(line);
      if (['error', 'fatal'].includes(line.level)) this.faults.push(`${this.title} logs: ${part.slice(0, 400)}`);
    }
  }
}

/** `slipway-admin migrate` of a version. @returns what it said. */
export async function migrateBy(version: Version, env: NodeJS.ProcessEnv): Promise<string> {
  const file = join(version.folder, 'dist/cli/admin/main.js');
  const { stdout } = await promisify(execFile)(process.execPath, [file, 'migrate'], { cwd: version.folder, env });
  return stdout.trim();
}
