import type { Logger } from 'pino';
import { record } from '../../../store/record.js';
import { asService } from '../../../store/db/transaction.js';
import type { Pool } from '../../../store/db/pool.js';
import type { Services } from '../../http/route.js';

/** How long a poll is kept in memory. It may be lost: the next one says the same. */
const WRITE_MS = 2_000;
/** Of one transaction, which holds the rows of its devices. */
const BATCH = 500;
/** A device that was seen later than this is not written again for a poll. */
export const SEEN_LATELY_MS = 30_000;

interface Seen {
  readonly tenantId: string;
  readonly deviceId: string;
}

/**
 * Devices that polled, written together some seconds later: a write per poll would cost more than the poll. What it
 * trades: `lastSeenAt` may be seconds late, and the polls of the last seconds before a crash are forgotten.
 */
export class Sightings {
  private readonly noted = new Map<string, Seen>();
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> = Promise.resolve();

  constructor(private readonly on: Pick<Services, 'pool' | 'now' | 'notifyOutbox'> & { log: Logger }) {}

  /** Never waits, never throws. */
  note(seen: Seen): void {
    this.noted.set(`${seen.tenantId}/${seen.deviceId}`, seen);
    if (this.timer !== undefined) return;
    this.timer = setTimeout(() => void this.write(), WRITE_MS);
    this.timer.unref();
  }

  /** Writes what is noted. */
  async write(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const all = [...this.noted.values()];
    this.noted.clear();
    this.writing = this.writing.then(async () => {
      for (let at = 0; at < all.length; at += BATCH) await this.writeBatch(all.slice(at, at + BATCH), this.on.pool);
    });
    await this.writing;
  }

  private async writeBatch(batch: readonly Seen[], pool: Pool): Promise<void> {
    try {
      await asService(pool, (tx) =>
        record(
          tx,
          batch.map((one) => ({
            ...one,
            from: { kind: 'device' as const, node: one.deviceId },
            kind: 'sign_of_life' as const,
          })),
          this.on.now(),
        ),
      );
      this.on.notifyOutbox();
    } catch (error) {
      this.on.log.warn(
        { err: error, devices: batch.length },
        'devices that polled could not be noted; they poll again',
      );
    }
  }
}
