import { holdLease, releaseLease } from './leases.js';
import type { Pool } from './pool.js';

/** Held while the broker answers the bridge: what /health/ready says of the broker. */
export const BROKER_LEASE = 'broker';

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
    /** Asked before each beat: what the heartbeat stands for may fail while the process lives. */
    private readonly isWell: () => boolean = () => true,
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
    const beat = this.isWell()
      ? holdLease(this.pool, this.name, this.holder, TTL_MS)
      : releaseLease(this.pool, this.name, this.holder);
    await beat.catch(this.onError);
    this.timer = setTimeout(() => {
      this.beating = this.beat();
    }, BEAT_MS);
    this.timer.unref();
  }
}
