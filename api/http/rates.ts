import { DomainError } from '../../domain/errors.js';
import type { HttpLimit, Limited } from './limited.js';
import { Shares } from '../../domain/rates.js';

/** Requests in a minute; undefined = as many as there are. */
export interface RequestRates {
  readonly perPrincipal?: number | undefined;
  readonly perAddress?: number | undefined;
  /** Enrolments alone: each may make a device and a certificate. */
  readonly enrolmentsPerAddress?: number | undefined;
}

/**
 * How often something may happen for each key, in this process and its memory alone: a look into the database would
 * cost more than the request that it spares.
 */
export class Rates {
  private readonly shares: Shares;

  constructor(perMinute: number) {
    this.shares = new Shares(perMinute);
  }

  /** Takes one where there is one. @returns the seconds after which to try again; 0 = taken */
  take(key: string): number {
    return Math.ceil(this.shares.take(key, performance.now()) / 1_000);
  }

  /** The same, without taking one. */
  wait(key: string): number {
    return Math.ceil(this.shares.wait(key, performance.now()) / 1_000);
  }
}

/** The limits of an API, each where it is set. */
export class RequestLimits {
  private readonly principals: Rates | undefined;
  private readonly addresses: Rates | undefined;
  private readonly enrolments: Rates | undefined;

  constructor(
    private readonly rates: RequestRates = {},
    private readonly limited?: Limited,
  ) {
    this.principals = rates.perPrincipal === undefined ? undefined : new Rates(rates.perPrincipal);
    this.addresses = rates.perAddress === undefined ? undefined : new Rates(rates.perAddress);
    this.enrolments = rates.enrolmentsPerAddress === undefined ? undefined : new Rates(rates.enrolmentsPerAddress);
  }

  /** @throws DomainError REQUEST_RATE */
  principal({ tenantId, id }: { tenantId: string; id: string }): void {
    const wait = this.principals?.take(`${tenantId} ${id}`) ?? 0;
    if (wait > 0) throw this.over('rate', `${id} sends more than ${this.rates.perPrincipal} requests a minute`, wait);
  }

  /** @throws DomainError REQUEST_RATE */
  address(address: string): void {
    const wait = this.addresses?.take(networkOf(address)) ?? 0;
    if (wait > 0)
      throw this.over('rate', `more than ${this.rates.perAddress} requests a minute come from this address`, wait);
  }

  /** @throws DomainError REQUEST_RATE */
  enrolment(address: string): void {
    const wait = this.enrolments?.take(networkOf(address)) ?? 0;
    if (wait > 0)
      throw this.over(
        'enrolments',
        `more than ${this.rates.enrolmentsPerAddress} enrolments a minute come from this address`,
        wait,
      );
  }

  private over(limit: HttpLimit, sentence: string, seconds: number): DomainError {
    this.limited?.note(limit, `a request was refused: ${sentence}`);
    return tooMany(sentence, seconds);
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
