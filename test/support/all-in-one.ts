import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Operator } from '../../agent/demo/operator.js';

/** What `endpoints.json` holds (DESIGN §9). */
export interface Endpoints {
  http: string;
  mqtt: string;
  temporal: string;
  temporalUi: string;
  database: string;
}

/**
 * The all in one as a user starts it: its own process on a data folder of its own, all ports free ones. Owned by a test,
 * which must `stop` or `kill` it, and `remove` its folder.
 */
export class AllInOne {
  private child: ChildProcess | undefined;
  readonly lines: string[] = [];

  constructor(readonly dataDir = mkdtempSync(join(tmpdir(), 'slipway-e2e-')), private readonly env: Record<string, string> = {}) {}

  get pid(): number {
    if (this.child?.pid === undefined) throw new Error('it does not run');
    return this.child.pid;
  }

  get endpoints(): Endpoints {
    return JSON.parse(readFileSync(join(this.dataDir, 'endpoints.json'), 'utf8')) as Endpoints;
  }

  get operator(): Operator {
    return new Operator(this.endpoints.http, readFileSync(join(this.dataDir, 'admin-token'), 'utf8').trim());
  }

  /** Starts it and waits until it is ready. @throws with what it printed. */
  async start(ms = 60_000): Promise<void> {
    const child = spawn(process.execPath, ['--enable-source-maps', 'dist/workers/up.js'], {
      env: {
        ...process.env, SLIPWAY_DATA_DIR: this.dataDir, SLIPWAY_HTTP_PORT: '0', SLIPWAY_MQTT_PORT: '0', SLIPWAY_TEMPORAL_PORT: '0', SLIPWAY_TEMPORAL_UI_PORT: '0',
        SLIPWAY_LOG_LEVEL: 'info', ...this.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => this.lines.push(chunk.toString()));
    const end = Date.now() + ms;
    try {
      while (!existsSync(join(this.dataDir, 'endpoints.json'))) {
        if (child.exitCode !== null || Date.now() > end) throw new Error(`it did not come up (exit code ${child.exitCode})`);
        await sleep(50);
      }
      await this.operator.ready(end - Date.now());
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.lines.join('').slice(-6_000)}`, { cause: error });
    }
  }

  /** SIGTERM, and waits for its end. @returns milliseconds it took. */
  async stop(): Promise<number> {
    const began = Date.now();
    await this.signal('SIGTERM');
    return Date.now() - began;
  }

  kill(): Promise<void> {
    return this.signal('SIGKILL');
  }

  remove(): void {
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  private async signal(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    await ended;
  }

  /** Processes that belong to this data folder: it, its children and theirs, by their command line or environment. Zombies are dead. */
  processes(): { pid: number; command: string }[] {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
      try {
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        const environment = readFileSync(`/proc/${name}/environ`, 'utf8');
        const zombie = /^State:\s+Z/m.test(readFileSync(`/proc/${name}/status`, 'utf8'));
        const ours = Number(name) !== process.pid && !zombie && (command.includes(this.dataDir) || environment.split('\0').includes(`SLIPWAY_DATA_DIR=${this.dataDir}`));
        return ours ? [{ pid: Number(name), command }] : [];
      } catch (error) {
        // It ended between the listing and the reading.
        if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
        throw error;
      }
    });
  }
}

/** Waits for a condition with a deadline. @throws with `what` and the last thing seen. */
export async function until<T>(what: string, look: () => Promise<T | undefined | false> | T | undefined | false, ms = 30_000): Promise<T> {
  let last: unknown;
  for (const end = Date.now() + ms; ; await sleep(100)) {
    try {
      const found = await look();
      if (found) return found;
      last = found;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what} (last: ${last instanceof Error ? last.message : JSON.stringify(last)})`);
  }
}
