import { setTimeout as sleep } from 'node:timers/promises';
import { refusedByPooler, withoutLimits } from './pooler.js';
import { migrationNames, misfit, readSchema } from './schema-fit.js';
import type { Pool } from './pool.js';

/** So often a process asks whether it can run on the schema: a migration of a newer version may come at any time. */
const LOOK_EVERY_MS = 1_000;

/** What the watch tells its process, in its log. */
interface Log {
  readonly info: (message: string) => void;
  readonly warn: (message: string) => void;
}

/**
 * Knows whether this process can run on the schema of the database. It exists because versions are rolled one by one:
 * a process may be newer than the schema, or a migration of a newer version may remove what it uses, while it runs. It
 * trades a small statement a second for no question at all on the way of a request.
 *
 * Modes: not asked yet (`reason` says so), fits (`reason` is undefined), does not fit (`reason` says what to do).
 * While the database is away the last answer counts.
 */
export class SchemaWatch {
  private said: string | undefined = 'the database was not asked for its schema yet';
  private wasSaid: string | undefined;
  private knowsLimits = false;
  private readonly ending = new AbortController();
  private readonly waiting = new Set<() => void>();
  private readonly done: Promise<void>;

  /** @param misfits is called each time when it no longer fits. */
  constructor(
    private readonly pool: Pool,
    private readonly log: Log,
    private readonly misfits: () => void = () => undefined,
    private readonly everyMs = LOOK_EVERY_MS,
  ) {
    this.done = this.run();
  }

  /** Why this process cannot run on the schema, and what to do, in a sentence. */
  get reason(): string | undefined {
    return this.said;
  }

  /** Resolves when the schema fits, or when the watch ends. @returns whether it fits. */
  async fits(): Promise<boolean> {
    while (this.said !== undefined && !this.ending.signal.aborted)
      await new Promise<void>((resolve) => this.waiting.add(resolve));
    return this.said === undefined;
  }

  async end(): Promise<void> {
    this.ending.abort();
    this.wakeAll();
    await this.done;
  }

  private async run(): Promise<void> {
    const known = await migrationNames();
    while (!this.ending.signal.aborted) {
      try {
        const schema = await readSchema(this.pool);
        await this.lookAtLimits();
        this.learn(misfit(known, schema));
      } catch (error) {
        const why = refusedByPooler(error) ?? (error as Error).message;
        this.tell(`the database could not be asked for its schema: ${why}`);
      }
      // An end wakes it; nothing else can go wrong with a pause.
      await sleep(this.everyMs, undefined, { signal: this.ending.signal }).catch(() => undefined);
    }
  }

  /** Once: a pooler before the database stays what it is. */
  private async lookAtLimits(): Promise<void> {
    if (this.knowsLimits) return;
    const sentence = await withoutLimits(this.pool);
    this.knowsLimits = true;
    if (sentence !== undefined) this.log.warn(sentence);
  }

  private learn(reason: string | undefined): void {
    const before = this.said;
    this.said = reason;
    if (reason === undefined) {
      if (this.wasSaid !== undefined) this.log.info('the database schema fits');
      this.wasSaid = undefined;
      this.wakeAll();
    } else {
      this.tell(reason);
      if (before === undefined) this.misfits();
    }
  }

  /** Once for each reason: it is asked every second. */
  private tell(reason: string): void {
    if (reason !== this.wasSaid) this.log.warn(reason);
    this.wasSaid = reason;
  }

  private wakeAll(): void {
    for (const wake of this.waiting) wake();
    this.waiting.clear();
  }
}
