import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseUsername } from '../../protocol/mqtt/access.js';
import { parseDown } from '../../protocol/mqtt/payloads.js';
import { Children, type ChildOptions } from './children.js';
import { SYSTEM_CLOCK, type Clock } from './clock.js';
import { Connection } from './connection.js';
import { Device, type DeviceOptions, type Uplink } from './device.js';
import type { AgentEvent } from './event-log.js';
import { Downloads } from './download.js';
import { isHalted, type Hooks } from './hooks.js';
import type { Installer } from './installer.js';
import { SharedDownloads } from './shared-downloads.js';
import { SmallFiles } from './small-files.js';
import { wantedBy, type AgentState } from './state.js';
import { TIMINGS, type Timings } from './timings.js';
import { messageOf } from './write-file.js';

/** What one agent stands on; absent members have the defaults of a real device. */
export interface AgentOptions {
  /** Of the broker. */
  readonly url: string;
  /** `tenant/node`; see docs/contracts/device-mqtt.md, "Credentials". */
  readonly username: string;
  readonly password: string;
  readonly stateDir: string;
  readonly slots: readonly string[];
  readonly installer: Installer;
  readonly deviceType?: string;
  readonly aliases?: readonly string[];
  /** Of a gateway: whom it acts for. */
  readonly children?: readonly ChildOptions[];
  readonly hooks?: Hooks;
  readonly timings?: Partial<Timings>;
  /** false = the state survives the process, not a power cut. */
  readonly durable?: boolean;
  /** Absent = the machine's. */
  readonly clock?: Clock;
  /** Where it remembers things; its own where absent. Handlers of slots may share it. */
  readonly files?: SmallFiles;
  /** 0 ≤ x < 1 */
  readonly random?: () => number;
  readonly onEvent?: (event: AgentEvent) => void;
}

/**
 * The reference agent: one connection, the device that it is, and the children that it acts for. Its modes: made,
 * running (`start`), ended for good (`stop`, `shutOff`); a reboot is the end of one agent and the start of the next on
 * the same files.
 */
export class Agent {
  private readonly timings: Timings;
  private readonly files: SmallFiles;
  private readonly downloads: SharedDownloads;
  private readonly connection: Connection;
  private readonly own: Device;
  private readonly children: Children;
  private readonly ending = new AbortController();
  private starting: Promise<void> = Promise.resolve();
  private isDamageReported = true;
  private keptTimer: NodeJS.Timeout | undefined;

  constructor(private readonly options: AgentOptions) {
    const { url, username, password, stateDir, durable = true, random = Math.random, clock = SYSTEM_CLOCK } = options;
    const identity = parseUsername(username);
    if (!identity)
      throw new Error(`"${username}" is no user name of a device: it must be tenant/node, each of A-Z a-z 0-9 _ . -`);
    this.timings = { ...TIMINGS, ...options.timings };
    this.files = options.files ?? new SmallFiles(stateDir, durable);
    this.files.onDamage = (sentence) => this.noteDamage(sentence);
    this.downloads = new SharedDownloads(
      new Downloads({ dir: join(stateDir, 'downloads'), durable, backoff: this.timings.download, clock, random }),
    );
    const { reconnect, subscribed } = this.timings;
    this.connection = new Connection(
      { url, username, password, ...identity, reconnect, subscribed, clock, random },
      {
        connected: () => this.connected(),
        disconnected: (reason) => this.disconnected(reason),
        message: (topic, payload) => this.received(topic, payload),
      },
    );
    this.own = this.device(identity.node, options, () => this.children.entries());
    this.children = new Children({
      dir: join(stateDir, 'children'),
      files: this.files,
      children: options.children ?? [],
      device: (id, child) => this.device(id, child),
      isConnected: () => this.connection.connected,
      note: (phase, detail) => this.own.note(phase, detail),
    });
  }

  get halt(): AbortSignal {
    return this.ending.signal;
  }

  state(): AgentState {
    return this.own.state();
  }

  /** @param name as it was configured. undefined = there is no such child, or its id is not known yet. */
  childState(name: string): AgentState | undefined {
    return this.children.state(name);
  }

  /**
   * @throws where the state folder cannot be made. Returns before there is a connection: a device works without one.
   */
  start(): Promise<void> {
    this.starting = this.begin();
    return this.starting;
  }

  private async begin(): Promise<void> {
    await this.files.prepare();
    await this.own.load();
    await this.children.load();
    await this.makeRoom();
    const settled = this.own.settle().catch((error: unknown) => {
      if (!isHalted(error) && !this.halt.aborted) throw error;
    });
    // A command that confirms the boot may take half an hour: a device that is silent as long looks dead.
    await Promise.race([settled, pause(this.timings.settle, undefined, { ref: false })]);
    if (this.halt.aborted) return;
    this.connection.open();
    this.own.run(settled);
    this.children.run();
    this.keptTimer = setInterval(() => void this.giveUpKept('old'), this.timings.kept).unref();
  }

  /** Says goodbye; what was begun goes on at the next start. */
  stop(): Promise<void> {
    return this.finish('goodbye');
  }

  /**
   * As a power cut: nothing more is written or said, the last will speaks. Resolves when nothing of this agent touches
   * its files any more.
   */
  shutOff(): Promise<void> {
    return this.finish('powerless');
  }

  /** As when the network goes for a moment; it connects again by itself. */
  disconnect(): void {
    this.connection.cut();
  }

  private device(id: string, options: DeviceOptions, children?: Uplink['children']): Device {
    const { random = Math.random, clock = SYSTEM_CLOCK } = this.options;
    return new Device(options, {
      timings: this.timings,
      clock,
      files: this.files,
      random,
      downloads: this.downloads,
      halt: this.halt,
      isConnected: () => this.connection.connected,
      send: (message) => this.connection.send(message, id),
      drained: (deadlineMs) => this.connection.drained(deadlineMs),
      reconnect: () => this.connection.cut(),
      clearAway: () => this.clearAway(),
      needsRoom: () => this.giveUpKept('all'),
      ...(children ? { children } : { renewGateway: () => this.own.renewHello() }),
    });
  }

  /** After a crash: what was left on the disk for nothing, and the room that is kept for the state. */
  private async makeRoom(): Promise<void> {
    try {
      await this.options.installer.tidy?.();
      // Where a state was lost, its downloads are still of use: the documents come again.
      if (this.files.damaged.length === 0) await this.clearAway();
      await this.files.keepRoom();
    } catch (error) {
      if (isHalted(error)) throw error;
      this.own.note('trouble', messageOf(error));
    }
  }

  private clearAway(): Promise<void> {
    return this.downloads.keepOnly(() =>
      [this.own, ...this.children.devices()].flatMap((device) => wantedBy(device.state())),
    );
  }

  private async giveUpKept(which: 'old' | 'all'): Promise<void> {
    for (const device of [this.own, ...this.children.devices()]) {
      try {
        await device.giveUpKept(which);
      } catch (error) {
        if (!isHalted(error)) device.note('trouble', messageOf(error));
      }
    }
  }

  private noteDamage(sentence: string): void {
    this.own.note('trouble', sentence);
    this.isDamageReported = false;
    this.reportDamage();
  }

  /** In the log as well as in the hello: there it stands beside what happened at that time. */
  private reportDamage(): void {
    if (this.isDamageReported || !this.connection.connected) return;
    this.isDamageReported = true;
    this.own.sendLog();
  }

  private connected(): void {
    this.own.note('connected', '');
    this.own.connected();
    this.children.connected();
    this.reportDamage();
  }

  private disconnected(reason: string): void {
    this.own.note('disconnected', reason);
    this.own.disconnected();
    this.children.disconnected();
  }

  private received(topic: string, payload: Uint8Array): void {
    const parsed = parseDown(topic, payload);
    if (!parsed.ok) return this.own.note('refused', `${parsed.reason}: ${parsed.detail}`);
    const { message } = parsed;
    if (message.device !== message.node) return this.children.received(message);
    if (message.type === 'ack' && message.body.children) this.children.named(message.body.children);
    this.own.received(message);
  }

  private async finish(how: 'goodbye' | 'powerless'): Promise<void> {
    this.ending.abort();
    clearInterval(this.keptTimer);
    const closed = this.connection.close(how);
    await Promise.allSettled([closed, this.starting]);
    await Promise.allSettled([this.own.end(), this.children.end()]);
  }
}
