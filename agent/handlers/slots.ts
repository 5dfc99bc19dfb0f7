import { randomUUID } from 'node:crypto';
import type { Desired } from '../../protocol/mqtt/payloads.js';
import { InstallError, type Held, type Installer, type InstallWatch } from '../core/installer.js';
import { messageOf } from '../core/write-file.js';
import type { SlotHandler } from './slot-handler.js';

/** The slots of a machine, each with its handler. */
export class Slots implements Installer {
  /**
   * @param restart starts the agent anew, or the machine that it runs on
   * @param boot of the machine, where that is what restarts; otherwise each start of the agent is a boot
   * @param trouble is told of a slot that could not say what it holds
   */
  constructor(
    private readonly handlers: Readonly<Record<string, SlotHandler>>,
    private readonly restart: () => Promise<void>,
    private readonly trouble: (slot: string, detail: string) => void,
    private readonly boot: string = randomUUID(),
  ) {}

  /** A slot that cannot say is left out, so that the others are told. */
  async current(slots: readonly string[]): Promise<Record<string, Held>> {
    const held = await Promise.all(slots.map(async (slot) => [slot, await this.ask(slot)] as const));
    return Object.fromEntries(held.flatMap(([slot, content]) => (content ? [[slot, content] as const] : [])));
  }

  holds(slot: string, sha256: string): Promise<boolean> {
    return this.handler(slot).holds(sha256);
  }

  install(slot: string, path: string, desired: Desired, watch: InstallWatch): Promise<void> {
    return this.handler(slot).install(path, desired, watch);
  }

  async copiesTo(slot: string): Promise<string | undefined> {
    return this.handler(slot).copiesTo?.();
  }

  /** Of each slot, whatever becomes of the others. */
  async tidy(): Promise<void> {
    for (const [slot, handler] of Object.entries(this.handlers)) {
      try {
        await handler.tidy?.();
      } catch (error) {
        this.trouble(slot, messageOf(error));
      }
    }
  }

  confirm(slot: string, signal: AbortSignal): Promise<void> {
    return this.handler(slot).confirm(signal);
  }

  async reboot(): Promise<'asked'> {
    await this.restart();
    return 'asked';
  }

  bootId(): string {
    return this.boot;
  }

  private async ask(slot: string): Promise<Held | undefined> {
    try {
      return await this.handler(slot).current();
    } catch (error) {
      this.trouble(slot, messageOf(error));
      return undefined;
    }
  }

  private handler(slot: string): SlotHandler {
    const found = this.handlers[slot];
    if (!found) throw new InstallError('UNSUPPORTED', `there is no slot "${slot}"`, false);
    return found;
  }
}
