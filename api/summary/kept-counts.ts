import type { Logger } from 'pino';

/** What was counted, and what is being counted anew. Times are of the monotonic clock, in milliseconds. */
interface Kept<T> {
  value?: T;
  /** When the count of `value` began, and how long it took. */
  at: number;
  took: number;
  counting?: Promise<T>;
}

/** A dashboard asks every few seconds: what is older is counted anew behind the answer. */
const FRESH_MS = 3_000;
/** Counting takes at most a twentieth of one connection's time, however large the fleet is. */
const SHARE = 20;
/** No answer is older: a request after such a pause waits for the count. */
const OLDEST_MS = 60_000;
/** What was not asked for in this time is forgotten. */
const FORGOTTEN_MS = 3_600_000;

/**
 * Counts over whole tenants, kept in the memory of this process. It exists because a count reads every row of a fleet,
 * and an overview is asked for by each page that shows it: an answer is what was counted last, and says its age.
 *
 * Modes of a tenant: unknown or old (who asks waits, all share one count), fresh (what is kept is the answer), stale
 * (what is kept is the answer, and one count runs behind it).
 */
export class KeptCounts<T> {
  private readonly byTenant = new Map<string, Kept<T>>();

  constructor(
    private readonly count: (tenantId: string) => Promise<T>,
    private readonly log: Logger,
    private readonly monotonic: () => number = () => performance.now(),
  ) {}

  /** @throws what the count throws, where nothing is kept that is young enough */
  async of(tenantId: string): Promise<T> {
    const now = this.monotonic();
    const kept = this.byTenant.get(tenantId);
    if (!kept) return this.countAnew(tenantId, this.remember(tenantId, now));
    const age = now - kept.at;
    if (kept.value === undefined || age > Math.max(OLDEST_MS, kept.took * SHARE)) return this.countAnew(tenantId, kept);
    if (age > Math.max(FRESH_MS, kept.took * SHARE))
      this.countAnew(tenantId, kept).catch((error: unknown) =>
        this.log.warn({ err: error, tenantId }, 'the counts of a tenant could not be renewed; the last ones are shown'),
      );
    return kept.value;
  }

  private remember(tenantId: string, now: number): Kept<T> {
    for (const [id, { at }] of this.byTenant) if (now - at > FORGOTTEN_MS) this.byTenant.delete(id);
    const kept: Kept<T> = { at: now, took: 0 };
    this.byTenant.set(tenantId, kept);
    return kept;
  }

  private countAnew(tenantId: string, kept: Kept<T>): Promise<T> {
    kept.counting ??= this.counted(tenantId, kept).finally(() => delete kept.counting);
    return kept.counting;
  }

  private async counted(tenantId: string, kept: Kept<T>): Promise<T> {
    const began = this.monotonic();
    const value = await this.count(tenantId);
    kept.value = value;
    kept.at = began;
    kept.took = this.monotonic() - began;
    return value;
  }
}
