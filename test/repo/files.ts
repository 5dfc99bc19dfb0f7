import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

/** Every file of the repository that is tracked and still there. */
export const files: readonly string[] = execFileSync('git', ['ls-files'], { encoding: 'utf8' })
  .trim()
  .split('\n')
  .filter((file) => existsSync(file));

export const read = (file: string): string => readFileSync(file, 'utf8');

/** What is written by hand; what a generator of another project made is not in it. */
export const code: readonly string[] = files.filter(
  (file) => /\.(ts|js|cjs|sql|sh)$/.test(file) && !file.startsWith('client/generated/'),
);
