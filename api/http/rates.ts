import { DomainError } from '../../domain/errors.js';

/** Requests in a minute; undefined = as many as there are. */
export interface RequestRates {
  readonly perPrincipal?: number | undefined;
  readonly perAddress?: number | undefined;
}

/** What a minute allows in this time may come at once: clients come in waves, and a page of a dashboard is one. */
const BURST_MS = 10_000;
/** Keys that are remembered, of 100 bytes or so each. Beyond it the one that was seen longest ago is forgotten. */
const MOST_KEYS = 20_000;

/**
 * How often something may happen for each key, in this process and its memory alone: a look into the database would
 * cost more than the request that it spares. Each key has a time up to which its share is used (GCRA).
 */
export class Rates {
  private readonly usedUntil = new Map<string, number>();
  private readonly eachMs: number;
  private readonly burstMs: number;

  constructor(perMinute: number) {
    this.eachMs = 60_000 / perMinute;
    this.burstMs = Math.max(BURST_MS, this.eachMs);
  }

  /** Takes one where there is one. @returns the seconds after which to try again; 0 = taken */
  take(key: string): number {
    const wait = this.wait(key);
    if (wait > 0) return wait;
    const used = Math.max(this.usedUntil.get(key) ?? 0, performance.now()) + this.eachMs;
    this.usedUntil.delete(key);
    this.usedUntil.set(key, used);
    const [oldest] = this.usedUntil.keys();
    if (this.usedUntil.size > MOST_KEYS && oldest !== undefined) this.usedUntil.delete(oldest);
    return 0;
  }

  /** The same, without taking one. */
  wait(key: string): number {
    const now = performance.now();
    const over = Math.max(this.usedUntil.get(key) ?? 0, now) + this.eachMs - now - this.burstMs;
    // A whole share that is a hair's breadth late is none.
    return over > 1e-6 ? Math.ceil(over / 1_000) : 0;
  }
}

/** The limits of an API, each where it is set. */
export class RequestLimits {
  private readonly principals: Rates | undefined;
  private readonly addresses: Rates | undefined;

  constructor(private readonly rates: RequestRates = {}) {
    this.principals = rates.perPrincipal === undefined ? undefined : new Rates(rates.perPrincipal);
    this.addresses = rates.perAddress === undefined ? undefined : new Rates(rates.perAddress);
  }

  /** @throws DomainError REQUEST_RATE */
  principal({ tenantId, id }: { tenantId: string; id: string }): void {
    const wait = this.principals?.take(`${tenantId} ${id}`) ?? 0;
    if (wait > 0) throw tooMany(`${id} sends more than ${this.rates.perPrincipal} requests a minute`, wait);
  }

  /** @throws DomainError REQUEST_RATE */
  address(address: string): void {
    const wait = this.addresses?.take(networkOf(address)) ?? 0;
    if (wait > 0) throw tooMany(`more than ${this.rates.perAddress} requests a minute come from this address`, wait);
  }
}

/** REQUEST_RATE; `seconds` becomes Retry-After. */
export function tooMany(why: string, seconds: number): DomainError {
  return new DomainError('REQUEST_RATE', `${why}; try again in ${seconds} s`, { retryAfter: seconds });
}

/** An address as one that counts: of IPv6 the network of 64 bits, of which one client has all addresses. */
export function networkOf(address: string): string {
  const [ip = ''] = address.replace(/^::ffff:(?=\d+\.)/i, '').split('%');
  if (!ip.includes(':')) return ip;
  const [head = '', tail] = ip.split('::');
  const [before, after] = [head, tail ?? ''].map((part) => (part === '' ? [] : part.split(':'))) as [
    string[],
    string[],
  ];
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0');
  return [...before, ...zeros, ...after].slice(0, 4).join(':');
}
