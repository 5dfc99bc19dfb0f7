import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf } from '../../agent/core/write-file.js';
import { TENANT } from './service.js';

/** `slipway-agent --config agent.json` as a process of its own, with a folder of its own for everything it touches. */
export class RealAgent {
  private child: ChildProcess | undefined;
  /** Standard error of all its lives. */
  output = '';

  private constructor(
    readonly dir: string,
    private readonly url: string,
  ) {}

  static async create(url: string): Promise<RealAgent> {
    return new RealAgent(await mkdtemp(join(tmpdir(), 'slipway-real-agent-')), url);
  }

  /** Another process with the same folder and configuration. */
  another(): RealAgent {
    return new RealAgent(this.dir, this.url);
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  async text(name: string): Promise<string | undefined> {
    try {
      return await readFile(this.path(name), 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  has(name: string): boolean {
    return existsSync(this.path(name));
  }

  write(name: string, text = ''): Promise<void> {
    return writeFile(this.path(name), text);
  }

  /** An executable script in the agent's folder, which is its first argument's `$DIR`. */
  async script(name: string, body: string): Promise<string> {
    await writeFile(this.path(name), `#!/bin/sh\nset -eu\nDIR='${this.dir}'\n${body}\n`);
    await chmod(this.path(name), 0o755);
    return this.path(name);
  }

  async configure(members: { slots: object; [more: string]: unknown }): Promise<void> {
    await writeFile(
      this.path('agent.json'),
      JSON.stringify({ url: this.url, username: `${TENANT}/d-1`, password: 'secret', stateDir: 'state', ...members }),
    );
  }

  /**
   * @param under a program and its arguments that run the agent, such as `setpriv`
   * @param stderr a file's descriptor in the place of a pipe to the test
   */
  start({ under = [], stderr = 'pipe' }: { under?: readonly string[]; stderr?: number | 'pipe' } = {}): void {
    const [program = '', ...args] = [
      ...under,
      process.execPath,
      'dist/agent/main.js',
      '--config',
      this.path('agent.json'),
    ];
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', stderr] });
    child.stderr?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.child = child;
  }

  /** @returns undefined while it runs */
  get exit(): number | string | undefined {
    return this.child?.exitCode ?? this.child?.signalCode ?? undefined;
  }

  /** @returns its exit code; null where the signal ended it, or it had ended before */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return null;
    const exited = once(child, 'exit') as Promise<[number | null]>;
    child.kill(signal);
    return (await exited)[0];
  }

  async remove(): Promise<void> {
    await this.end('SIGKILL');
    await rm(this.dir, { recursive: true, force: true });
  }
}
