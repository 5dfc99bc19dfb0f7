import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openPool, type Pool } from '../../store/db/pool.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { until } from '../support/until.js';

/** The API as the process that runs in production, over a database of its own. It may be killed and started again. */
export class ApiProcess {
  url = '';
  /** A command that becomes the process: it gets its command line as arguments. */
  within: readonly string[] = [];
  private child: ChildProcess | undefined;

  private constructor(
    readonly database: TestDatabase,
    readonly folder: string,
    readonly pool: Pool,
    private readonly env: Record<string, string>,
    readonly token = randomBytes(24).toString('base64url'),
    private readonly isBeside = false,
  ) {}

  /**
   * Not started yet: a test may prepare what the process finds.
   * @param upTo the last migration that its database has; absent = all of them
   */
  static async prepare(title: string, env: Record<string, string> = {}, upTo?: string): Promise<ApiProcess> {
    const database = await createTestDatabase(title, upTo);
    const folder = await mkdtemp(join(tmpdir(), 'slipway-api-process-'));
    return new ApiProcess(
      database,
      folder,
      openPool({ databaseUrl: database.url, name: 'api-process-test', max: 4 }),
      env,
    );
  }

  /** Another process of the same service, with the same database, folder and token. That one is removed last. */
  static beside({ database, folder, pool, token, env }: ApiProcess, more: Record<string, string>): ApiProcess {
    return new ApiProcess(database, folder, pool, { ...env, ...more }, token, true);
  }

  get pid(): number {
    return this.child!.pid!;
  }

  async start(): Promise<void> {
    await this.listen();
    await until('the API answers', async () => (await this.fetch('GET', '/v1/firmwares')).status === 200, 30_000);
  }

  /** Starts it, and waits no longer than until its port answers: it may not become ready. */
  async listen(): Promise<void> {
    const [program = process.execPath, ...args] = [...this.within, process.execPath, 'dist/workers/api.js'];
    const child = spawn(program, args, {
      env: {
        ...process.env,
        DATABASE_URL: this.database.url,
        SLIPWAY_DATA_DIR: this.folder,
        SLIPWAY_HTTP_PORT: '0',
        SLIPWAY_ADMIN_TOKEN: this.token,
        SLIPWAY_LOG_LEVEL: 'info',
        ...this.env,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.child = child;
    const port = await new Promise<number>((resolve, reject) => {
      createInterface({ input: child.stderr }).on('line', (line) => {
        const said = JSON.parse(line) as { msg?: string; port?: number };
        if (said.msg === 'listens') resolve(said.port!);
      });
      child.once('exit', (code) => reject(new Error(`the API ended with ${code}`)));
    });
    this.url = `http://127.0.0.1:${port}`;
  }

  fetch(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** By its id, and waits for its end. */
  async end(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  async remove(): Promise<void> {
    await this.end();
    if (this.isBeside) return;
    await this.pool.end();
    await this.database.drop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
