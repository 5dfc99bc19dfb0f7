import { join } from 'node:path';
import { FileInstaller } from '../core/file-installer.js';
import type { AgentEvent } from '../core/event-log.js';
import type { ChildOptions } from '../core/children.js';
import { InstallError, type FieldProcedure, type Held, type InstallWatch } from '../core/installer.js';
import { SlotFiles } from '../core/slot-files.js';
import type { JournalLine } from '../core/slot-journal.js';
import type { Desired } from '../../protocol/mqtt/payloads.js';
import type { Behaviour, Control, Profile, SimulatedTimes } from './profile.js';

/** A child whose content is files below `dir`. `slots`: name → version from the factory. */
export interface SimulatedChildOptions {
  readonly id: string;
  readonly dir: string;
  readonly slots: Readonly<Record<string, string>>;
  readonly profile: Profile;
  readonly times: SimulatedTimes;
  /** Of the gateway, as far as it is the child's: what happens is told as the child's. */
  readonly control: Omit<Control, 'rollBack'>;
  readonly onEvent: (phase: string, detail: string, at: number) => void;
}

/** A push is seen to advance in so many steps. */
const STEPS = 5;

/**
 * A device behind a gateway: a disk of its own, and the field procedure by which its gateway reaches it. It outlives
 * the gateway's reboots.
 */
export class SimulatedChild implements FieldProcedure {
  private readonly files: SlotFiles;
  private readonly installer: FileInstaller;
  private readonly behaviour: Behaviour;

  constructor(private readonly options: SimulatedChildOptions) {
    this.behaviour = options.profile.behave({ ...options.control, rollBack: (slot) => this.files.rollBack(slot) });
    const dir = join(options.dir, 'slots');
    this.files = new SlotFiles(dir, false, async (point, slot) => this.behaviour.at?.(point, slot));
    this.installer = new FileInstaller(dir, this.files, async () => undefined);
  }

  get profile(): Profile {
    return this.options.profile;
  }

  /** What its gateway needs to act for it. */
  get asChild(): ChildOptions {
    const { id, slots, onEvent } = this.options;
    return {
      name: id,
      slots: Object.keys(slots),
      installer: this,
      hooks: this.behaviour,
      onEvent: ({ phase, detail, at }: AgentEvent) => onEvent(phase, detail, at),
    };
  }

  async deliver(): Promise<void> {
    for (const [slot, version] of Object.entries(this.options.slots))
      await this.files.deliver(slot, `${slot} ${version}, from the factory\n`, version);
  }

  journal(): Promise<JournalLine[]> {
    return this.files.journal();
  }

  held(slot: string): Promise<Held> {
    return this.files.held(slot);
  }

  holds(slot: string, sha256: string): Promise<boolean> {
    return this.files.holds(slot, sha256);
  }

  async reachable(): Promise<boolean> {
    return this.behaviour.reachable?.() ?? true;
  }

  async current(slots: readonly string[]): Promise<Record<string, Held>> {
    await this.assertReachable();
    return this.installer.current(slots);
  }

  async install(slot: string, path: string, desired: Desired, watch: InstallWatch): Promise<void> {
    const { control, times } = this.options;
    for (let step = 1; step <= STEPS; step += 1) {
      await control.wait(times.push / STEPS);
      await this.assertReachable();
      watch.pushed(Math.floor((desired.firmware.size * step) / STEPS));
    }
    await this.files.install(slot, path, desired);
  }

  confirm(slot: string): Promise<void> {
    return this.files.confirm(slot);
  }

  async reboot(): Promise<'booted'> {
    await this.options.control.wait(this.options.times.reboot);
    await this.assertReachable();
    return 'booted';
  }

  bootId(): null {
    return null;
  }

  private async assertReachable(): Promise<void> {
    if (!(await this.reachable())) throw new InstallError('CHILD_UNREACHABLE', 'the child does not answer', true);
  }
}
