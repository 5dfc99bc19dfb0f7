import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import type { Desired } from '../../protocol/mqtt/payloads.js';
import type { Held, Installer } from './installer.js';
import type { SlotFiles } from './slot-files.js';

/** Slots that are files. */
export class FileInstaller implements Installer {
  /**
   * @param restart starts the agent anew, or the machine that it runs on.
   * @param boot of the machine, where that is what restarts; otherwise each start of the agent is a boot.
   */
  constructor(
    private readonly dir: string,
    private readonly files: SlotFiles,
    private readonly restart: () => Promise<void>,
    private readonly boot: string = randomUUID(),
  ) {}

  async current(slots: readonly string[]): Promise<Record<string, Held>> {
    await mkdir(this.dir, { recursive: true });
    return Object.fromEntries(
      await Promise.all(slots.map(async (slot) => [slot, await this.files.held(slot)] as const)),
    );
  }

  holds(slot: string, sha256: string): Promise<boolean> {
    return this.files.holds(slot, sha256);
  }

  install(slot: string, path: string, desired: Desired): Promise<void> {
    return this.files.install(slot, path, desired);
  }

  confirm(slot: string): Promise<void> {
    return this.files.confirm(slot);
  }

  async reboot(): Promise<'asked'> {
    await this.restart();
    return 'asked';
  }

  bootId(): string {
    return this.boot;
  }
}
