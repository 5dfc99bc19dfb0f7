import { constants } from 'node:fs';
import { copyFile, lstat, open, readlink, realpath, rename, rm, type FileHandle } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Desired } from '../../protocol/mqtt/payloads.js';
import { hashOf } from '../core/hash.js';
import { InstallError, isInstallError, NOTHING_HELD, type Held } from '../core/installer.js';
import { codeOf, isDiskFull, messageOf, syncFolder } from '../core/write-file.js';
import { copyExtendedAttributes } from './extended-attributes.js';
import { heldAs, type Remembered, type SlotHandler } from './slot-handler.js';

/** A slot that is one file, which is exchanged as a whole. */
export interface FileSlotOptions {
  readonly file: string;
  /** What is done where the file is a symbolic link: what it points at is exchanged, or nothing is. */
  readonly symlink: 'follow' | 'refuse';
  /** Of a file that is not there yet. */
  readonly mode: number;
  readonly remembered: Remembered;
  /** Is told what could not be kept of the old file. */
  readonly trouble: (detail: string) => void;
}

/** Another try would end the same way: a person must repair the device or its configuration. */
const HOPELESS = ['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'EISDIR', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'];
/** As the system follows them at most. */
const MOST_LINKS = 40;

/**
 * A slot that is one file of the system, `{"file": "/etc/app/config.json"}`: exchanged by a rename in its own folder,
 * so that a reader finds the old content or the new. Owner, mode (setuid too) and extended attributes stay as they are.
 * What it holds is read from the file each time, because a person may have changed it: for a file of some hundred
 * megabytes take a command.
 */
export class FileSlot implements SlotHandler {
  constructor(private readonly options: FileSlotOptions) {}

  async current(): Promise<Held> {
    const sha256 = await this.digest();
    return sha256 === undefined ? NOTHING_HELD : heldAs({ sha256 }, await this.options.remembered.read());
  }

  async holds(sha256: string): Promise<boolean> {
    return (await this.digest()) === sha256;
  }

  async install(path: string, desired: Desired): Promise<void> {
    await withItsCode(async () => {
      const target = await this.target();
      // A crash between the rename and the memory of it: the content is there.
      if (!(await this.holds(desired.firmware.sha256))) await this.swap(path, target);
    });
    await this.options.remembered.tryToWrite(desired, this.options.trouble);
  }

  confirm(): Promise<void> {
    return this.options.remembered.confirm();
  }

  copiesTo(): Promise<string | undefined> {
    return withItsCode(async () => {
      const folder = dirname(await this.target());
      return (await statOf(folder))?.isDirectory() ? folder : undefined;
    });
  }

  /** What a crash left in the middle of a copy. */
  async tidy(): Promise<void> {
    await rm(besideOf(await this.followed()), { force: true });
  }

  /** @returns undefined where there is no file. @throws where reading it could take for ever: a pipe, a device */
  private async digest(): Promise<string | undefined> {
    const path = await this.followed();
    const found = await statOf(path);
    if (found) assertRegular(path, found);
    return found && hashOf(path);
  }

  private async swap(path: string, target: string): Promise<void> {
    const beside = besideOf(target);
    await rm(beside, { force: true });
    try {
      await copyFile(path, beside, constants.COPYFILE_EXCL); // as private as the download
      const before = await statOf(target);
      const file = await open(beside, 'r+');
      try {
        await this.dress(file, beside, target, before);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(beside, target);
    } catch (error) {
      await rm(beside, { force: true });
      throw error;
    }
    await syncFolder(dirname(target));
  }

  /** The owner first: a change of it takes setuid and capabilities away. */
  private async dress(file: FileHandle, beside: string, target: string, before: Stats | undefined): Promise<void> {
    const mode = before ? before.mode & 0o7777 : this.options.mode;
    if (before) {
      const { uid, gid } = await file.stat();
      if (uid !== before.uid || gid !== before.gid) await file.chown(before.uid, before.gid);
      await copyExtendedAttributes(target, beside, this.options.trouble);
    }
    await file.chmod(mode);
    const after = await file.stat();
    if ((after.mode & 0o7777) !== mode)
      throw new InstallError('INSTALL_FAILED', `${target}: the system does not let its mode be kept`, false);
  }

  /** What is exchanged. @throws InstallError where that would replace a link or something that is no regular file */
  private async target(): Promise<string> {
    const { file, symlink } = this.options;
    if (symlink === 'refuse' && (await statOf(file))?.isSymbolicLink())
      throw new InstallError('INSTALL_FAILED', `${file} is a symbolic link, and its slot says "refuse"`, false);
    const path = await this.followed();
    const found = await statOf(path);
    if (found) assertRegular(path, found);
    return path;
  }

  /** Also where a link points at what is not there yet: then it is made there. */
  private async followed(): Promise<string> {
    let path = this.options.file;
    for (let links = 0; links < MOST_LINKS; links += 1) {
      if (!(await statOf(path))?.isSymbolicLink()) return path;
      const folder = await realpath(dirname(path));
      path = resolve(folder, await readlink(join(folder, basename(path))));
    }
    throw Object.assign(new Error(`${this.options.file}: too many symbolic links`), { code: 'ELOOP' });
  }
}

/** What the system says of a file, as the service is told it. */
async function withItsCode<T>(doing: () => Promise<T>): Promise<T> {
  try {
    return await doing();
  } catch (error) {
    if (isInstallError(error)) throw error;
    if (isDiskFull(error)) throw new InstallError('NO_SPACE', messageOf(error), false, { cause: error });
    if (HOPELESS.includes(codeOf(error) ?? ''))
      throw new InstallError('INSTALL_FAILED', messageOf(error), false, { cause: error });
    throw error;
  }
}

function besideOf(target: string): string {
  return `${target}.slipway-new`;
}

function assertRegular(path: string, found: Stats): void {
  if (!found.isFile()) throw new InstallError('INSTALL_FAILED', `${path} is ${kindOf(found)}, not a file`, false);
}

function kindOf(found: Stats): string {
  if (found.isDirectory()) return 'a folder';
  if (found.isFIFO()) return 'a pipe';
  return found.isSocket() ? 'a socket' : 'a device';
}

/** Of the link itself, where it is one. */
async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
