import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

/** Installs the tarball of `npm run pack:cli` into an empty folder, where nothing else is. @returns its path */
export function installTarball(folder: string): string {
  const tarball = execFileSync(process.execPath, ['pack.js', 'cli'], { encoding: 'utf8' }).trim().split('\n').at(-1)!;
  mkdirSync(folder, { recursive: true });
  execFileSync('npm', ['install', '--offline', '--global', '--prefix', folder, '--no-audit', '--no-fund', tarball]);
  return tarball;
}
