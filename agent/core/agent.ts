import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Dispatcher } from 'undici';
import { parseUsername } from '../../protocol/mqtt/access.js';
import { parseDown, statusReceipt, type Ack, type Cmd, type Desired, type DownMessage, type Status } from '../../protocol/mqtt/payloads.js';
import { Connection, type Outgoing } from './connection.js';
import { Diary, type AgentEvent } from './diary.js';
import { Downloads } from './download.js';
import { greeting } from './greeting.js';
import { Halted, isHalted, type Hooks } from './hooks.js';
import type { Installer } from './installer.js';
import { acknowledged, cancelAsked, documentArrived, helloAnswered, restarted, type Change } from './machine.js';
import { ProgressPace } from './progress-pace.js';
import { Repeater } from './repeater.js';
import { EMPTY_STATE, TERMINAL_STATES, type AgentState, type Job } from './state.js';
import { StateFile } from './state-file.js';
import { settleBoot } from './steps.js';
import { TIMINGS, type Timings } from './timings.js';
import { Worker, type Desk } from './worker.js';
import { messageOf } from './write-file.js';

export interface AgentOptions {
  /** Of the broker. */
  readonly url: string;
  /** `tenant/node`; see specs/device-mqtt.md, "Credentials". */
  readonly username: string;
  readonly password: string;
  readonly stateDir: string;
  readonly slots: readonly string[];
  readonly installer: Installer;
  /** Of the downloads; its owner closes it. */
  readonly dispatcher: Dispatcher;
  readonly deviceType?: string;
  readonly aliases?: readonly string[];
  readonly hooks?: Hooks;
  readonly timings?: Partial<Timings>;
  /** false = the state survives the process, not a power cut. */
  readonly durable?: boolean;
  /** 0 ≤ x < 1 */
  readonly random?: () => number;
  readonly onEvent?: (event: AgentEvent) => void;
}

/**
 * The reference agent. It holds four things together: the state on disk, which only `change` alters; the worker, which takes the next
 * step; the connection; and the repeater, which says again what the service has not acknowledged. Its modes: made, running (`start`),
 * ended for good (`stop`, `halt`); a reboot is the end of one agent and the start of the next on the same files.
 */
export class Agent implements Desk {
  readonly slots: readonly string[];
  readonly installer: Installer;
  readonly hooks: Hooks;
  readonly timings: Timings;
  readonly downloads: Downloads;
  private readonly file: StateFile;
  private readonly diary: Diary;
  private readonly connection: Connection;
  private readonly repeater: Repeater;
  private readonly worker: Worker;
  private readonly ending = new AbortController();
  private readonly pace = new ProgressPace();
  private present: AgentState = EMPTY_STATE;
  private changes: Promise<unknown> = Promise.resolve();
  private starting: Promise<void> = Promise.resolve();
  private work: Promise<void> = Promise.resolve();
  /** The newest hello: which revisions it told, and whether it has been answered. */
  private hello: { readonly msgId: string; readonly told: Record<string, number>; isAnswered: boolean } | undefined;
  private unheardSince = Date.now();

  constructor(private readonly options: AgentOptions) {
    const { url, username, password, stateDir, dispatcher, durable = true, random = Math.random } = options;
    const identity = parseUsername(username);
    if (!identity) throw new Error(`"${username}" is no user name of a device: it must be tenant/node, each of A-Z a-z 0-9 _ . -`);
    this.slots = options.slots;
    this.installer = options.installer;
    this.hooks = options.hooks ?? {};
    this.timings = { ...TIMINGS, ...options.timings };
    this.file = new StateFile(join(stateDir, 'state.json'), durable);
    this.diary = new Diary(options.onEvent ?? (() => undefined));
    this.downloads = new Downloads({ dir: join(stateDir, 'downloads'), dispatcher, durable, backoff: this.timings.download, random });
    this.repeater = new Repeater({ send: (message) => this.publish(message), backoff: this.timings.repeat, random });
    this.worker = new Worker(this);
    this.connection = new Connection({ url, username, password, ...identity, reconnect: this.timings.reconnect, random }, {
      connected: () => this.connected(),
      disconnected: (reason) => this.disconnected(reason),
      message: (topic, payload) => this.received(topic, payload),
    });
  }

  get halt(): AbortSignal {
    return this.ending.signal;
  }

  state(): AgentState {
    return this.present;
  }

  /** @throws where the state on disk cannot be read. Returns before there is a connection: a device works without one. */
  start(): Promise<void> {
    this.starting = this.begin();
    return this.starting;
  }

  private async begin(): Promise<void> {
    this.present = restarted(await this.file.load());
    try {
      await settleBoot(this, this.present);
    } catch (error) {
      if (isHalted(error)) return;
      throw error;
    }
    if (this.halt.aborted) return;
    this.unheardSince = Date.now();
    this.connection.open();
    this.work = this.worker.run();
  }

  /** Says goodbye; what was begun goes on at the next start. */
  stop(): Promise<void> {
    return this.finish('goodbye');
  }

  /** As a power cut: nothing more is written or said, the last will speaks. Resolves when nothing of this agent touches its files any more. */
  shutOff(): Promise<void> {
    return this.finish('powerless');
  }

  /** As when the network goes for a moment; it connects again by itself. */
  disconnect(): void {
    this.connection.cut();
  }

  mayInstallAt(): number {
    return this.hello?.isAnswered === true ? 0 : this.unheardSince + this.timings.answer;
  }

  change(decide: (state: AgentState) => Change | null): Promise<boolean> {
    const made = this.changes.then(() => this.make(decide));
    this.changes = made.then(() => undefined, () => undefined); // whoever asked for it hears of the error
    return made;
  }

  progress(job: Job, bytes: number): void {
    const { installationId, firmware, slot } = job.desired;
    if (!this.pace.isDue(bytes, firmware.size, Date.now())) return;
    this.publish({ type: 'progress', body: { v: 1, installationId, phase: 'download', bytes, total: firmware.size } });
    this.note('progress', `${Math.floor((100 * bytes) / firmware.size)} %`, slot);
  }

  drained(deadlineMs: number): Promise<void> {
    return this.connection.drained(deadlineMs);
  }

  note(phase: string, detail: string, slot: string | null = null): void {
    this.diary.note(phase, detail, slot);
  }

  /** One change after the other: durable first, then said. */
  private async make(decide: (state: AgentState) => Change | null): Promise<boolean> {
    if (this.halt.aborted) throw new Halted('the agent has ended');
    const change = decide(this.present);
    if (change === null) return false;
    if (change.state !== this.present) await this.file.save(change.state);
    if (this.halt.aborted) throw new Halted('the agent has ended');
    const before = this.present;
    this.present = change.state;
    for (const slot of change.stop) this.worker.stop(slot);
    for (const status of change.say) this.say(status);
    this.worker.wake();
    await this.clearAway(wantedBy(before), change.say);
    return true;
  }

  /** A download that failed is kept for the next attempt; it goes when its content is not wanted any more, or another one is. */
  private async clearAway(before: readonly Desired[], said: readonly Status[]): Promise<void> {
    const wanted = wantedBy(this.present);
    const isOver = said.some(({ state }) => TERMINAL_STATES.has(state) && state !== 'failed');
    const isNew = wanted.some(({ firmware }) => before.every((other) => other.firmware.sha256 !== firmware.sha256));
    if (isOver || isNew) await this.downloads.keepOnly(wanted);
  }

  private say(status: Status): void {
    const { error, state, slot, until } = status;
    this.note(state, error ? `${error.code}: ${error.message}` : until === undefined ? '' : `until ${new Date(until).toISOString()}`, slot);
    const message: Outgoing = { type: 'status', body: status };
    if (TERMINAL_STATES.has(state)) this.repeater.put(statusReceipt(status), message);
    else this.publish(message);
    if (state === 'failed') this.tellDiary(status);
  }

  private tellDiary(about?: { installationId: string; slot: string }): void {
    const lines = this.diary.newest();
    if (lines.length === 0) return;
    this.publish({ type: 'log', body: { v: 1, at: Date.now(), ...(about && { installationId: about.installationId, slot: about.slot }), lines } });
  }

  private publish(message: Outgoing): void {
    const send = (one: Outgoing) => this.connection.send(one);
    this.unlessHalted(this.hooks.outgoing?.(message, send) ?? send(message));
  }

  private connected(): void {
    this.note('connected', '');
    this.unheardSince = Date.now();
    this.unlessHalted(this.greet());
  }

  private disconnected(reason: string): void {
    this.note('disconnected', reason);
    this.repeater.rest();
    this.hello = undefined;
    this.unheardSince = Date.now();
    this.worker.wake();
  }

  /** After each connect, and when it is asked for: a hello first, then whatever may have been lost. */
  private async greet(): Promise<void> {
    const msgId = randomUUID();
    const told = Object.fromEntries(Object.entries(this.present.slots).map(([slot, { revision }]) => [slot, revision]));
    const { deviceType, aliases } = this.options;
    const body = await greeting({ msgId, told, installer: this.installer, slots: this.slots, deviceType, aliases });
    if (this.halt.aborted || !this.connection.connected) return;
    this.hello = { msgId, told, isAnswered: false };
    this.repeater.rest(); // put in order, then said once
    this.repeater.clear();
    this.repeater.put(msgId, { type: 'hello', body });
    for (const status of this.present.unacknowledged) this.repeater.put(statusReceipt(status), { type: 'status', body: status });
    this.repeater.resume();
    for (const { job } of Object.values(this.present.slots)) {
      if (job?.last) this.publish({ type: 'status', body: job.last });
    }
  }

  private received(topic: string, payload: Uint8Array): void {
    const parsed = parseDown(topic, payload);
    if (!parsed.ok) return this.note('refused', `${parsed.reason}: ${parsed.detail}`);
    const { message } = parsed;
    // For a child of a gateway; this agent has none.
    if (message.device !== message.node) return;
    // What could not be written down must not be lost: after the next connect the broker hands out every document again.
    this.unlessHalted(this.handle(message), () => this.connection.cut());
  }

  private async handle(message: DownMessage): Promise<void> {
    switch (message.type) {
      case 'desired':
        if (message.body !== null && message.body.slot !== message.slot) return this.note('refused', `a document for ${message.body.slot} came on the topic of ${message.slot}`);
        return void (await this.change((state) => documentArrived(state, message.slot, message.body, Date.now())));
      case 'cmd':
        return this.obey(message.body);
      case 'ack':
        return this.acknowledged(message.body);
    }
  }

  private async obey({ cmd, installationId }: Cmd): Promise<void> {
    switch (cmd) {
      case 'cancel':
        return void (await this.change((state) => cancelAsked(state, installationId, Date.now())));
      case 'hello':
        return this.greet();
      case 'log':
        return this.tellDiary();
    }
  }

  private async acknowledged(ack: Ack): Promise<void> {
    this.repeater.drop(ack.for);
    const { hello } = this;
    if (hello === undefined || ack.for !== hello.msgId) return void (await this.change((state) => acknowledged(state, ack.for)));
    const { open } = ack;
    if (open !== undefined) await this.change((state) => helloAnswered(state, hello.told, open, Date.now()));
    hello.isAnswered = true;
    this.worker.wake();
  }

  /** For what nobody waits for: an error is told, and the end of the agent is none. */
  private unlessHalted(doing: Promise<void>, otherwise?: () => void): void {
    doing.catch((error: unknown) => {
      if (isHalted(error) || this.halt.aborted) return;
      this.note('trouble', messageOf(error));
      otherwise?.();
    });
  }

  private async finish(how: 'goodbye' | 'powerless'): Promise<void> {
    this.ending.abort();
    this.repeater.close();
    this.worker.wake();
    await this.connection.close(how);
    await Promise.allSettled([this.starting]);
    await Promise.allSettled([this.work, this.changes]);
  }
}

function wantedBy(state: AgentState): Desired[] {
  return Object.values(state.slots).flatMap(({ job, next }) => [...(job ? [job.desired] : []), ...(next ? [next] : [])]);
}
