import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Endpoints } from '../../demo/service/all-in-one.js';
import { SERVICE_USERNAME } from '../../workers/embedded/child-environment.js';
import { stopChild, type Exit } from '../../workers/embedded/native.js';
import { freePort } from '../../workers/embedded/ports.js';
import { supervise, type Part } from '../../workers/embedded/supervisor.js';
import { createLog } from '../../runtime/log.js';
import { until } from '../support/until.js';

const FILES = { API: 'workers/api.js', orchestrator: 'workers/orchestrator.js', bridge: 'workers/bridge.js' } as const;
export type SecondPart = keyof typeof FILES;
export const SECOND_PARTS = Object.keys(FILES) as SecondPart[];
const GRACE_MS = 8_000;
const READY_MS = 60_000;

/**
 * A second API, orchestrator and bridge beside those of the all in one, as an operator runs them on another machine: by
 * the same settings, on a port of its own, under a supervisor that starts again what died. Its processes live on while
 * the all in one is killed. They end with this process.
 */
export class SecondHalf {
  private readonly supervisor = supervise(createLog('second half', 'silent'));
  private readonly running = new Map<SecondPart, number>();
  private readonly logFile: string;
  port: number | undefined;

  /**
   * @param dataDir of the all in one, of which this takes the blobs, as from a disk that both have mounted, and the
   * secrets
   */
  constructor(
    private readonly dataDir: string,
    private readonly publicUrl: string,
  ) {
    this.logFile = join(dataDir, 'second-half.log');
  }

  /** Until its API is ready, its orchestrator runs installations and its bridge leads or stands by. */
  async start(endpoints: Endpoints): Promise<void> {
    const port = (this.port = await freePort());
    const secret = (name: string) => readFileSync(join(this.dataDir, name), 'utf8').trim();
    const env = {
      ...process.env,
      SLIPWAY_DATA_DIR: this.dataDir,
      SLIPWAY_HTTP_PORT: String(port),
      SLIPWAY_PUBLIC_URL: this.publicUrl,
      SLIPWAY_LOG_LEVEL: 'info',
      DATABASE_URL: endpoints.database,
      TEMPORAL_ADDRESS: endpoints.temporal,
      MQTT_URL: endpoints.mqtt,
      ...(process.env['MQTT_URL'] === undefined
        ? { MQTT_USERNAME: SERVICE_USERNAME, MQTT_PASSWORD: secret('mqtt-password') }
        : {}),
    };
    await this.supervisor.start(
      SECOND_PARTS.map((name) =>
        this.part(name, name === 'API' ? { ...env, SLIPWAY_ADMIN_TOKEN: secret('admin-token') } : env),
      ),
    );
    await until(
      'the second half stands beside the first',
      async () =>
        (await fetch(`http://127.0.0.1:${port}/health/ready`)).ok &&
        this.said('runs installations') > 0 &&
        this.said('stands by for') + this.terms > 0,
      READY_MS,
    );
  }

  pidOf(name: SecondPart): number | undefined {
    return this.running.get(name);
  }

  has(pid: number): boolean {
    return [...this.running.values()].includes(pid);
  }

  /** How often its bridge has become the leader. */
  get terms(): number {
    return this.said(String.raw`leads \"bridge\""`);
  }

  stop(): Promise<void> {
    return this.supervisor.stop();
  }

  private said(words: string): number {
    return readFileSync(this.logFile, 'utf8').split(words).length - 1;
  }

  private part(name: SecondPart, env: NodeJS.ProcessEnv): Part {
    return {
      name,
      start: async () => {
        const log = openSync(this.logFile, 'a');
        const file = fileURLToPath(new URL(`../../${FILES[name]}`, import.meta.url));
        const child = spawn(process.execPath, ['--enable-source-maps', file], {
          env,
          stdio: ['ignore', log, log, 'ipc'],
        });
        closeSync(log);
        const exited = new Promise<Exit>((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
        await new Promise<void>((resolve, reject) => void child.once('spawn', resolve).once('error', reject));
        this.running.set(name, child.pid!);
        void exited.then(() => this.running.delete(name));
        return { pid: child.pid!, exited, stop: () => stopChild(child, exited, 'SIGTERM', GRACE_MS) };
      },
    };
  }
}
