/**
 * PostgreSQL's clock, as this process knows it. It exists because several processes write times into one database and
 * compare them there: by clocks of their own, each would date, wait and expire by another time. PostgreSQL says its
 * time in the round trip that begins a transaction (transaction.ts), so that this costs nothing; between two of them
 * the machine's monotonic clock goes on, which no change of the wall clock moves.
 *
 * The answer lies between the asking and the answering. What is known is kept as long as it fits, so that it is as
 * exact as the fastest round trip; where it does not fit (PostgreSQL's clock was set, this machine slept) the newest
 * word counts.
 */
export class DatabaseClock {
  /** Milliseconds from the monotonic clock to PostgreSQL's. */
  private ahead: number | undefined;

  /**
   * @param wall used until PostgreSQL has said its time: nothing was stored by then.
   * @param monotonic milliseconds that only go up
   */
  constructor(
    private readonly wall: () => number = () => Date.now(),
    private readonly monotonic: () => number = () => performance.now(),
  ) {}

  /** A moment by the monotonic clock, for `learn`. */
  asks(): number {
    return this.monotonic();
  }

  /**
   * @param answered epoch milliseconds, as PostgreSQL said
   * @param asked what `asks` gave before the question was sent
   */
  learn(answered: number, asked: number): void {
    const [least, most] = [answered - this.monotonic(), answered - asked];
    this.ahead = this.ahead === undefined ? least : Math.min(Math.max(this.ahead, least), most);
  }

  /** Epoch milliseconds by PostgreSQL's clock. */
  now(): number {
    return Math.floor(this.ahead === undefined ? this.wall() : this.monotonic() + this.ahead);
  }
}

/** Of the one database of this process; each of its transactions teaches it. */
export const databaseClock = new DatabaseClock();

/**
 * Epoch milliseconds by PostgreSQL's clock: the only one by which times are made that are stored, or compared with what
 * is.
 */
export function databaseNow(): number {
  return databaseClock.now();
}
