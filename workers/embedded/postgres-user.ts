import { chmodSync, chownSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { works } from './native.js';

/** The user nobody. The number matters only where user namespaces are blocked and the files really belong to it. */
const UNPRIVILEGED = 65_534;

/** How PostgreSQL is started so that it is not root, which it refuses to be. */
export interface PostgresUser {
  /** Put before the command. */
  prefix: readonly string[];
  /** Gives a folder with all that is in it to the user. */
  own(folder: string): void;
}

/**
 * As root: in a user namespace, where root of the outside is the user nobody inside. Nothing changes on the disk, and
 * it works below a home that only root may enter. Where namespaces are blocked: as the real user nobody, who then owns
 * the folder. No system user is ever made for it: that would edit /etc/passwd.
 * @throws a sentence where neither works.
 */
export function postgresUser(): PostgresUser {
  const nothing = () => undefined;
  if (process.getuid?.() !== 0) return { prefix: [], own: nothing };
  const namespace = ['unshare', '-U', `--map-user=${UNPRIVILEGED}`];
  if (works('unshare', [...namespace.slice(1), 'true'])) return { prefix: namespace, own: nothing };
  const nobody = ['setpriv', `--reuid=${UNPRIVILEGED}`, `--regid=${UNPRIVILEGED}`, '--clear-groups'];
  if (works('setpriv', [...nobody.slice(1), 'true'])) return { prefix: nobody, own: giveToNobody };
  throw new Error(
    'PostgreSQL refuses to run as root, and neither unshare nor setpriv works here: start Slipway as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own',
  );
}

function giveToNobody(folder: string): void {
  // To walk through is enough: what lies in the data directory is readable by its owner only, file by file.
  const above = dirname(folder);
  chmodSync(above, statSync(above).mode | 0o011);
  chownSync(folder, UNPRIVILEGED, UNPRIVILEGED);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) chownSync(join(entry.parentPath, entry.name), UNPRIVILEGED, UNPRIVILEGED);
  }
}
