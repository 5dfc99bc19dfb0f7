import type { Logger } from 'pino';
import { DomainError } from '../../domain/errors.js';
import { deviceKey } from '../../store/db/keys.js';
import type { Pool } from '../../store/db/pool.js';
import { desiredKeys } from '../../store/installations/desired.js';

/** Each costs a socket and some kilobytes. */
const MAX_WAITS = 5_000;
/** Of one device: an agent that asks for each of its slots has as many. The oldest is answered when there are more. */
const MAX_OF_DEVICE = 8;
/** What was not notified (a bridge's own changes, a lost connection) is seen after this. */
const LOOK_EVERY_MS = 5_000;
/** A rollout wakes often: looks are at least this far apart, one statement each. */
const APART_MS = 200;

/** One device that waits. */
interface Waiter {
  readonly device: { readonly tenantId: string; readonly deviceId: string };
  /** What it saw; undefined = it has not looked yet. */
  known: string | undefined;
  /** Something may have changed since it was opened and before it looked. */
  stale: boolean;
  settle: ((changed: boolean) => void) | undefined;
}

/** A wait that is open; close it. */
export interface Wait {
  /**
   * Until what the device should see may be another than `known` (`DesiredView.key`). @returns false where the wait is
   * over without that: after `ms`, when it was closed, or when the process ends. Never rejects.
   */
  change(known: string, ms: number): Promise<boolean>;
  close(): void;
}

/**
 * Devices that wait over HTTP for what they should see. It exists so that a thousand of them cost one statement at a
 * wake-up, and none between: PostgreSQL notifies (store/outbox), one look compares what all of them know, and only
 * those are woken for whom something changed. A slow look stands behind it.
 *
 * Modes: `open`; `ended`, in which every wait is over as soon as it begins.
 */
export class Waits {
  private readonly byDevice = new Map<string, Set<Waiter>>();
  private count = 0;
  private ended = false;
  private looking = false;
  private again = false;
  private soon: NodeJS.Timeout | undefined;
  /** performance.now() */
  private lookedAt = -Infinity;
  private readonly slow: NodeJS.Timeout;

  constructor(
    private readonly pool: Pool,
    private readonly log: Logger,
    private readonly most = MAX_WAITS,
  ) {
    this.slow = setInterval(() => this.wake(), LOOK_EVERY_MS);
    this.slow.unref();
  }

  /** Something may have changed, for any device. Cheap where none waits. */
  wake(): void {
    if (this.count === 0) return;
    for (const waiters of this.byDevice.values()) for (const one of waiters) one.stale = true;
    this.lookSoon();
  }

  /** How many wait now. */
  get open(): number {
    return this.count;
  }

  /** @throws DomainError SERVICE_UNAVAILABLE where too many wait */
  begin(device: { readonly tenantId: string; readonly deviceId: string }): Wait {
    if (this.count >= this.most)
      throw new DomainError('SERVICE_UNAVAILABLE', `${this.most} devices wait at this process already`);
    const key = deviceKey(device.tenantId, device.deviceId);
    const waiter: Waiter = { device, known: undefined, stale: false, settle: undefined };
    const waiters = this.byDevice.get(key) ?? new Set<Waiter>();
    const [oldest] = waiters;
    if (waiters.size >= MAX_OF_DEVICE && oldest) this.forget(key, waiters, oldest);
    this.byDevice.set(key, waiters.add(waiter));
    this.count += 1;
    return {
      change: (known, ms) => this.until(waiters, waiter, known, ms),
      close: () => this.forget(key, waiters, waiter),
    };
  }

  /** Answers all that wait, and each that begins to. */
  end(): void {
    this.ended = true;
    clearInterval(this.slow);
    clearTimeout(this.soon);
    for (const waiters of this.byDevice.values()) for (const one of waiters) one.settle?.(false);
  }

  private async until(waiters: ReadonlySet<Waiter>, waiter: Waiter, known: string, ms: number): Promise<boolean> {
    if (this.ended || ms <= 0 || !waiters.has(waiter)) return false;
    const changed = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), ms);
      waiter.settle = (is) => {
        clearTimeout(timer);
        resolve(is);
      };
      waiter.known = known;
      if (waiter.stale) this.lookSoon();
    });
    waiter.settle = undefined;
    waiter.known = undefined;
    return changed;
  }

  private forget(key: string, waiters: Set<Waiter>, waiter: Waiter): void {
    if (!waiters.delete(waiter)) return;
    this.count -= 1;
    if (waiters.size === 0) this.byDevice.delete(key);
    waiter.settle?.(false);
  }

  private lookSoon(): void {
    if (this.ended) return;
    if (this.looking) this.again = true;
    else this.soon ??= setTimeout(() => void this.look(), Math.max(0, this.lookedAt + APART_MS - performance.now()));
  }

  private async look(): Promise<void> {
    this.soon = undefined;
    this.looking = true;
    this.again = false;
    const waiting = [...this.byDevice.values()].flatMap((waiters) => [...waiters]);
    // Who has not looked yet may look at what was before: it stays stale.
    for (const one of waiting) if (one.known !== undefined) one.stale = false;
    this.lookedAt = performance.now();
    try {
      const devices = [...this.byDevice.values()].flatMap(([one]) => (one ? [one.device] : []));
      const keys = await desiredKeys(this.pool, devices);
      for (const one of waiting)
        if (one.known !== undefined && one.known !== keys.get(deviceKey(one.device.tenantId, one.device.deviceId)))
          one.settle?.(true);
    } catch (error) {
      this.log.warn({ err: error, devices: waiting.length }, 'what devices wait for could not be read; trying again');
    }
    this.looking = false;
    if (this.again) this.lookSoon();
  }
}
