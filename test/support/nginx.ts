import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../workers/embedded/ports.js';
import { requireProgram } from './programs.js';
import { until } from './until.js';

const PROGRAM = '/usr/sbin/nginx';

/** Debian's nginx, which serves the files of one folder as bytes. Owned by the test, which closes it. */
export class TestedNginx {
  private printed = '';

  private constructor(
    private readonly dir: string,
    readonly url: string,
    private readonly child: ChildProcess,
  ) {
    child.stderr?.on('data', (chunk: Buffer) => (this.printed = (this.printed + chunk.toString()).slice(-10_000)));
  }

  /** @param files that it serves, by name */
  static async start(files: Readonly<Record<string, Buffer>>): Promise<TestedNginx> {
    requireProgram(PROGRAM, 'debian');
    const dir = mkdtempSync(join(tmpdir(), 'slipway-nginx-'));
    mkdirSync(join(dir, 'files'));
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(dir, 'files', name), bytes);
    const port = await freePort();
    writeFileSync(join(dir, 'nginx.conf'), configuration(dir, port));
    // Ends with this process, however that ends.
    const child = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', PROGRAM, '-p', dir, '-e', 'stderr', '-c', join(dir, 'nginx.conf')],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const nginx = new TestedNginx(dir, `http://127.0.0.1:${port}`, child);
    try {
      await until('nginx answers', async () => child.exitCode !== null || (await fetch(nginx.url)).status > 0);
      if (child.exitCode !== null) throw new Error(`nginx ended with exit code ${child.exitCode}`);
      return nginx;
    } catch (error) {
      await nginx.close();
      throw new Error(`${(error as Error).message}\n${nginx.printed}`, { cause: error });
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

function configuration(dir: string, port: number): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${dir}/${name};`,
  );
  // One process: it ends with its test, and reads as the test does.
  return `
    daemon off; master_process off; worker_processes 1; pid ${dir}/nginx.pid; error_log stderr;
    events { }
    http {
      access_log off; default_type application/octet-stream; ${temporary.join(' ')}
      server { listen 127.0.0.1:${port}; root ${dir}/files; }
    }`;
}
