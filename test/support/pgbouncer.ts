import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../workers/embedded/ports.js';
import { reachable } from './reachable.js';
import { requireProgram } from './programs.js';
import { until } from './until.js';

const PROGRAM = '/usr/sbin/pgbouncer';
/** It refuses to be root. */
const ANYONE = 65_534;

/** Debian's PgBouncer in transaction mode before a PostgreSQL. Owned by the test, which closes it. */
export class TestedPgBouncer {
  private printed = '';

  private constructor(
    private readonly dir: string,
    readonly url: string,
    private readonly child: ChildProcess,
  ) {
    child.stderr?.on('data', (chunk: Buffer) => (this.printed = (this.printed + chunk.toString()).slice(-10_000)));
  }

  /** @param more lines of pgbouncer.ini */
  static async start(postgres: URL, ...more: string[]): Promise<TestedPgBouncer> {
    requireProgram(PROGRAM, 'debian');
    const dir = mkdtempSync(join(tmpdir(), 'slipway-pgbouncer-'));
    const port = await freePort();
    const [file, users] = [join(dir, 'pgbouncer.ini'), join(dir, 'users.txt')];
    writeFileSync(users, `"${postgres.username}" "${postgres.password}"\n`);
    writeFileSync(
      file,
      `[databases]\n* = host=${postgres.hostname} port=${postgres.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}\nunix_socket_dir =\nauth_type = trust\nauth_file = ${users}\npool_mode = transaction\n${more.join('\n')}\n`,
    );
    const become: string[] = [];
    if (process.getuid?.() === 0) {
      for (const path of [dir, file, users]) chownSync(path, ANYONE, ANYONE);
      become.push(`--reuid=${ANYONE}`, `--regid=${ANYONE}`, '--clear-groups');
    }
    chmodSync(users, 0o600);
    const args = [...become, '--pdeathsig', 'KILL', PROGRAM, '--quiet', file];
    const child = spawn('setpriv', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const url = new URL(postgres);
    url.port = String(port);
    const bouncer = new TestedPgBouncer(dir, url.href, child);
    try {
      await until('PgBouncer listens', () => child.exitCode !== null || reachable(port), 10_000);
      if (child.exitCode !== null) throw new Error(`PgBouncer ended with exit code ${child.exitCode}`);
      return bouncer;
    } catch (error) {
      await bouncer.close();
      throw new Error(`${(error as Error).message}\n${bouncer.printed}`, { cause: error });
    }
  }

  async close(): Promise<void> {
    const { child } = this;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}
