import type { Logger } from 'pino';
import { backOff } from '../../domain/back-off.js';
import { Pause } from '../../runtime/pause.js';
import { spacingAfter } from './spacing.js';

const BACK_OFF = { firstMs: 200, maxMs: 2_000 };

/**
 * Rounds of one sender begin this far apart: each costs some transactions, whether it is about two or about twenty. In
 * a rush that is a tenth of all that the service does; a device or a person notices nothing of it, and what comes while
 * no round is under way is done at once.
 */
export const APART_MS = 50;

/**
 * Does a piece of work again and again: while there is more, when woken, and at the latest after a time; but rounds
 * begin `apartMs` after each other at least, and further on a busy machine. It exists because every sender here is
 * level-triggered, and a lost wake-up must cost a little latency and never an installation.
 *
 * Modes: `working`, `resting` (until woken or the poll's time), `ended`. Work that throws is tried again after a
 * back-off.
 */
export class Loop {
  private mode: 'working' | 'resting' | 'ended' = 'working';
  private woken = false;
  /** Backing off: a wake-up must not turn it into a busy loop. */
  private isDeaf = false;
  private readonly pause = new Pause();
  private readonly done: Promise<void>;

  /** `work` answers whether there may be more to do right now. */
  constructor(
    private readonly name: string,
    private readonly work: () => Promise<boolean>,
    private readonly pollMs: number,
    private readonly log: Logger,
    private readonly apartMs = 0,
  ) {
    this.done = this.run();
  }

  wake(): void {
    this.woken = true;
    if (!this.isDeaf) this.pause.wake();
  }

  /** Finishes the piece under way. */
  async end(): Promise<void> {
    this.mode = 'ended';
    this.pause.wake();
    await this.done;
  }

  private async run(): Promise<void> {
    for (let failures = 0; !this.isEnded();) {
      let more = false;
      const began = performance.now();
      let took = 0;
      this.woken = false;
      try {
        more = await this.work();
        took = performance.now() - began;
        failures = 0;
      } catch (error) {
        failures += 1;
        if (!this.isEnded())
          this.log.warn({ err: error, loop: this.name, failures }, `${this.name} failed; trying again`);
      }
      if (!more && !this.isEnded())
        await this.rest(failures === 0 ? this.pollMs : backOff(failures, BACK_OFF), failures > 0);
      const early = began + spacingAfter(took, this.apartMs) - performance.now();
      if (early > 0 && !this.isEnded()) await this.rest(early, true);
    }
  }

  /** Asked through a method: the mode changes while `run` awaits, which the compiler's narrowing does not see. */
  private isEnded(): boolean {
    return this.mode === 'ended';
  }

  private async rest(ms: number, evenIfWoken: boolean): Promise<void> {
    if (this.woken && !evenIfWoken) return;
    this.mode = 'resting';
    this.isDeaf = evenIfWoken;
    await this.pause.for(ms);
    if (!this.isEnded()) this.mode = 'working';
  }
}
