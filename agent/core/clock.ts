import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { codeOf } from './write-file.js';

/**
 * The two clocks of a device. The wall clock says what people call the time, and may jump by any amount at any moment:
 * a device without a battery starts in 1970. The monotonic one only goes forward, and measures every span of time.
 */
export interface Clock {
  /**
   * Wall clock, epoch milliseconds. For what is told to people and for times that the service names, never for spans.
   */
  now(): number;
  /** Milliseconds of this boot of the machine. It stands still while the machine is suspended, as timers do. */
  monotonic(): number;
  /** In which boot `monotonic` counts: readings of two boots cannot be compared. */
  readonly boot: string;
}

/** Both clocks, read at once: plain data, for pure functions. */
export interface Moment {
  readonly wall: number;
  readonly monotonic: number;
  readonly boot: string;
}

/**
 * A span of time that survives a restart: `leftMs` were left when the monotonic clock of that boot showed `at`. In
 * another boot the time in between is not known, because only the wall clock could tell it: then all of it is left.
 */
export interface Span {
  readonly leftMs: number;
  readonly at: number;
  readonly boot: string;
}

/** Linux: another one after each boot of the machine. */
const BOOT_ID = '/proc/sys/kernel/random/boot_id';

/** Of the machine. On Linux all its processes read the same monotonic clock, so that a span goes on over a restart. */
export const SYSTEM_CLOCK: Clock = {
  now: () => Date.now(),
  monotonic: () => Number(process.hrtime.bigint() / 1_000_000n),
  boot: machineBoot(),
};

/** The machine's boot. Where the system does not say it: a new one for each process. */
function machineBoot(): string {
  try {
    return readFileSync(BOOT_ID, 'utf8').trim();
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return randomUUID();
  }
}

/** Now, by both clocks, with the boot to which the monotonic one belongs. */
export function momentOf(clock: Clock): Moment {
  return { wall: clock.now(), monotonic: clock.monotonic(), boot: clock.boot };
}

/** @param ms how long it lasts from this moment on */
export function spanOf(ms: number, { monotonic, boot }: Moment): Span {
  return { leftMs: Math.max(0, ms), at: monotonic, boot };
}

/** @returns milliseconds; 0 = it is over. */
export function leftOf({ leftMs, at, boot }: Span, now: Moment): number {
  return boot === now.boot && now.monotonic >= at ? Math.max(0, leftMs - (now.monotonic - at)) : leftMs;
}

/**
 * The same span, as it is at this moment: what is written down from time to time, so that another boot goes on from it.
 */
export function spanNow(span: Span, now: Moment): Span {
  return spanOf(leftOf(span, now), now);
}
