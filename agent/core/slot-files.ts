import { chmod, chown, link, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Desired } from '../../protocol/mqtt/payloads.js';
import { hashOf, sizeOf } from './hash.js';
import { InstallError, NOTHING_HELD, type Held } from './installer.js';
import { appendLine, readLines, type JournalLine } from './slot-journal.js';
import { jsonOf, SmallFiles } from './small-files.js';
import { codeOf, copyWhole, syncFolder } from './write-file.js';

/** Beside the content, because a program that swaps the content (a boot loader) swaps this too. */
interface Manifest extends Held {
  readonly attempt: number | null;
  readonly previous: Omit<Manifest, 'previous'> | null;
}
const manifest = z.looseObject({
  version: z.string().nullable(),
  sha256: z.string().nullable(),
  installationId: z.string().nullable(),
  attempt: z.number().nullable(),
  revision: z.number(),
  confirmed: z.boolean(),
  previous: z.looseObject({}).nullable(),
});
const NO_MANIFEST: Manifest = { ...NOTHING_HELD, attempt: null, previous: null };

/** Where a crash would hurt most; see hooks.ts. */
export type SwapPoint = 'swapping' | 'swapped' | 'recorded';

/**
 * Slots as files: `slots/<slot>/current`, `previous`, `manifest.json`. The content is exchanged by one rename, so
 * `current` is at every moment the whole old file or the whole new one. The manifest follows; between the two a crash
 * leaves a manifest that does not describe the content, which `install`, called again, finds by hashing and completes.
 */
export class SlotFiles {
  constructor(
    private readonly dir: string,
    private readonly durable: boolean,
    private readonly at: (point: SwapPoint, slot: string) => Promise<void> = async () => undefined,
    private readonly files: SmallFiles = new SmallFiles(dir, durable, false),
  ) {}

  currentPath(slot: string): string {
    return join(this.dir, slot, 'current');
  }

  async held(slot: string): Promise<Held> {
    const { version, sha256, installationId, revision, confirmed } = await this.manifest(slot);
    return { version, sha256, installationId, revision, confirmed };
  }

  async holds(slot: string, sha256: string): Promise<boolean> {
    return (await sizeOf(this.currentPath(slot))) !== undefined && (await hashOf(this.currentPath(slot))) === sha256;
  }

  /** @param path the verified file. It stays, and costs no second copy where the file system has hard links. */
  async install(slot: string, path: string, desired: Desired): Promise<void> {
    await mkdir(join(this.dir, slot), { recursive: true });
    if (!(await this.isSwapped(slot, desired))) {
      if ((await sizeOf(path)) === undefined)
        throw new InstallError('INSTALL_FAILED', 'the downloaded file is not there any more', true);
      await this.at('swapping', slot);
      await this.keepPrevious(slot);
      await this.putIn(path, this.currentPath(slot));
    }
    await this.at('swapped', slot);
    await this.record(slot, desired);
    await this.at('recorded', slot);
  }

  async confirm(slot: string): Promise<void> {
    const now = await this.manifest(slot);
    if (!now.confirmed) await this.writeManifest(slot, { ...now, confirmed: true });
  }

  /** What a boot loader does with content that does not boot: the previous content is the current one again. */
  async rollBack(slot: string): Promise<void> {
    const { previous } = await this.manifest(slot);
    if (previous === null || (await sizeOf(join(this.dir, slot, 'previous'))) === undefined) return;
    await rename(join(this.dir, slot, 'previous'), this.currentPath(slot));
    await this.writeManifest(slot, { ...previous, previous: null });
    await this.note({
      at: Date.now(),
      kind: 'rollback',
      slot,
      installationId: previous.installationId,
      attempt: previous.attempt,
      version: previous.version,
      sha256: previous.sha256,
    });
  }

  /** Content that came with the device; nothing is done where there is content already. */
  async deliver(slot: string, content: string, version: string): Promise<void> {
    if ((await sizeOf(this.currentPath(slot))) !== undefined) return;
    await mkdir(join(this.dir, slot), { recursive: true });
    await writeFile(`${this.currentPath(slot)}.new`, content);
    await rename(`${this.currentPath(slot)}.new`, this.currentPath(slot));
    await this.writeManifest(slot, {
      ...NO_MANIFEST,
      version,
      sha256: await hashOf(this.currentPath(slot)),
      confirmed: true,
    });
  }

  journal(): Promise<JournalLine[]> {
    return readLines(this.journalPath());
  }

  /** Hashing what is there costs as much as reading it; a different size, which is the rule, spares it. */
  private async isSwapped(slot: string, desired: Desired): Promise<boolean> {
    return (
      (await sizeOf(this.currentPath(slot))) === desired.firmware.size && this.holds(slot, desired.firmware.sha256)
    );
  }

  private async record(slot: string, desired: Desired): Promise<void> {
    const { installationId, attempt, revision, firmware } = desired;
    const now = await this.manifest(slot);
    const isRecorded =
      now.installationId === installationId && now.attempt === attempt && now.sha256 === firmware.sha256;
    if (!isRecorded) {
      // The line first: it is made again where a crash came between the swap and here, and never twice.
      const last = (await this.journal()).findLast((line) => line.slot === slot);
      const isNoted = last?.kind === 'install' && last.installationId === installationId && last.attempt === attempt;
      if (!isNoted)
        await this.note({
          at: Date.now(),
          kind: 'install',
          slot,
          installationId,
          attempt,
          version: firmware.version,
          sha256: firmware.sha256,
        });
      const previous = { ...(await this.held(slot)), attempt: now.attempt };
      await this.writeManifest(slot, {
        version: firmware.version,
        sha256: firmware.sha256,
        installationId,
        attempt,
        revision,
        confirmed: false,
        previous,
      });
    }
  }

  private async keepPrevious(slot: string): Promise<void> {
    if ((await sizeOf(this.currentPath(slot))) === undefined) return;
    const beside = join(this.dir, slot, 'previous.new');
    await rm(beside, { force: true });
    await this.linkOrCopy(this.currentPath(slot), beside);
    await rename(beside, join(this.dir, slot, 'previous'));
  }

  /** Owner and mode of what was there stay; a first content is as private as its download. */
  private async putIn(path: string, target: string): Promise<void> {
    const beside = `${target}.new`;
    await rm(beside, { force: true });
    try {
      await this.linkOrCopy(path, beside);
      if ((await sizeOf(target)) !== undefined) await dress(beside, target);
      await rename(beside, target);
    } catch (error) {
      await rm(beside, { force: true });
      throw error;
    }
    if (this.durable) await syncFolder(join(target, '..'));
  }

  private async linkOrCopy(from: string, to: string): Promise<void> {
    try {
      await link(from, to);
    } catch (error) {
      // Another file system, or one without links (FAT and the like).
      if (!['EXDEV', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'].includes(codeOf(error) ?? '')) throw error;
      await copyWhole(from, to, this.durable);
    }
  }

  /** Where it is damaged, the content speaks for itself: it is what the device runs with. */
  private async manifest(slot: string): Promise<Manifest> {
    const path = join(this.dir, slot, 'manifest.json');
    const found = await this.files.read<Manifest | null>(path, jsonOf<Manifest>(manifest), NO_MANIFEST, null);
    if (found) return found;
    if ((await sizeOf(this.currentPath(slot))) === undefined) return NO_MANIFEST;
    const made: Manifest = { ...NO_MANIFEST, sha256: await hashOf(this.currentPath(slot)), confirmed: true };
    await this.writeManifest(slot, made);
    return made;
  }

  private writeManifest(slot: string, content: Manifest): Promise<void> {
    return this.files.replace(join(this.dir, slot, 'manifest.json'), JSON.stringify(content));
  }

  private note(line: JournalLine): Promise<void> {
    return appendLine(this.journalPath(), line, this.durable);
  }

  private journalPath(): string {
    return join(this.dir, 'journal.jsonl');
  }
}

async function dress(path: string, as: string): Promise<void> {
  const [now, then] = await Promise.all([stat(path), stat(as)]);
  if (now.uid !== then.uid || now.gid !== then.gid) await chown(path, then.uid, then.gid);
  if (now.mode !== then.mode) await chmod(path, then.mode & 0o7777);
}
