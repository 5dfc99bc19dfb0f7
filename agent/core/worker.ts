import { setTimeout as pause } from 'node:timers/promises';
import { assertNever } from '../../domain/assert-never.js';
import { momentOf } from './clock.js';
import { withSpansAt, type AgentState, type Job } from './state.js';
import { isHalted } from './hooks.js';
import { nextTurn } from './readiness.js';
import { STEPS, type Bench } from './steps.js';
import { messageOf } from './write-file.js';

/**
 * After an error that no step expects (a full disk under the state, say): so slow that it harms nothing, so soon that
 * it heals by itself.
 */
const TROUBLE_MS = 5_000;
/** setTimeout takes 2^31 - 1 ms at most; looking once a day costs nothing. */
const IDLE_MS = 86_400_000;
/** What is left of a wait is written down this often: a few bytes of flash, and a boot costs at most this much. */
const KEEP_SPANS_MS = 600_000;

/** What the worker needs to know to choose its next step. */
export interface Desk extends Bench {
  state(): AgentState;
  /** By the monotonic clock, milliseconds; before this no slot is touched. */
  mayInstallAt(): number;
  /** Aborted when the agent ends, however it ends. */
  readonly halt: AbortSignal;
}

/**
 * Takes one step after the other, each chosen from the state as it is then, so that a start after a crash is nothing
 * special. A step that is stopped (its job was withdrawn) leaves the state alone: the code that stopped it has changed
 * that already.
 */
export class Worker {
  private running: { readonly slot: string; readonly stop: AbortController } | undefined;
  private rouse: (() => void) | undefined;
  private isRoused = false;
  private spansKeptAt: number;

  constructor(private readonly desk: Desk) {
    this.spansKeptAt = desk.clock.monotonic();
  }

  /** Resolves when the agent has ended. */
  async run(): Promise<void> {
    while (!this.desk.halt.aborted) {
      this.isRoused = false;
      const turn = nextTurn(this.desk.state(), momentOf(this.desk.clock), this.desk.mayInstallAt());
      if ('job' in turn) await this.step(turn.job);
      else await this.rest(turn.inMs);
    }
  }

  /** Something changed: look again. */
  wake(): void {
    this.isRoused = true;
    this.rouse?.();
  }

  /** Stops a running step on this slot. */
  stop(slot: string): void {
    if (this.running?.slot === slot) this.running.stop.abort();
  }

  private async step(job: Job): Promise<void> {
    const { slot } = job.desired;
    const stop = new AbortController();
    this.running = { slot, stop };
    try {
      await this.start(job, AbortSignal.any([stop.signal, this.desk.halt]));
    } catch (error) {
      if (stop.signal.aborted || this.desk.halt.aborted || isHalted(error)) return;
      this.desk.note('trouble', messageOf(error), slot);
      await pause(TROUBLE_MS, undefined, { signal: this.desk.halt }).catch(() => undefined);
    } finally {
      this.running = undefined;
    }
  }

  private start(job: Job, signal: AbortSignal): Promise<void> {
    switch (job.phase) {
      case 'offered':
      case 'deferred':
      case 'accepted':
      case 'downloading':
      case 'downloaded':
      case 'installing':
      case 'rebooting':
        return STEPS[job.phase](this.desk, job, signal);
      case 'ignored':
        throw new Error('what is ignored is never ready');
      default:
        return assertNever(job.phase);
    }
  }

  private async rest(inMs: number | null): Promise<void> {
    if (this.isRoused) return;
    const ms = inMs === null ? IDLE_MS : Math.min(Math.max(1, inMs), this.desk.timings.look);
    await new Promise<void>((done) => {
      const timer = setTimeout(done, ms);
      this.rouse = () => {
        clearTimeout(timer);
        done();
      };
    });
    this.rouse = undefined;
    if (inMs !== null) await this.keepSpans();
  }

  /** So that a device that is switched off and on again and again comes to the end of a deferral. */
  private async keepSpans(): Promise<void> {
    const { clock, halt } = this.desk;
    if (halt.aborted || clock.monotonic() - this.spansKeptAt < KEEP_SPANS_MS) return;
    this.spansKeptAt = clock.monotonic();
    try {
      await this.desk.change((state) => ({ state: withSpansAt(state, momentOf(clock)), say: [], stop: [] }));
    } catch (error) {
      if (!isHalted(error)) this.desk.note('trouble', messageOf(error), null);
    }
  }
}
