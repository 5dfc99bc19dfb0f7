import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const REQUIREMENTS = fileURLToPath(new URL('requirements.txt', import.meta.url));

/**
 * The Python environment with schemathesis that `.ci/install schemathesis` makes, one for each state of
 * requirements.txt, outside of the tree. Every version is pinned: a seed means the same requests only with the same
 * generators.
 *
 * @throws where it is missing, with the command that makes it.
 */
export function schemathesis() {
  const digest = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 16);
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'slipway', 'fuzz');
  const python = join(cache, digest, 'bin', 'python');
  if (!existsSync(python))
    throw new Error(
      `schemathesis is missing (${python}), and the tests install nothing. Run: .ci/install schemathesis`,
    );
  return { python };
}
