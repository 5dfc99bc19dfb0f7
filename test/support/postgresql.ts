import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from '../../workers/embedded/ports.js';
import { postgresUser } from '../../workers/embedded/postgres-user.js';
import { requireProgram } from './programs.js';
import { until } from './until.js';

/** The programs of the oldest version that Slipway supports, as Debian packages it. */
export const BINARIES = '/usr/lib/postgresql/15/bin';
const USER = 'postgres';
/** Two of each process are over the 100 that it allows by itself (docs/operations.md). */
const MAX_CONNECTIONS = 200;

/**
 * Debian's PostgreSQL 15 on a free port of loopback, on a folder of its own. Owned by the test, which closes it.
 */
export class TestedPostgres {
  private constructor(
    readonly dir: string,
    readonly url: string,
    private readonly child: ChildProcess,
  ) {}

  static async start(): Promise<TestedPostgres> {
    requireProgram(join(BINARIES, 'postgres'), 'debian');
    const user = postgresUser();
    const [dir, port, password] = [mkdtempSync(join(tmpdir(), 'slipway-postgres15-')), await freePort(), randomUUID()];
    const [data, secret] = [join(dir, 'data'), join(dir, 'password')];
    writeFileSync(secret, password, { mode: 0o600 });
    user.own(dir);
    const as = (program: string, ...args: string[]): [string, string[]] => {
      const [first, ...rest] = [...user.prefix, join(BINARIES, program), ...args];
      return [first!, rest];
    };
    execFileSync(
      ...as(
        'initdb',
        '-D',
        data,
        '-U',
        USER,
        '-A',
        'scram-sha-256',
        `--pwfile=${secret}`,
        '-E',
        'UTF8',
        '--locale=C',
        '-N',
      ),
      { stdio: 'ignore' },
    );
    const child = spawn(
      ...as(
        'postgres',
        '-D',
        data,
        '-p',
        String(port),
        '-c',
        'listen_addresses=127.0.0.1',
        '-c',
        'unix_socket_directories=',
        '-c',
        `max_connections=${MAX_CONNECTIONS}`,
      ),
      { stdio: 'ignore' },
    );
    const server = new TestedPostgres(dir, `postgres://${USER}:${password}@127.0.0.1:${port}/postgres`, child);
    try {
      await until('PostgreSQL 15 answers', () => server.answers(), 30_000);
      return server;
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  /** Fast: connected clients are cut off. */
  async close(): Promise<void> {
    const { child } = this;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGINT');
      await ended;
    }
    rmSync(this.dir, { recursive: true, force: true });
  }

  private async answers(): Promise<boolean> {
    const client = new pg.Client({ connectionString: this.url });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return (await client.query('SELECT 1')).rowCount === 1;
    } catch {
      return false; // not yet; `until` has the deadline
    } finally {
      await client.end();
    }
  }
}
