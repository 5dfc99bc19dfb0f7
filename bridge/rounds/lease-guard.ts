import { LeaseLost, type Fence } from '../../store/db/leases.js';

/**
 * One holder's time as the leader. PostgreSQL fences what it writes; this fences what leaves the process otherwise,
 * which no database can: it is asked before each message and each call. It goes by this process's own clocks since the
 * lease was last renewed, so that a leader that was stopped, or cut off, knows it before it says another word. The wall
 * clock counts too: the monotonic one stands still while a machine sleeps.
 *
 * It holds, or is over; once over it stays so.
 */
export class LeaseGuard {
  private isOver = false;
  private renewed: { monotonic: number; wall: number };

  /**
   * @param mayLastMs without a renewal; shorter than the lease. @param ended is called once, when a call finds that
   * it is over.
   */
  constructor(
    readonly fence: Fence,
    private readonly mayLastMs: number,
    asked: Instant,
    private readonly ended: () => void = () => undefined,
  ) {
    this.renewed = asked;
  }

  holds(): boolean {
    return !this.isOver && this.remaining() > 0;
  }

  /** Milliseconds. */
  remaining(): number {
    return this.mayLastMs - Math.max(performance.now() - this.renewed.monotonic, Date.now() - this.renewed.wall);
  }

  /** @param asked when PostgreSQL was asked: the lease may have begun then. */
  renew(asked: Instant): void {
    this.renewed = asked;
  }

  /** PostgreSQL says that another one leads, or did not answer in time: everything of the term stops now. */
  lose(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.ended();
  }

  /** @throws LeaseLost */
  assert(): void {
    if (!this.holds()) throw new LeaseLost(this.fence.name);
  }

  /** Work of the term: not begun once it is over, and where it finds out that it is, the whole term learns it. */
  async during<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
    if (!this.holds()) return otherwise;
    try {
      return await work();
    } catch (error) {
      if (!isLeaseLost(error)) throw error;
      this.lose();
      return otherwise;
    }
  }
}

/** One moment by both clocks, in milliseconds. `wall` may jump, and `monotonic` stands still in a suspended machine. */
export interface Instant {
  readonly monotonic: number;
  readonly wall: number;
}

/** Now, by both clocks. */
export function instant(): Instant {
  return { monotonic: performance.now(), wall: Date.now() };
}

/** Recognised by its name, not by its class. */
export function isLeaseLost(error: unknown): boolean {
  return (error as { name?: unknown }).name === 'LeaseLost';
}
