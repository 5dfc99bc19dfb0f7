import { existsSync } from 'node:fs';
import { InstallError, isInstallError } from '../core/installer.js';
import { ask } from './run-command.js';

const COPY_MS = 30_000;

/**
 * Access lists, capabilities, labels, and whatever else stands beside a file's content. Node.js has no call for them;
 * `cp` of coreutils has. A smaller one (busybox) knows nothing of them, which is told.
 * @throws InstallError where the system refuses one of them
 */
export async function copyExtendedAttributes(
  from: string,
  to: string,
  trouble: (detail: string) => void,
): Promise<void> {
  const kinds = existsSync('/sys/fs/selinux/enforce') ? 'xattr,context' : 'xattr';
  const command = ['cp', '--attributes-only', `--preserve=${kinds}`, '--', from, to];
  try {
    const { code, lastWords } = await ask({ command, env: { LC_ALL: 'C' }, timeoutMs: COPY_MS });
    // Without a word: this file system has none.
    if (code === 0 || lastWords === '') return;
    if (/option/.test(lastWords)) return trouble(`extended attributes are not kept: ${lastWords}`);
    const isFull = /no space|quota/i.test(lastWords);
    throw new InstallError(isFull ? 'NO_SPACE' : 'INSTALL_FAILED', lastWords.slice(0, 300), false);
  } catch (error) {
    // There is no cp at all.
    if (isInstallError(error) && error.cause !== undefined)
      return trouble(`extended attributes are not kept: ${error.message}`);
    throw error;
  }
}
