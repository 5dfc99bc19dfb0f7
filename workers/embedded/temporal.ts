import { randomBytes, randomInt } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { basename, dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { probeTemporal } from '../../adapters/engine/probe.js';
import type { Log } from '../../runtime/log.js';
import { nativeEnvironment } from './child-environment.js';
import { startNative, type Exit, type Native } from './native.js';
import { freePort } from './ports.js';
import { startUiProxy, type UiProxy } from './ui-proxy.js';

const HOST = '127.0.0.1';
/** Measured: 0.2 to 0.5 s. A loaded machine, and the first run of a binary of 150 MB, take longer. */
const READY_LIMIT_MS = 30_000;
/** SIGTERM takes 1 to 2 s, and being killed has lost nothing in any measurement. */
const STOP_GRACE_MS = 2_500;

/**
 * A queue of the history service keeps what it has done until its next checkpoint, and walks all of that for each task
 * that comes: with the 30 s that the server has for its own, a rush spends a tenth of its CPU there.
 */
const CHECKPOINTS = ['transfer', 'timer', 'visibility'].flatMap((queue) => [
  '--dynamic-config-value',
  `history.${queue}ProcessorUpdateAckInterval="3s"`,
]);
/**
 * Write-ahead journal and NORMAL: 18.4 -> 33.5 installations a second; what a power failure could take, the reconciler
 * starts again. The journal is taken over into the file after 32 MB instead of 4: pages that are written again and
 * again are then copied once.
 */
const PRAGMAS = ['journal_mode=WAL', 'synchronous=NORMAL', 'wal_autocheckpoint=8000'].flatMap((pragma) => [
  '--sqlite-pragma',
  pragma,
]);

/** How a Temporal development server is started. */
export interface TemporalOptions {
  binary: string;
  /**
   * Null: in memory, gone with the process. Only one server at a time may have a file: two would start without an
   * error.
   */
  dbFile: string | null;
  port: number;
  /** Null: no user interface. */
  uiPort: number | null;
  namespace: string;
  log: Log;
  onSpawn?: (pid: number) => void;
  signal?: AbortSignal;
}

/** A Temporal server that answers on loopback; `uiUrl` null = without its UI. */
export interface EmbeddedTemporal {
  /** host:port */
  address: string;
  uiUrl: string | null;
  pid: number;
  exited: Promise<Exit>;
  stop(graceMs?: number): Promise<void>;
}

/**
 * Starts Temporal's dev server. Resolves when it knows its namespace.
 * @throws with the server's own last lines where it does not come up.
 */
export async function startTemporal(options: TemporalOptions): Promise<EmbeddedTemporal> {
  const { binary, dbFile, port, uiPort, namespace, log } = options;
  if (dbFile !== null) mkdirSync(dirname(dbFile), { recursive: true, mode: 0o700 });
  const page = uiPort === null ? null : await hiddenAddress();
  const native = await startNative(binary.includes('/') ? resolve(binary) : binary, serverArguments(options, page), {
    env: nativeEnvironment(),
    ...(dbFile !== null && isOdd(dbFile) ? { cwd: dirname(dbFile) } : {}),
    parentDeathSignal: dbFile === null ? 'KILL' : 'TERM',
    onLine: (line) => log.debug({ line }, 'temporal'),
  });
  options.onSpawn?.(native.pid);
  let proxy: UiProxy | undefined;
  const stop = async (graceMs = STOP_GRACE_MS) => {
    await Promise.all([proxy?.end(), native.stop(dbFile === null ? 'SIGKILL' : 'SIGTERM', graceMs)]);
  };
  const address = `${HOST}:${port}`;
  try {
    await ready(native, port, namespace, options.signal);
    if (uiPort !== null && page !== null) proxy = await startUiProxy({ upstream: page, host: HOST, port: uiPort });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    address,
    uiUrl: proxy?.url ?? null,
    pid: native.pid,
    // It ends with the server, and its port is free for the next one.
    exited: native.exited.finally(() => proxy?.end()),
    stop,
  };
}

interface Hidden {
  host: string;
  port: number;
}

/**
 * Where the page itself listens: the proxy before it (ui-proxy.ts) is of use only where no page of another site finds
 * the way around. On Linux that is one of 16 million loopback addresses; elsewhere only 127.0.0.1 is there, so that the
 * port alone is unknown.
 */
async function hiddenAddress(): Promise<Hidden> {
  const host =
    process.platform === 'linux' ? `127.${randomInt(1, 255)}.${randomInt(0, 256)}.${randomInt(1, 255)}` : HOST;
  return { host, port: await freePort(host) };
}

/**
 * The server's own HTTP interface cannot be turned off and takes any `Host`: it is told one that only this process
 * knows, and forgets.
 */
const noHttp = () => [
  '--dynamic-config-value',
  `frontend.httpAllowedHosts=["${randomBytes(16).toString('hex')}.invalid"]`,
];

/**
 * The server makes an address of its file, in which `#`, `?` and `%` of a folder's name mean something else: the file
 * would be beside the folder. There it runs in the folder, so that the name of the file is enough.
 */
const isOdd = (dbFile: string) => /[#?%]/.test(dbFile);
const inAddress = (dbFile: string) => (isOdd(dbFile) ? basename(dbFile) : dbFile);

function serverArguments({ dbFile, port, namespace }: TemporalOptions, page: Hidden | null): string[] {
  const file = dbFile === null ? [] : ['--db-filename', inAddress(dbFile), ...PRAGMAS];
  const ui = page === null ? ['--headless'] : ['--ui-ip', page.host, '--ui-port', String(page.port)];
  return [
    'server',
    'start-dev',
    '--ip',
    HOST,
    '--port',
    String(port),
    '--namespace',
    namespace,
    '--log-level',
    'warn',
    ...CHECKPOINTS,
    ...noHttp(),
    ...ui,
    ...file,
  ];
}

async function ready(native: Native, port: number, namespace: string, signal: AbortSignal | undefined): Promise<void> {
  let over = false;
  void native.exited.then(() => (over = true));
  const deadline = Date.now() + READY_LIMIT_MS;
  const check = (what: string, cause?: unknown) => {
    signal?.throwIfAborted();
    if (over)
      throw new Error(`the embedded Temporal server did not start on port ${port}: ${native.lastLines().join(' | ')}`);
    if (Date.now() > deadline)
      throw new Error(`the embedded Temporal server ${what} within ${READY_LIMIT_MS / 1000} s`, { cause });
  };
  while (!(await accepts(port))) {
    check('does not listen');
    await sleep(20);
  }
  for (;;) {
    const against = await probeTemporal({ address: `${HOST}:${port}` }, 2_000, namespace);
    if (against === undefined) return check('died');
    check(`does not know its namespace ${namespace}`, against);
    await sleep(20);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: HOST });
    const answer = (value: boolean) => {
      socket.destroy();
      resolve(value);
    };
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
    socket.setTimeout(1_000, () => answer(false));
  });
}
