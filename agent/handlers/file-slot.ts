import { chmod, chown, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Desired } from '../../protocol/mqtt/payloads.js';
import { hashOf, sizeOf } from '../core/hash.js';
import { InstallError, NOTHING_HELD, type Held } from '../core/installer.js';
import { codeOf, copyWhole, messageOf, syncFolder } from '../core/write-file.js';
import { heldAs, type Remembered, type SlotHandler } from './slot-handler.js';

/**
 * A slot that is one file of the system, `{"file": "/etc/app/config.json"}`: exchanged by a rename in its own folder,
 * so that a reader finds the old content or the new. Its owner and mode stay as they are. What it holds is read
 * from the file each time, because a person may have changed it: for a file of some hundred megabytes take a command.
 */
export class FileSlot implements SlotHandler {
  constructor(
    private readonly file: string,
    private readonly remembered: Remembered,
  ) {}

  async current(): Promise<Held> {
    if ((await sizeOf(this.file)) === undefined) return NOTHING_HELD;
    return heldAs({ sha256: await hashOf(this.file) }, await this.remembered.read());
  }

  async holds(sha256: string): Promise<boolean> {
    return (await sizeOf(this.file)) !== undefined && (await hashOf(this.file)) === sha256;
  }

  async install(path: string, desired: Desired): Promise<void> {
    try {
      // A crash between the rename and the memory of it: the content is there.
      if (!(await this.holds(desired.firmware.sha256))) await this.swap(path);
    } catch (error) {
      if (codeOf(error) === 'ENOSPC') throw new InstallError('NO_SPACE', messageOf(error), false, { cause: error });
      if (['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'EISDIR'].includes(codeOf(error) ?? ''))
        throw new InstallError('INSTALL_FAILED', messageOf(error), false, { cause: error });
      throw error;
    }
    await this.remembered.write(desired);
  }

  confirm(): Promise<void> {
    return this.remembered.confirm();
  }

  private async swap(path: string): Promise<void> {
    const target = await this.target();
    const beside = `${target}.slipway-new`;
    await rm(beside, { force: true });
    await copyWhole(path, beside, true);
    const before = await statOf(target);
    await chmod(beside, before ? before.mode & 0o7777 : 0o644);
    if (before) await chown(beside, before.uid, before.gid);
    await rename(beside, target);
    await syncFolder(dirname(target));
  }

  /** A link stays a link: what it points at is exchanged. */
  private async target(): Promise<string> {
    try {
      return await realpath(this.file);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return this.file;
      throw error;
    }
  }
}

async function statOf(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
