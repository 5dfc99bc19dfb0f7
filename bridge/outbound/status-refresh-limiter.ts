import type { Installation } from '../../domain/installation/installation.js';
import { SHOWN_AFTER_MS, signalKey } from '../../domain/installation/process-status.js';

/** So many a second at most: a tenth of what the engine takes on two cores, whatever happens to the fleet. */
const PER_SECOND = 10;
/** What could not be shown because so much else is, comes again. */
const AGAIN_MS = 60_000;
/**
 * The longest time between two refreshes of one process: a device whose connection comes and goes for a week costs its
 * history 2,000 events, which is one run of it.
 */
const MOST_MS = 30 * 60_000;
/** Processes whose last signal is remembered: 2 MB. One that is forgotten is signalled once more than it need be. */
const REMEMBERED = 10_000;

/** What a process was told last. */
interface Refreshed {
  readonly key: string;
  readonly until: number | null;
  readonly at: number;
}

/**
 * How often processes are signalled only so that people read there what the API says. Each such signal costs the
 * engine a task and the history of the process six events. Where a thousand devices lose their connection, all
 * sentences change at once; and where the connection of one comes and goes, its sentence changes each time, for days.
 *
 * So there is a limit for all together, and one for each process: the next refresh comes when half as much time has
 * passed again as the state had stood at the last one, 10 s at least and 30 min at most. A step of the device begins
 * anew.
 *
 * It holds nothing that may not be lost: another bridge begins with an empty memory.
 */
export class StatusRefreshLimiter {
  private left = PER_SECOND;
  private at = 0;
  private readonly refreshed = new Map<string, Refreshed>();

  /**
   * Whether the process knows already what is signalled of this row, except for what people read: it was told of the
   * same, and has no earlier deadline since.
   */
  isRefresh(i: Installation): boolean {
    const last = this.refreshed.get(i.id);
    if (last?.key !== signalKey(i)) return false;
    return i.dueAt === null || (last.until !== null && last.until <= i.dueAt);
  }

  /** @returns undefined where a refresh may be sent now (epoch milliseconds), else when to look again. */
  waitUntil(i: Installation, now: number): number | undefined {
    const last = this.refreshed.get(i.id);
    const next =
      last === undefined ? 0 : last.at + Math.min(Math.max((last.at - i.stateSince) / 2, SHOWN_AFTER_MS), MOST_MS);
    if (now < next) return next;
    return this.tryAcquire(now) ? undefined : now + AGAIN_MS;
  }

  /** The process was told where this row stands. */
  remember(i: Installation, now: number): void {
    this.refreshed.delete(i.id);
    if (i.endedAt !== null) return;
    this.refreshed.set(i.id, { key: signalKey(i), until: i.dueAt, at: now });
    for (const id of this.refreshed.keys()) {
      if (this.refreshed.size <= REMEMBERED) break;
      this.refreshed.delete(id);
    }
  }

  /** @returns whether one more may be sent now (epoch milliseconds). */
  private tryAcquire(now: number): boolean {
    this.left = Math.min(PER_SECOND, this.left + (Math.max(now - this.at, 0) * PER_SECOND) / 1_000);
    this.at = now;
    if (this.left < 1) return false;
    this.left -= 1;
    return true;
  }
}
