import { statusReceipt, type Status } from '../../protocol/mqtt/payloads.js';
import type { Outgoing } from './connection.js';
import type { EventLog } from './event-log.js';
import type { HelloMessage } from './hello-message.js';
import { ProgressPace } from './progress-pace.js';
import { Repeater, type RepeaterOptions } from './repeater.js';
import { TERMINAL_STATES, type AgentState, type Job } from './state.js';

/** `eventLog` keeps what `up/log` sends after a failure; `publish` may lose a message, which is then repeated. */
export interface ReporterOptions extends Omit<RepeaterOptions, 'send'> {
  readonly eventLog: EventLog;
  readonly publish: (message: Outgoing) => void;
  /** How long after a connect (or its loss) the answer to the hello is waited for, milliseconds. */
  readonly patience: number;
}

interface Hello {
  readonly msgIds: Set<string>;
  /** Slot → the revision that it reported. */
  readonly reportedRevisions: Readonly<Record<string, number>>;
  isAnswered: boolean;
}

/**
 * What one device says: its hello, its statuses, how far it is, and its diary. What the service must have heard is
 * repeated until it is acknowledged; everything is said again after each connect, because the last of it may have been
 * lost.
 */
export class Reporter {
  private readonly repeater: Repeater;
  private readonly pace = new ProgressPace();
  private hello: Hello | undefined;
  private unheardSince: number;

  constructor(private readonly deps: ReporterOptions) {
    this.repeater = new Repeater({ ...deps, send: deps.publish });
    this.unheardSince = deps.clock.monotonic();
  }

  /**
   * Not before this (by the monotonic clock, milliseconds) a slot is touched: the service is first given the chance to
   * withdraw.
   */
  get heardAt(): number {
    return this.hello?.isAnswered === true ? -Infinity : this.unheardSince + this.deps.patience;
  }

  /** The connection came, or went. */
  unheard(): void {
    this.repeater.rest();
    this.hello = undefined;
    this.unheardSince = this.deps.clock.monotonic();
  }

  close(): void {
    this.repeater.close();
  }

  /**
   * A hello first, then whatever may have been lost. `answerWanted` false = nothing is in work that could have been
   * withdrawn.
   */
  sayHello(
    hellos: readonly HelloMessage[],
    state: AgentState,
    reportedRevisions: Record<string, number>,
    answerWanted: boolean,
  ): void {
    this.hello = { msgIds: new Set(hellos.map(({ msgId }) => msgId)), reportedRevisions, isAnswered: !answerWanted };
    this.repeater.rest(); // put in order, then said once
    this.repeater.clear();
    for (const { msgId, body } of hellos) this.repeater.put(msgId, { type: 'hello', body });
    for (const status of state.unacknowledged)
      this.repeater.put(statusReceipt(status), { type: 'status', body: status });
    this.repeater.resume();
    for (const { job } of Object.values(state.slots)) {
      if (job?.last) this.deps.publish({ type: 'status', body: job.last });
    }
  }

  /** Of children that answered after the hello had left. */
  addHellos(hellos: readonly HelloMessage[]): void {
    for (const { msgId, body } of hellos) {
      this.hello?.msgIds.add(msgId);
      this.repeater.put(msgId, { type: 'hello', body });
    }
  }

  /** What is not acknowledged of the newest hello is not repeated. @returns false where all of it is */
  forgetHellos(): boolean {
    return [...(this.hello?.msgIds ?? [])].filter((msgId) => this.repeater.drop(msgId)).length > 0;
  }

  /** @returns the newest hello, where this receipt is for it. */
  receipt(of: string): Hello | undefined {
    this.repeater.drop(of);
    return this.hello?.msgIds.has(of) === true ? this.hello : undefined;
  }

  say(status: Status): void {
    const { error, state, slot, forSeconds } = status;
    this.deps.eventLog.note(
      state,
      error ? `${error.code}: ${error.message}` : forSeconds === undefined ? '' : `for ${forSeconds} s`,
      slot,
    );
    const message: Outgoing = { type: 'status', body: status };
    if (TERMINAL_STATES.has(state)) this.repeater.put(statusReceipt(status), message);
    else this.deps.publish(message);
    if (state === 'failed') this.sendLog(status);
  }

  progress({ desired: { installationId, firmware, slot } }: Job, phase: 'download' | 'push', bytes: number): void {
    if (!this.pace.isDue(phase, bytes, firmware.size, this.deps.clock.monotonic())) return;
    this.deps.publish({ type: 'progress', body: { v: 1, installationId, phase, bytes, total: firmware.size } });
    this.deps.eventLog.note(
      phase === 'push' ? 'push' : 'progress',
      `${Math.floor((100 * bytes) / firmware.size)} %`,
      slot,
    );
  }

  sendLog(about?: { installationId: string; slot: string }): void {
    const lines = this.deps.eventLog.newest();
    if (lines.length === 0) return;
    this.deps.publish({
      type: 'log',
      body: {
        v: 1,
        at: this.deps.clock.now(),
        ...(about && { installationId: about.installationId, slot: about.slot }),
        lines,
      },
    });
  }
}
