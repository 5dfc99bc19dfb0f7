import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Desired } from '../../protocol/mqtt/payloads.js';
import { hashOf, sizeOf } from './hash.js';
import { InstallError, NOTHING_HELD, type Held } from './installer.js';
import { appendLine, readLines, type JournalLine } from './slot-journal.js';
import { codeOf, copyWhole, replaceFile, syncFolder } from './write-file.js';

/** Beside the content, because a program that swaps the content (a boot loader) swaps this too. */
interface Manifest extends Held {
  readonly attempt: number | null;
  readonly previous: Omit<Manifest, 'previous'> | null;
}
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
    const manifest = await this.manifest(slot);
    if (!manifest.confirmed) await this.writeManifest(slot, { ...manifest, confirmed: true });
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
    const manifest = await this.manifest(slot);
    const isRecorded =
      manifest.installationId === installationId && manifest.attempt === attempt && manifest.sha256 === firmware.sha256;
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
      const previous = { ...(await this.held(slot)), attempt: manifest.attempt };
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

  private async putIn(path: string, target: string): Promise<void> {
    await rm(`${target}.new`, { force: true });
    await this.linkOrCopy(path, `${target}.new`);
    await rename(`${target}.new`, target);
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

  private async manifest(slot: string): Promise<Manifest> {
    try {
      return JSON.parse(await readFile(join(this.dir, slot, 'manifest.json'), 'utf8')) as Manifest;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return NO_MANIFEST;
      throw error;
    }
  }

  private writeManifest(slot: string, manifest: Manifest): Promise<void> {
    return replaceFile(join(this.dir, slot, 'manifest.json'), JSON.stringify(manifest), this.durable);
  }

  private note(line: JournalLine): Promise<void> {
    return appendLine(this.journalPath(), line);
  }

  private journalPath(): string {
    return join(this.dir, 'journal.jsonl');
  }
}
