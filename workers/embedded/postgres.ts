import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import type { Log } from '../../runtime/log.js';
import { isUnreachable } from '../../store/db/sqlstates.js';
import { nativeEnvironment } from './child-environment.js';
import { startNative, type Exit, type Native } from './native.js';
import { findPostgres, type PostgresBinaries } from './postgres-binaries.js';
import { clearPostgresFolder } from './postgres-leftovers.js';
import { postgresUser, type PostgresUser } from './postgres-user.js';
import { keepSecret } from './private-file.js';

const HOST = '127.0.0.1';
const USER = 'slipway';
/** After a crash the write-ahead log is replayed first: at most a gigabyte of it (max_wal_size). */
const READY_LIMIT_MS = 60_000;
const INITDB_LIMIT_MS = 60_000;
/** A fast shutdown took 0.1 s; the rest is margin for a checkpoint on a slow disk. Killed, it loses nothing either. */
const STOP_GRACE_MS = 4_000;

/** How a PostgreSQL in this data directory is started. */
export interface PostgresOptions {
  /** Holds the data, one folder per major version, and the password. Only one process may use it at a time. */
  dataDir: string;
  port: number;
  log: Log;
  /** Another PostgreSQL than that of the package: the folder of its programs (`SLIPWAY_POSTGRES_BIN`). */
  bin?: string | undefined;
  /** Made if it is missing. */
  database?: string;
  /** False gives up safety against a power failure for speed: tests only. */
  durable?: boolean;
  /** Told of the process before it is ready. */
  onSpawn?: (pid: number) => void;
  signal?: AbortSignal;
}

/** A PostgreSQL that accepts connections on loopback. */
export interface EmbeddedPostgres {
  /** Of the database, with user and password. */
  url: string;
  pid: number;
  exited: Promise<Exit>;
  stop(graceMs?: number): Promise<void>;
}

/**
 * Starts a real PostgreSQL on a folder, for this machine only: loopback, no Unix socket, scram.
 * Ends first what an earlier start left behind in the folder. Resolves when it answers queries.
 * @throws with the server's own last lines where it does not come up.
 */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const { port, log, database = 'slipway', durable = true } = options;
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
  const dataDir = realpathSync(options.dataDir);
  const binaries = findPostgres(options.bin);
  const user = postgresUser();
  const data = join(dataDir, binaries.majorVersion);
  const password = keepSecret(join(dataDir, 'password'), () => existsSync(data));
  await clearPostgresFolder(data, log);
  if (!existsSync(data)) assertNoOther(dataDir, binaries.majorVersion);
  if (!existsSync(data)) await initialise({ data, dataDir, binaries, user, durable });
  user.own(dataDir);

  const native = await startNative(binaries.postgres, ['-D', data, ...serverSettings(port, durable)], {
    prefix: user.prefix,
    cwd: data,
    env: nativeEnvironment(),
    parentDeathSignal: 'INT',
    onLine: (line) => log[line.includes(' PANIC: ') ? 'error' : 'debug']({ line }, 'postgres'),
  });
  options.onSpawn?.(native.pid);
  // Fast: clients are cut off, a checkpoint is written. What is thrown away anyhow needs none.
  const stop = (graceMs = STOP_GRACE_MS) => native.stop(durable ? 'SIGINT' : 'SIGQUIT', graceMs);
  try {
    await ready({ native, password, port, database, ...(options.signal ? { signal: options.signal } : {}) });
  } catch (error) {
    await stop();
    throw error;
  }
  const url = `postgres://${USER}:${password}@${HOST}:${port}/${database}`;
  return { url, pid: native.pid, exited: native.exited, stop };
}

/** A folder of another major version holds the facts: beside it an empty one would look as if all were lost. */
function assertNoOther(dataDir: string, majorVersion: string): void {
  const other = readdirSync(dataDir).find((name) => /^\d+$/.test(name));
  if (other === undefined) return;
  throw new Error(
    `${dataDir} holds the data of PostgreSQL ${other}, and this is PostgreSQL ${majorVersion}: start with the one that made it (SLIPWAY_POSTGRES_BIN), or move with slipway-admin backup and restore`,
  );
}

interface Initialised {
  data: string;
  dataDir: string;
  binaries: PostgresBinaries;
  user: PostgresUser;
  durable: boolean;
}

/** Made beside and renamed, so that a start that is killed in the middle leaves nothing that looks finished. */
async function initialise({ data, dataDir, binaries, user, durable }: Initialised): Promise<void> {
  for (const left of readdirSync(dataDir).filter((name) => name.endsWith('.unfinished')))
    rmSync(join(dataDir, left), { recursive: true, force: true });
  const unfinished = `${data}.unfinished`;
  mkdirSync(unfinished, { mode: 0o700 });
  user.own(dataDir);
  // Text sorts by code point and is lower-cased by Unicode, whatever the machine's own language is.
  const builtin = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const locale = ['--encoding=UTF8', ...(Number(binaries.majorVersion) >= 17 ? builtin : ['--locale=C.UTF-8'])];
  const access = [`--username=${USER}`, `--pwfile=${join(dataDir, 'password')}`, '--auth=scram-sha-256'];
  const [command = binaries.initdb, ...args] = [
    ...user.prefix,
    binaries.initdb,
    '-D',
    unfinished,
    ...access,
    ...locale,
    '--no-instructions',
    ...(durable ? [] : ['--no-sync']),
  ];
  try {
    await promisify(execFile)(command, args, { timeout: INITDB_LIMIT_MS, env: nativeEnvironment() });
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    const { stderr = '' } = error as { stderr?: string };
    throw new Error(
      `the embedded PostgreSQL could not make its data folder: ${stderr.trim() || (error as Error).message}`,
      { cause: error },
    );
  }
  renameSync(unfinished, data);
}

function serverSettings(port: number, durable: boolean): string[] {
  const settings: Record<string, string | number> = {
    listen_addresses: HOST,
    port,
    unix_socket_directories: '',
    max_connections: 200,
    timezone: 'UTC',
    log_timezone: 'UTC',
    // Just-in-time compilation costs more than any of the short queries here.
    jit: 'off',
    // A young fleet's tables grow from nothing to thousands of rows within a minute: until they are analyzed, their
    // queries are planned by guesses.
    autovacuum_naptime: '10s',
    // A client that breaks a rule is that client's error, not the server's news.
    log_min_messages: 'fatal',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

interface Awaited {
  native: Native;
  password: string;
  port: number;
  database: string;
  signal?: AbortSignal;
}

async function ready(server: Awaited): Promise<void> {
  let over = false;
  void server.native.exited.then(() => (over = true));
  const deadline = Date.now() + READY_LIMIT_MS;
  for (;;) {
    server.signal?.throwIfAborted();
    // Also where something else answers on the port: what counts is that *this* server lives.
    if (over)
      throw new Error(
        `the embedded PostgreSQL did not start on port ${server.port}: ${server.native.lastLines().join(' | ')}`,
      );
    try {
      return await makeDatabase(server);
    } catch (error) {
      if ((!isUnreachable(error) && !over) || Date.now() > deadline) {
        throw new Error(`the embedded PostgreSQL does not answer on port ${server.port}: ${(error as Error).message}`, {
          cause: error,
        });
      }
    }
    await sleep(20);
  }
}

async function makeDatabase({ password, port, database }: Awaited): Promise<void> {
  const client = new pg.Client({
    host: HOST,
    port,
    user: USER,
    password,
    database: 'postgres',
    connectionTimeoutMillis: 5_000,
  });
  // A server that dies in the middle also fails the query below; without a listener it would end this process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rowCount } = await client.query('select from pg_database where datname = $1', [database]);
    if (rowCount === 0) await client.query(`create database ${pg.escapeIdentifier(database)}`);
  } finally {
    await client.end();
  }
}
