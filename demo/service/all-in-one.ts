import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Operator } from './operator.js';

/** What `endpoints.json` holds: every address in use. */
export interface Endpoints {
  http: string;
  /** Where TLS is on. */
  https?: string;
  mqtt: string;
  mqtts?: string;
  temporal: string;
  temporalUi: string;
  database: string;
}

/** What the process printed is kept, as much as helps to find out why it did not come up. */
const KEPT_CHARACTERS = 100_000;

/**
 * The all in one as a user starts it: a process of its own on a data folder of its own, every port a free one. The code
 * that starts it stops it.
 */
export class AllInOne {
  private child: ChildProcess | undefined;
  private printed = '';

  constructor(
    readonly program: string,
    readonly dataDir: string,
    private readonly env: Readonly<Record<string, string>> = {},
    private readonly args: readonly string[] = [],
  ) {}

  get pid(): number {
    if (this.child?.pid === undefined) throw new Error('the all in one was not started');
    return this.child.pid;
  }

  /** Standard output and standard error, in the order in which they came. */
  get output(): string {
    return this.printed;
  }

  get endpoints(): Endpoints {
    return JSON.parse(readFileSync(join(this.dataDir, 'endpoints.json'), 'utf8')) as Endpoints;
  }

  get operator(): Operator {
    return new Operator(this.endpoints.http, readFileSync(join(this.dataDir, 'admin-token'), 'utf8').trim());
  }

  /** Starts it and waits until it is ready. @throws with what it printed. */
  async start(ms = 90_000): Promise<void> {
    const began = Date.now();
    const child = spawn(process.execPath, ['--enable-source-maps', this.program, ...this.args], {
      env: {
        ...process.env,
        SLIPWAY_HTTP_PORT: '0',
        SLIPWAY_MQTT_PORT: '0',
        SLIPWAY_HTTPS_PORT: '0',
        SLIPWAY_MQTT_TLS_PORT: '0',
        SLIPWAY_TEMPORAL_PORT: '0',
        SLIPWAY_TEMPORAL_UI_PORT: '0',
        ...this.env,
        SLIPWAY_DATA_DIR: this.dataDir,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (this.printed = (this.printed + chunk.toString()).slice(-KEPT_CHARACTERS)));
    const end = began + ms;
    try {
      while (!this.hasAddressesSince(began)) {
        if (child.exitCode !== null || child.signalCode !== null)
          throw new Error(`the all in one ended with ${child.signalCode ?? `exit code ${child.exitCode}`}`);
        if (Date.now() > end) throw new Error(`the all in one did not come up within ${ms} ms`);
        await sleep(50);
      }
      await this.operator.ready(end - Date.now());
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.printed.slice(-6_000)}`, { cause: error });
    }
  }

  /**
   * Of this start: one that was killed left its file behind, and for a moment a service that still answers under the
   * old address.
   */
  private hasAddressesSince(began: number): boolean {
    const written = statSync(join(this.dataDir, 'endpoints.json'), { throwIfNoEntry: false })?.mtimeMs;
    return written !== undefined && written >= began;
  }

  /** SIGTERM, and waits for its end. @returns the milliseconds that it took. */
  async stop(): Promise<number> {
    const began = Date.now();
    await this.end('SIGTERM');
    return Date.now() - began;
  }

  protected async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    await ended;
  }
}
