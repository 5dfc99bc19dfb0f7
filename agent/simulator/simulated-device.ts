import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Agent } from '../core/agent.js';
import { FileInstaller } from '../core/file-installer.js';
import { Halted } from '../core/hooks.js';
import type { Held } from '../core/installer.js';
import { SlotFiles } from '../core/slot-files.js';
import type { JournalLine } from '../core/slot-journal.js';
import type { Timings } from '../core/timings.js';
import { messageOf } from '../core/write-file.js';
import type { Desired } from '../../protocol/mqtt/payloads.js';
import type { Behaviour, Control, Profile, SimulatedTimes } from './profile.js';
import { SimulatedChild } from './simulated-child.js';

/** A device whose disk is `dir`; the agent in it is the real one. */
export interface SimulatedOptions {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  readonly dir: string;
  readonly deviceType?: string;
  /** Slot → the version that it came with from the factory. */
  readonly slots: Readonly<Record<string, string>>;
  readonly profile: Profile;
  readonly times: SimulatedTimes;
  readonly timings: Partial<Timings>;
  readonly random: () => number;
  readonly onEvent: (phase: string, detail: string, at: number) => void;
  /** Of a gateway. */
  readonly children?: readonly ChildOfFleet[];
}

/** A child as its fleet gives it to the gateway. `random` gives 0 ≤ x < 1. */
export interface ChildOfFleet {
  readonly id: string;
  readonly profile: Profile;
  readonly slots: Readonly<Record<string, string>>;
  readonly random: () => number;
  readonly onEvent: (phase: string, detail: string, at: number) => void;
}

/**
 * One device: the hardware around an agent. It outlives the agent, which ends with each reboot and each crash, and
 * which begins again from the same disk. Its modes: off, on, and going down and up again (`cycles`).
 */
export class SimulatedDevice {
  private agent: Agent | undefined;
  private readonly files: SlotFiles;
  private readonly hooks: Behaviour;
  readonly children: ReadonlyMap<string, SimulatedChild>;
  private readonly powerOff = new AbortController();
  /** One after the other: the next boot begins when nothing of the last one touches the disk any more. */
  private cycles: Promise<void> = Promise.resolve();

  constructor(private readonly options: SimulatedOptions) {
    this.hooks = options.profile.behave(this.control());
    this.files = new SlotFiles(join(options.dir, 'slots'), false, async (point, slot) => this.hooks.at?.(point, slot));
    this.children = new Map(
      (options.children ?? []).map((child) => [
        child.id,
        new SimulatedChild({
          ...child,
          times: options.times,
          dir: join(options.dir, 'field', child.id),
          control: this.control(child),
        }),
      ]),
    );
  }

  get profile(): Profile {
    return this.options.profile;
  }

  async start(): Promise<void> {
    const boot = this.cycle(async () => {
      if (this.profile.isLate) await pause(this.options.times.late, undefined, { signal: this.powerOff.signal });
      await this.boot();
    });
    if (!this.profile.isLate) await boot;
  }

  /** The device goes off for good: with a goodbye, as one does that is switched off by its user. */
  async stop(): Promise<void> {
    this.powerOff.abort();
    await this.cycles;
    await this.agent?.stop();
  }

  /** A power cut from outside. */
  crash(): void {
    this.restart(this.options.times.down);
  }

  disconnect(): void {
    this.agent?.disconnect();
  }

  /** What was really written into the slots, oldest first. */
  journal(): Promise<JournalLine[]> {
    return this.files.journal();
  }

  held(slot: string): Promise<Held> {
    return this.files.held(slot);
  }

  /** Whether the slot's file has this digest now: read, not remembered. */
  holds(slot: string, sha256: string): Promise<boolean> {
    return this.files.holds(slot, sha256);
  }

  private async boot(): Promise<void> {
    if (this.powerOff.signal.aborted) return;
    const { url, username, password, dir, deviceType, slots, timings, random, onEvent } = this.options;
    for (const [slot, version] of Object.entries(slots))
      await this.files.deliver(slot, `${slot} ${version}, from the factory\n`, version);
    for (const child of this.children.values()) await child.deliver();
    const installer = new SimulatedInstaller(
      join(dir, 'slots'),
      this.files,
      async () => this.restart(this.options.times.reboot),
      () => this.wait(this.options.times.install),
    );
    this.agent = new Agent({
      url,
      username,
      password,
      stateDir: dir,
      slots: Object.keys(slots),
      installer,
      timings,
      random,
      hooks: this.hooks,
      children: [...this.children.values()].map((child) => child.asChild),
      durable: false, // a simulated power cut leaves the page cache alone
      ...(deviceType !== undefined && { deviceType }),
      onEvent: ({ phase, detail, at }) => onEvent(phase, detail, at),
    });
    await this.agent.start();
  }

  private restart(downMs: number): void {
    const { agent } = this;
    const off = agent?.shutOff();
    void this.cycle(async () => {
      await off;
      await pause(downMs, undefined, { signal: this.powerOff.signal });
      await this.boot();
    });
  }

  private cycle(doing: () => Promise<void>): Promise<void> {
    this.cycles = this.cycles.then(doing).catch((error: unknown) => {
      if (!this.powerOff.signal.aborted) this.options.onEvent('trouble', messageOf(error), Date.now());
    });
    return this.cycles;
  }

  private async wait(ms: number): Promise<void> {
    const { agent } = this;
    try {
      await pause(ms, undefined, agent ? { signal: agent.halt } : {});
    } catch (error) {
      throw new Halted('the device went down', { cause: error });
    }
  }

  /** @param of whom it is, where that is a child: then what it notes is the child's, and its power is the gateway's */
  private control({ random, onEvent }: Pick<SimulatedOptions, 'random' | 'onEvent'> = this.options): Control {
    const { times } = this.options;
    return {
      times,
      random,
      wait: (ms) => this.wait(ms),
      disconnect: () => this.disconnect(),
      crash: () => {
        this.crash();
        throw new Halted('the device lost its power');
      },
      rollBack: (slot) => this.files.rollBack(slot),
      note: (phase, detail) => onEvent(phase, detail, Date.now()),
    };
  }
}

class SimulatedInstaller extends FileInstaller {
  constructor(
    dir: string,
    files: SlotFiles,
    restart: () => Promise<void>,
    private readonly takesItsTime: () => Promise<void>,
  ) {
    super(dir, files, restart);
  }

  override async install(slot: string, path: string, desired: Desired): Promise<void> {
    await this.takesItsTime();
    await super.install(slot, path, desired);
  }
}
