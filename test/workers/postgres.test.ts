import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { freePort } from '../../workers/embedded/ports.js';
import { startPostgres, type EmbeddedPostgres, type PostgresOptions } from '../../workers/embedded/postgres.js';
import { createLog } from '../../runtime/log.js';
import { BINARIES } from '../support/postgresql.js';
import { requireProgram } from '../support/programs.js';
import { until } from '../support/until.js';

let dataDir: string;
let running: EmbeddedPostgres[] = [];
beforeEach(() => void (dataDir = mkdtempSync(join(tmpdir(), 'slipway-postgres-'))));
afterEach(async () => {
  for (const server of running) await server.stop();
  running = [];
  rmSync(dataDir, { recursive: true, force: true });
});

const log = createLog('postgres-test', 'silent');
async function start(port: number, more: Partial<PostgresOptions> = {}): Promise<EmbeddedPostgres> {
  const server = await startPostgres({ dataDir, port, log, ...more });
  running.push(server);
  return server;
}

async function ask(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}

/** Every process that works in the folder. */
const processesInFolder = () =>
  readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readlinkSync(`/proc/${name}/cwd`).startsWith(dataDir);
    } catch (error) {
      if (['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw error;
    }
  });

describe('the embedded PostgreSQL', () => {
  it('keeps every committed row through kill -9, starts again on its folder and port, and leaves no process when it is stopped', async () => {
    const port = await freePort();
    const first = await start(port);
    await ask(first.url, 'create table facts (n int)');
    for (let n = 0; n < 20; n++) await ask(first.url, `insert into facts values (${n})`);
    process.kill(first.pid, 'SIGKILL');
    expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' });

    const second = await start(port);
    expect(second.url).toBe(first.url);
    expect(await ask(second.url, 'select count(*)::int as rows from facts')).toEqual([{ rows: 20 }]);
    await second.stop();
    await until('no process works in the folder', () => processesInFolder().length === 0);
  });

  it('is for this machine and for those who know the password: loopback, no socket file, scram', async () => {
    const server = await start(await freePort());
    expect(
      await ask(
        server.url,
        "select current_setting('listen_addresses') as listens, current_setting('unix_socket_directories') as sockets, current_setting('fsync') as fsync",
      ),
    ).toEqual([{ listens: '127.0.0.1', sockets: '', fsync: 'on' }]);
    expect(statSync(join(dataDir, 'password')).mode & 0o777).toBe(0o600);
    const wrong = new URL(server.url);
    wrong.password = 'guessed';
    await expect(ask(wrong.href, 'select 1')).rejects.toThrow('password authentication failed');
  });

  it('ends one that an earlier start left running on the folder', async () => {
    const left = await start(await freePort(), { durable: false });
    const next = await start(await freePort(), { durable: false });
    await left.exited;
    expect(await ask(next.url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  it('starts though its pid file names a process that is another program now', async () => {
    const port = await freePort();
    const first = await start(port, { durable: false });
    await first.stop();
    const data = join(dataDir, readdirSync(dataDir).find((name) => /^\d+$/.test(name)) ?? '');
    writeFileSync(join(data, 'postmaster.pid'), `${process.pid}\n${data}\n1\n${port}\n\n127.0.0.1\n`);
    await ask((await start(port, { durable: false })).url, 'select 1');
  });

  it('begins anew where the first start was killed while it made the folder', async () => {
    const server = await start(await freePort(), { durable: false });
    await server.stop();
    const version = readdirSync(dataDir).find((name) => /^\d+$/.test(name)) ?? '';
    rmSync(join(dataDir, version), { recursive: true });
    writeFileSync(join(dataDir, `${version}.unfinished`), 'half');
    await ask((await start(await freePort(), { durable: false })).url, 'select 1');
    expect(existsSync(join(dataDir, `${version}.unfinished`))).toBe(false);
  });

  it('is another PostgreSQL where the folder of its programs is named, with the same order of text', async () => {
    requireProgram(join(BINARIES, 'postgres'), 'debian');
    const server = await start(await freePort(), { durable: false, bin: BINARIES });
    const [row] = await ask(
      server.url,
      `SELECT current_setting('server_version') AS version, lower('ÄÖ') AS lower, 'a' > 'Z' AS by_code`,
    );
    expect(row).toEqual({ version: expect.stringMatching(/^15\./), lower: 'äö', by_code: true });
    await server.stop();
    await expect(start(await freePort(), { durable: false })).rejects.toThrow(
      /holds the data of PostgreSQL 15, and this is PostgreSQL 18: start with the one that made it \(SLIPWAY_POSTGRES_BIN\)/,
    );
    expect(readdirSync(dataDir).filter((name) => /^\d/.test(name))).toEqual(['15']);
  });

  it('refuses a folder without its programs, with a sentence', async () => {
    await expect(start(await freePort(), { bin: dataDir })).rejects.toThrow(
      /SLIPWAY_POSTGRES_BIN: .*postgres cannot be run \(ENOENT\); name the folder of postgres and initdb/,
    );
  });

  it('reports its own error when it does not start', async () => {
    const first = await start(await freePort(), { durable: false });
    const other = mkdtempSync(join(tmpdir(), 'slipway-postgres-'));
    try {
      const port = Number(new URL(first.url).port);
      await expect(startPostgres({ dataDir: other, port, log, durable: false })).rejects.toThrow(
        /Address already in use|could not create any TCP\/IP sockets|does not answer/,
      );
    } finally {
      rmSync(other, { recursive: true, force: true });
    }
  });
});
