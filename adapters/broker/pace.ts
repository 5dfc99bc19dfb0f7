import type { Client } from 'aedes';
import { Shares } from '../../domain/rates.js';

/** A pace for each client, until its connection closes. @param perSecond absent = none has one */
export function paces(
  perSecond: number | undefined,
  slowed: (client: Client) => void,
): (client: Client) => Pace | undefined {
  const all = new WeakMap<Client, Pace>();
  return (client) => {
    if (perSecond === undefined) return undefined;
    const known = all.get(client);
    if (known) return known;
    let isSlow = false;
    const pace = new Pace(perSecond, () => {
      if (!isSlow) slowed(client);
      isSlow = true;
    });
    all.set(client, pace);
    client.conn.once('close', () => pace.end());
    return pace;
  };
}

/**
 * The messages of one connection, at most so many a second; what ten seconds allow may come at once. Those that come
 * faster wait, in their order, and the socket is not read meanwhile: no report is lost, and the sender feels it. It
 * exists because one device that repeats itself without a pause would take its turn before all others.
 */
export class Pace {
  private readonly shares: Shares;
  private waiting: (() => void)[] = [];
  private timer: NodeJS.Timeout | undefined;

  /** @param slowed is called at the first message that has to wait. */
  constructor(
    perSecond: number,
    private readonly slowed: () => void,
  ) {
    this.shares = new Shares(perSecond * 60);
  }

  pass(go: () => void): void {
    const wait = this.waiting.length > 0 ? undefined : this.take();
    if (wait === 0) return go();
    if (this.waiting.push(go) === 1) this.slowed();
    if (wait !== undefined) this.lookIn(wait);
  }

  /** The connection has closed: what waits is let through, and finds that out by itself. */
  end(): void {
    clearTimeout(this.timer);
    for (const go of this.waiting.splice(0)) go();
  }

  private take(): number {
    return this.shares.take('', performance.now());
  }

  private lookIn(ms: number): void {
    this.timer = setTimeout(() => {
      let wait = 0;
      while (this.waiting.length > 0 && (wait = this.take()) === 0) this.waiting.shift()?.();
      if (this.waiting.length > 0) this.lookIn(wait);
    }, Math.ceil(ms));
  }
}
