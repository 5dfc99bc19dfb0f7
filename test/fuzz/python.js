import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const REQUIREMENTS = fileURLToPath(new URL('requirements.txt', import.meta.url));
const INSTALL_LIMIT_MS = 240_000;

/**
 * A Python environment with schemathesis, made once for each state of requirements.txt, outside of the tree. Every
 * version is pinned: a seed means the same requests only with the same generators.
 */
export function schemathesis() {
  const digest = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 16);
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'slipway', 'fuzz');
  const folder = join(cache, digest);
  if (!existsSync(folder)) install(cache, folder);
  return { python: join(folder, 'bin', 'python') };
}

/** Under another name first: an installation that broke off, or one that runs beside, is never taken for whole. */
function install(cache, folder) {
  console.log('Installing schemathesis (once)');
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  const making = `${folder}.${process.pid}`;
  try {
    execFileSync('python3', ['-m', 'venv', making], { stdio: 'pipe', timeout: INSTALL_LIMIT_MS });
    execFileSync(
      join(making, 'bin', 'python'),
      ['-m', 'pip', 'install', '--quiet', '--no-deps', '--disable-pip-version-check', '-r', REQUIREMENTS],
      { stdio: 'pipe', timeout: INSTALL_LIMIT_MS },
    );
    if (!existsSync(folder)) renameSync(making, folder);
  } catch (error) {
    throw new Error(
      `schemathesis could not be installed; it needs python3 (3.10 or newer) with venv, and PyPI: ${String(error.stderr ?? error.message).slice(-1_000)}`,
      { cause: error },
    );
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}
