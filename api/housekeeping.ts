import type { Logger } from 'pino';

/** What is tidied from time to time. `run` answers how many things it tidied. */
export interface Chore {
  name: string;
  everyMs: number;
  run: () => Promise<number>;
}

/**
 * Runs each chore now and then every so often, one run at a time. A run that fails is logged and the next one comes:
 * what it tidies grows slowly, and nothing depends on it. Every process may do the same chores at once: each is
 * made of pages that several may take, or removes files that may be gone.
 */
export class Housekeeping {
  private ended = false;
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private readonly running = new Map<string, Promise<void>>();

  constructor(
    chores: readonly Chore[],
    private readonly log: Logger,
  ) {
    for (const chore of chores) this.running.set(chore.name, this.do(chore));
  }

  /** Lets what is under way end. */
  async end(): Promise<void> {
    this.ended = true;
    for (const timer of this.timers.values()) clearTimeout(timer);
    await Promise.all(this.running.values());
  }

  private async do(chore: Chore): Promise<void> {
    try {
      const tidied = await chore.run();
      if (tidied > 0) this.log.info({ tidied }, chore.name);
    } catch (error) {
      this.log.warn({ err: error }, `${chore.name}: failed; the next try is in ${chore.everyMs / 1000} s`);
    }
    if (this.ended) return;
    const timer = setTimeout(() => this.running.set(chore.name, this.do(chore)), chore.everyMs);
    // It must not keep a process alive that has nothing else to do.
    timer.unref();
    this.timers.set(chore.name, timer);
  }
}
