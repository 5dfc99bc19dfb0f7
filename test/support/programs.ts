import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What `.ci/install` installs by these names. */
export type Part = 'debian' | 'versitygw' | 'schemathesis' | 'deploy' | 'image';

/**
 * Tests install nothing: they say what to do, and fail.
 *
 * @param program a path, or a name that is looked for in PATH.
 * @returns its path.
 * @throws where it is missing, with the command that installs it.
 */
export function requireProgram(program: string, part: Part): string {
  const paths = program.includes('/')
    ? [program]
    : (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, program));
  const path = paths.find(isProgram);
  if (path === undefined)
    throw new Error(
      `${program} is missing, and the tests install nothing. Run${part === 'debian' || part === 'image' ? ' as root' : ''}: .ci/install ${part}`,
    );
  return path;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // not there, or not to be run: both are "missing"
  }
}
