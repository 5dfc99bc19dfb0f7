import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { Pause } from '../../runtime/pause.js';
import { holdLease, releaseLease } from '../../store/db/leases.js';
import type { Pool } from '../../store/db/pool.js';
import { instant, LeaseGuard } from '../rounds/lease-guard.js';

/**
 * A successor waits for the end of a lease whose holder died: this, its own poll and its connect are the take-over,
 * under 10 s together.
 */
const TTL_MS = 5_000;
const RENEW_MS = 1_000;
/** A holder that could not renew for this long stops by itself, before another process can take the lease. */
const GIVE_UP_MS = TTL_MS - RENEW_MS;

/**
 * What a term began ends within seconds: each of its waits has a deadline. Should one have none after all, the process
 * can never lead again: it goes, and its supervisor starts another.
 */
const END_LIMIT_MS = 15_000;

/** Work that only the holder of the lease does; `end` resolves when nothing of it is under way. */
export interface LeaderTask {
  end(): Promise<void>;
}

/**
 * Leads while it holds the lease, and stands by while another one does. It exists because documents and reports have
 * one writer at a time; it trades a take-over of some seconds for no coordination at all on the way of a report. A
 * stalled leader is fenced three times: by the epoch in every transaction, by its own clocks before every message, and
 * by the broker's take-over of its client id.
 *
 * Modes: `standby` (asks for the lease, unless it may not lead), `leading` (a term runs), `ended`.
 */
export class Leadership {
  private mode: 'standby' | 'leading' | 'ended' = 'standby';
  private readonly pause = new Pause();
  private readonly done: Promise<void>;

  /**
   * @param options `limitMs`: how long the end of a term may take, and `stuck`: what is done where it takes longer.
   * `mayNot`: why this process may not lead now, in a sentence; asked before the lease is, and while it leads.
   */
  constructor(
    private readonly pool: Pool,
    private readonly name: string,
    private readonly holder: string,
    private readonly startTerm: (guard: LeaseGuard) => LeaderTask,
    private readonly log: Logger,
    private readonly options: { limitMs?: number; stuck?: () => void; mayNot?: () => string | undefined } = {},
  ) {
    this.done = this.run();
  }

  get leads(): boolean {
    return this.mode === 'leading';
  }

  async end(): Promise<void> {
    this.mode = 'ended';
    this.pause.wake();
    await this.done;
  }

  private isEnded(): boolean {
    return this.mode === 'ended';
  }

  private async run(): Promise<void> {
    for (let isLogged = false; !this.isEnded();) {
      const asked = instant();
      const epoch = this.mayNot() === undefined ? await this.ask() : undefined;
      if (epoch === undefined && !isLogged) this.log.info({}, `stands by for "${this.name}"`);
      isLogged = epoch === undefined;
      if (epoch !== undefined && !this.isEnded())
        await this.lead(
          new LeaseGuard({ name: this.name, holder: this.holder, epoch }, GIVE_UP_MS, asked, () => this.pause.wake()),
        );
      if (!this.isEnded()) await this.pause.for(RENEW_MS);
    }
  }

  private async lead(guard: LeaseGuard): Promise<void> {
    const { fence } = guard;
    this.mode = 'leading';
    this.log.info({ epoch: fence.epoch }, `leads "${this.name}"`);
    const term = this.startTerm(guard);
    while (!this.isEnded() && guard.holds()) {
      await this.pause.for(RENEW_MS);
      if (!guard.holds() || this.mayNot() !== undefined) break;
      const asked = instant();
      // A database that does not answer at all must not make this wait beyond its tenure.
      const epoch = await Promise.race([this.ask(), sleep(Math.max(0, guard.remaining()), undefined, { ref: false })]);
      if (epoch === fence.epoch) guard.renew(asked);
      else if (epoch !== undefined) break; // another process held it in between: what this term believes may be old
    }
    if (!this.isEnded()) {
      this.log.warn({ epoch: fence.epoch }, `leads "${this.name}" no longer`);
      guard.lose();
    }
    await this.endTerm(term);
    // A successor that may lead need not wait for the end of the lease.
    if (this.isEnded() || this.mayNot() !== undefined) await this.giveBack();
    if (!this.isEnded()) this.mode = 'standby';
  }

  private mayNot(): string | undefined {
    return this.options.mayNot?.();
  }

  /** In time, or not at all: a process that waits for the end of a term can never lead again. */
  private async endTerm(term: LeaderTask): Promise<void> {
    const { limitMs = END_LIMIT_MS, stuck } = this.options;
    const timer = setTimeout(() => {
      this.log.fatal({ limitMs }, `the work of "${this.name}" does not end; this process goes`);
      stuck?.();
    }, limitMs);
    try {
      await term.end();
    } finally {
      clearTimeout(timer);
    }
  }

  private async ask(): Promise<number | undefined> {
    try {
      return await holdLease(this.pool, this.name, this.holder, TTL_MS);
    } catch (error) {
      this.log.warn({ err: error }, `the lease "${this.name}" cannot be asked for`);
      return undefined;
    }
  }

  private async giveBack(): Promise<void> {
    try {
      await releaseLease(this.pool, this.name, this.holder);
    } catch (error) {
      this.log.warn({ err: error }, `the lease "${this.name}" was not given back; it ends in ${TTL_MS} ms`);
    }
  }
}
