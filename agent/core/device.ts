import { join } from 'node:path';
import type { Ack, Cmd, DownMessage } from '../../protocol/mqtt/payloads.js';
import { momentOf, type Clock, type Moment } from './clock.js';
import type { Outgoing } from './connection.js';
import { EventLog, type AgentEvent } from './event-log.js';
import { HelloSender } from './hello-sender.js';
import { heldSlots, type ChildEntry, type Self } from './hello-message.js';
import { Halted, isHalted, type Hooks } from './hooks.js';
import type { Installer } from './installer.js';
import {
  acknowledged,
  cancelAsked,
  disowned,
  documentArrived,
  helloAnswered,
  keptGivenUp,
  restarted,
  type Change,
} from './machine.js';
import type { SharedDownloads } from './shared-downloads.js';
import {
  beingInstalled,
  EMPTY_STATE,
  hasMoved,
  isFilled,
  TERMINAL_STATES,
  wantsTheSame,
  type AgentState,
  type Job,
} from './state.js';
import type { SmallFiles } from './small-files.js';
import { StateFile } from './state-file.js';
import { settleBoot } from './steps.js';
import type { Timings } from './timings.js';
import { Reporter } from './reporter.js';
import { Worker, type Desk } from './worker.js';
import { messageOf } from './write-file.js';

/** What one device, or one child of a gateway, stands on. */
export interface DeviceOptions {
  readonly stateDir: string;
  readonly slots: readonly string[];
  readonly installer: Installer;
  readonly deviceType?: string | undefined;
  readonly aliases?: readonly string[] | undefined;
  readonly hooks?: Hooks | undefined;
  readonly onEvent?: ((event: AgentEvent) => void) | undefined;
}

/** What a device shares with the others of its connection. */
export interface Uplink {
  readonly timings: Timings;
  readonly clock: Clock;
  readonly files: SmallFiles;
  readonly random: () => number;
  readonly downloads: SharedDownloads;
  /** Aborted when the agent ends, however it ends. */
  readonly halt: AbortSignal;
  isConnected(): boolean;
  /** On this device's topics. */
  send(message: Outgoing): Promise<void>;
  drained(deadlineMs: number): Promise<void>;
  /** The broker hands out every document again. */
  reconnect(): void;
  /** Of a child: its gateway does not tell any more what was read of it before. Absent = this is the node itself. */
  renewGateway?(): void;
  /** Removes the downloads that no device wants any more. */
  clearAway(): Promise<void>;
  /** Lets all devices of the connection give up what they keep for later attempts. */
  needsRoom(): Promise<void>;
  /** Of the node itself: its children, as they are to stand in its hello. Absent = this device is a child. */
  children?(): Promise<ChildEntry>[];
}

/**
 * One device as the service sees it: its documents, its reports, its state on disk. The agent itself is one; each child
 * of a gateway is another, on the same connection. It holds three things together: the state, which only `change`
 * alters; the worker, which takes the next step; and the voice, which says it. Its modes: made, loaded, running, ended.
 */
export class Device implements Desk {
  readonly slots: readonly string[];
  readonly installer: Installer;
  readonly hooks: Hooks;
  readonly timings: Timings;
  readonly clock: Clock;
  readonly downloads: SharedDownloads;
  readonly halt: AbortSignal;
  private readonly ending = new AbortController();
  private readonly file: StateFile;
  private readonly eventLog: EventLog;
  private readonly reporter: Reporter;
  private readonly helloSender: HelloSender;
  private readonly worker: Worker;
  private present: AgentState = EMPTY_STATE;
  private changes: Promise<unknown> = Promise.resolve();
  private work: Promise<void> = Promise.resolve();

  constructor(
    private readonly options: DeviceOptions,
    private readonly uplink: Uplink,
  ) {
    this.slots = options.slots;
    this.installer = options.installer;
    this.hooks = options.hooks ?? {};
    this.timings = uplink.timings;
    this.clock = uplink.clock;
    this.downloads = uplink.downloads;
    this.halt = AbortSignal.any([this.ending.signal, uplink.halt]);
    this.file = new StateFile(join(options.stateDir, 'state.json'), uplink.files);
    this.eventLog = new EventLog(options.onEvent ?? (() => undefined), uplink.clock);
    this.reporter = new Reporter({
      eventLog: this.eventLog,
      publish: (message) => this.publish(message),
      patience: this.timings.answer,
      backoff: this.timings.repeat,
      clock: uplink.clock,
      random: uplink.random,
    });
    this.helloSender = new HelloSender({
      self: () => this.self(),
      state: () => this.present,
      children: () => uplink.children?.() ?? [],
      patience: this.timings.children,
      reporter: this.reporter,
      isConnected: () => !this.halt.aborted && uplink.isConnected(),
      note: (phase, detail) => this.note(phase, detail),
    });
    this.worker = new Worker(this);
  }

  state(): AgentState {
    return this.present;
  }

  /** Where the state on disk is damaged, it begins anew, which is reported. */
  async load(): Promise<void> {
    this.present = restarted(await this.file.load(), this.moment());
  }

  /** The device itself has booted: see settleBoot. @throws only where the agent ends */
  settle(): Promise<void> {
    return settleBoot(this, this.present, this.halt);
  }

  /** @param first what comes before the first step */
  run(first: Promise<void> = Promise.resolve()): void {
    this.reporter.unheard();
    this.work = first.then(
      () => this.worker.run(),
      (error: unknown) => this.note('trouble', messageOf(error)),
    );
  }

  /** Resolves when nothing of this device touches its files any more. */
  async end(): Promise<void> {
    this.ending.abort();
    this.reporter.close();
    this.worker.wake();
    await Promise.allSettled([this.work, this.changes]);
  }

  connected(): void {
    this.reporter.unheard();
    this.unlessHalted(this.helloSender.sayHello(this.uplink.children !== undefined || this.hasWork()));
  }

  disconnected(): void {
    this.reporter.unheard();
    this.worker.wake();
  }

  mayInstallAt(): number {
    return this.reporter.heardAt;
  }

  change(decide: (state: AgentState) => Change | null): Promise<boolean> {
    const made = this.changes.then(() => this.make(decide));
    this.changes = made.then(
      () => undefined,
      () => undefined,
    ); // the caller gets the error
    return made;
  }

  progress(job: Job, phase: 'download' | 'push', bytes: number): void {
    this.reporter.progress(job, phase, bytes);
  }

  booted(): Promise<void> {
    this.uplink.renewGateway?.();
    return this.helloSender.sayAnew();
  }

  /** A slot has other content: what was read before is not told any more, by itself or its gateway. */
  renewHello(): void {
    this.uplink.renewGateway?.();
    this.unlessHalted(this.helloSender.renew());
  }

  sendLog(): void {
    this.reporter.sendLog();
  }

  needsRoom(): Promise<void> {
    return this.uplink.needsRoom();
  }

  async giveUpKept(which: 'old' | 'all'): Promise<void> {
    await this.change((state) => keptGivenUp(state, which, this.moment()));
  }

  drained(deadlineMs: number): Promise<void> {
    return this.uplink.drained(deadlineMs);
  }

  note(phase: string, detail: string, slot: string | null = null): void {
    this.eventLog.note(phase, detail, slot);
  }

  /** As it stands in its gateway's hello. What cannot be asked cannot be reported: then its slots are left out. */
  async entry(): Promise<Pick<ChildEntry, 'slots' | 'reachable'>> {
    try {
      if ((await this.installer.reachable?.()) === false) return { slots: {}, reachable: false };
      const before = this.present;
      const slots = await heldSlots(this.self());
      // Meanwhile it got other content: absence means nothing, and it says hello for itself.
      return { slots: hasMoved(before, this.present) ? {} : slots, reachable: true };
    } catch (error) {
      if (isHalted(error)) throw error;
      this.note('unreachable', messageOf(error));
      return { slots: {}, reachable: false };
    }
  }

  /**
   * What could not be written down must not be lost: after the next connect the broker hands out every document again.
   */
  received(message: DownMessage): void {
    this.unlessHalted(this.handle(message), () => this.uplink.reconnect());
  }

  private async handle(message: DownMessage): Promise<void> {
    switch (message.type) {
      case 'desired':
        if (message.body !== null && message.body.slot !== message.slot)
          return this.note('refused', `a document for ${message.body.slot} came on the topic of ${message.slot}`);
        return void (await this.change((state) => documentArrived(state, message.slot, message.body, this.moment())));
      case 'cmd':
        return this.obey(message.body);
      case 'ack':
        return this.acknowledged(message.body);
    }
  }

  private async obey({ cmd, installationId }: Cmd): Promise<void> {
    switch (cmd) {
      case 'cancel':
        return void (await this.change((state) => cancelAsked(state, installationId, this.moment())));
      case 'hello':
        return this.helloSender.sayHello(true);
      case 'log':
        return this.reporter.sendLog();
    }
  }

  private async acknowledged(ack: Ack): Promise<void> {
    const hello = this.reporter.receipt(ack.for);
    if (hello === undefined) return void (await this.change((state) => acknowledged(state, ack.for)));
    const { open, result } = ack;
    const isChild = this.uplink.children === undefined;
    if (open !== undefined)
      await this.change((state) => helloAnswered(state, hello.reportedRevisions, open, this.moment()));
    // A child that has moved to another gateway is installed from there.
    else if (isChild && (result === 'forbidden' || result === 'unknown'))
      await this.change((state) => disowned(state, this.moment()));
    hello.isAnswered = true;
    this.worker.wake();
  }

  /** One change after the other: durable first, then said. */
  private async make(decide: (state: AgentState) => Change | null): Promise<boolean> {
    if (this.halt.aborted) throw new Halted('the agent has ended');
    const before = this.present;
    const change = decide(before);
    if (change === null) return false;
    if (change.state !== before) await this.file.save(change.state);
    if (this.halt.aborted) throw new Halted('the agent has ended');
    this.present = change.state;
    if (isFilled(before, change.state)) this.renewHello();
    for (const slot of change.stop) this.worker.stop(slot);
    for (const status of change.say) this.reporter.say(status);
    this.worker.wake();
    const hasEnded = change.say.some(({ state }) => TERMINAL_STATES.has(state));
    if (hasEnded || !wantsTheSame(before, change.state)) await this.uplink.clearAway();
    return true;
  }

  private publish(message: Outgoing): void {
    const send = (one: Outgoing) => this.uplink.send(one);
    this.unlessHalted(this.hooks.outgoing?.(message, send) ?? send(message));
  }

  private moment(): Moment {
    return momentOf(this.clock);
  }

  private self(): Self {
    const { clock, installer, slots } = this;
    const { deviceType, aliases } = this.options;
    const reportedRevisions = Object.fromEntries(
      Object.entries(this.present.slots).map(([slot, { revision }]) => [slot, revision]),
    );
    const underway = beingInstalled(this.present);
    return { reportedRevisions, underway, clock, installer, slots, deviceType, aliases, damaged: this.damaged() };
  }

  /** Of the agent's files: told by the device that the agent runs on. */
  private damaged(): readonly string[] {
    return this.uplink.children === undefined ? [] : this.uplink.files.damaged;
  }

  private hasWork(): boolean {
    return Object.values(this.present.slots).some(({ job }) => job !== null);
  }

  /** For work without a waiting caller: an error is reported, and the end of the agent is none. */
  private unlessHalted(doing: Promise<void>, otherwise?: () => void): void {
    doing.catch((error: unknown) => {
      if (isHalted(error) || this.halt.aborted) return;
      this.note('trouble', messageOf(error));
      otherwise?.();
    });
  }
}
