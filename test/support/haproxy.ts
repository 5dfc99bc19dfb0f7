import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../workers/embedded/ports.js';
import { requireProgram } from './programs.js';
import { until } from './until.js';

const PROGRAM = '/usr/sbin/haproxy';

/**
 * Debian's haproxy before some servers of loopback, each asked GET /health/ready as an operator's would do. Owned by
 * the test, which closes it.
 */
export class TestedHaproxy {
  private printed = '';

  private constructor(
    private readonly dir: string,
    readonly url: string,
    private readonly statistics: string,
    private readonly child: ChildProcess,
  ) {
    child.stderr?.on('data', (chunk: Buffer) => (this.printed = (this.printed + chunk.toString()).slice(-10_000)));
  }

  /** @param servers ports by name */
  static async start(servers: Readonly<Record<string, number>>): Promise<TestedHaproxy> {
    requireProgram(PROGRAM, 'debian');
    const dir = mkdtempSync(join(tmpdir(), 'slipway-haproxy-'));
    const [port, statistics] = [await freePort(), await freePort()];
    const file = join(dir, 'haproxy.cfg');
    writeFileSync(file, configuration(port, statistics, servers));
    // Ends with this process, however that ends.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', PROGRAM, '-db', '-f', file], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const haproxy = new TestedHaproxy(dir, `http://127.0.0.1:${port}`, `http://127.0.0.1:${statistics}/;csv`, child);
    try {
      await until('haproxy answers', async () => child.exitCode !== null || (await haproxy.states()).size > 0);
      if (child.exitCode !== null) throw new Error(`haproxy ended with exit code ${child.exitCode}`);
      return haproxy;
    } catch (error) {
      await haproxy.close();
      throw new Error(`${(error as Error).message}\n${haproxy.printed}`, { cause: error });
    }
  }

  /** What it thinks of each server, by name: `UP`, `DOWN`, or on the way from one to the other. */
  async states(): Promise<Map<string, string>> {
    const [head = '', ...lines] = (await (await fetch(this.statistics)).text()).trim().split('\n');
    const names = head.replace('# ', '').split(',');
    const rows = lines.map((line) => {
      const values = line.split(',');
      return (name: string) => values[names.indexOf(name)] ?? '';
    });
    return new Map(
      rows
        .filter((row) => row('pxname') === 'apis' && row('svname') !== 'BACKEND')
        .map((row) => [row('svname'), row('status')]),
    );
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

function configuration(port: number, statistics: number, servers: Readonly<Record<string, number>>): string {
  return `
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout check 5s
frontend slipway
  bind 127.0.0.1:${port}
  default_backend apis
backend apis
  balance roundrobin
  option httpchk GET /health/ready
  default-server check inter 250ms fall 2 rise 1
${Object.entries(servers)
  .map(([name, at]) => `  server ${name} 127.0.0.1:${at}`)
  .join('\n')}
frontend statistics
  bind 127.0.0.1:${statistics}
  stats enable
  stats uri /
`;
}
