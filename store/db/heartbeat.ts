import { holdLease, releaseLease } from './leases.js';
import type { Pool } from './pool.js';

/** A process that died is missed after this time at the latest. */
const TTL_MS = 5_000;
const BEAT_MS = 1_000;

/**
 * Keeps a lease fresh for as long as the process does its work, so that /health/ready knows of it. Of several processes
 * with the same name one holds it, and another takes it when that one is gone: it says that at least one is there.
 */
export class Heartbeat {
  private timer: NodeJS.Timeout | undefined;
  private beating: Promise<void>;

  constructor(
    private readonly pool: Pool,
    private readonly name: string,
    private readonly holder: string,
    private readonly onError: (error: unknown) => void,
  ) {
    this.beating = this.beat();
  }

  /** Gives the lease back: the next one need not wait for its end. */
  async end(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    await this.beating;
    clearTimeout(this.timer);
    await releaseLease(this.pool, this.name, this.holder).catch(this.onError);
  }

  private async beat(): Promise<void> {
    await holdLease(this.pool, this.name, this.holder, TTL_MS).catch(this.onError);
    this.timer = setTimeout(() => {
      this.beating = this.beat();
    }, BEAT_MS);
    this.timer.unref();
  }
}
