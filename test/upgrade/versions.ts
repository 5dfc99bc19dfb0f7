import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The version that the present one is rolled out over: a commit of this repository, the first whose processes run on
 * newer schemas. A later release may take its place; then processes of that one must run on the present schema.
 */
export const BASE = '4d07430c';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** A version that can be run: a folder with `dist/` and the packages that it needs. */
export interface Version {
  readonly name: 'old' | 'new';
  readonly folder: string;
}

/** Made by the suite before the old version starts, so that the new one has something to remove. */
export const LEFTOVER = 'ALTER TABLE installations ADD COLUMN of_an_earlier_release text';

/** The suite's own migrations, so that both versions always differ: one adds where all is in use, one removes. */
const MIGRATIONS = (least: string): Readonly<Record<string, string>> => ({
  '9001-adds': `
ALTER TABLE devices ADD COLUMN of_a_later_release text;
ALTER TABLE installations ADD COLUMN of_a_later_release bigint NOT NULL DEFAULT 0;
ALTER TABLE history ADD COLUMN of_a_later_release text;
CREATE TABLE of_a_later_release (tenant_id text NOT NULL, id uuid NOT NULL, PRIMARY KEY (tenant_id, id));`,
  '9002-removes': `
ALTER TABLE installations DROP COLUMN of_an_earlier_release;
INSERT INTO schema_needs (migration, least, because)
  VALUES ('9002-removes', '${least}', 'the column of an earlier release is gone');`,
});

/** @throws a sentence where a clone does not have the commit of the old version */
export function assertHasOld(root = ROOT): void {
  try {
    git(root, 'cat-file', '-e', `${BASE}^{commit}`);
  } catch (cause) {
    const isShallow = git(root, 'rev-parse', '--is-shallow-repository').trim() === 'true';
    throw new Error(
      `the commit ${BASE}, over which the present version is rolled out, is not in this clone${isShallow ? ', which is a shallow one: git fetch --unshallow' : ': git fetch --all'}`,
      { cause },
    );
  }
}

/**
 * Checks the old version out and builds it.
 * @throws a sentence where this clone does not have its commit
 */
export function checkOutOld(below: string): Version {
  assertHasOld();
  const folder = join(below, 'old');
  mkdirSync(folder);
  const archive = join(below, 'old.tar');
  git(ROOT, 'archive', '--output', archive, BASE);
  execFileSync('tar', ['-xf', archive, '-C', folder]);
  usePackages(folder);
  execFileSync(process.execPath, ['build.js'], { cwd: folder, stdio: 'inherit' });
  return { name: 'old', folder };
}

/** What `npm run build` made here, with the suite's migrations. */
export function copyNew(below: string, old: Version): Version {
  const folder = join(below, 'new');
  mkdirSync(folder);
  cpSync(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true });
  for (const name of ['package.json', 'package-lock.json']) cpSync(join(ROOT, name), join(folder, name));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const known = readdirSync(join(old.folder, 'dist/store/sql')).sort();
  const migrations = Object.entries(MIGRATIONS(known.at(-1)!.replace('.sql', '')));
  for (const [name, text] of migrations) writeFileSync(join(folder, `dist/store/sql/${name}.sql`), text);
  return { name: 'new', folder };
}

/** Those of this checkout where they are the same, and otherwise its own. */
function usePackages(folder: string): void {
  const lock = (root: string) => readFileSync(join(root, 'package-lock.json'), 'utf8');
  if (lock(folder) === lock(ROOT) && existsSync(join(ROOT, 'node_modules')))
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  else execFileSync('npm', ['ci', '--no-progress', '--no-audit', '--no-fund'], { cwd: folder, stdio: 'inherit' });
}

const git = (root: string, ...args: string[]): string =>
  execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
