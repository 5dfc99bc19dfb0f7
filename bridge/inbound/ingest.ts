import { paired } from '../../domain/pairs.js';
import { defined } from '../../domain/defined.js';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { backOff } from '../../domain/back-off.js';
import { print, type Ack } from '../../protocol/mqtt/payloads.js';
import type { Pool } from '../../store/db/pool.js';
import { INGEST_BOUNDS } from '../../store/db/counters.js';
import { deviceKey } from '../../store/db/keys.js';
import { isOfOneRow, isTransient } from '../../store/db/sqlstates.js';
import { spacingAfter } from '../rounds/spacing.js';
import { aboutOf, nodeOf, read, refused, type Incoming, type Reading } from './reading.js';
import { Parking } from './parking.js';
import { ProgressPace } from './progress-pace.js';
import { lockedAmong, recordReadings, type Noted } from './record-readings.js';
import { isLeaseLost, type LeaseGuard } from '../rounds/lease-guard.js';
import type { Publish } from '../mqtt/connection.js';

/** What the ingester stands on. `now`: epoch milliseconds; `counted` feeds the counters of /metrics. */
export interface IngestDependencies {
  pool: Pool;
  guard: LeaseGuard;
  publish: Publish;
  now: () => number;
  log: Logger;
  /** After each commit: the senders have something to look at. */
  committed: () => void;
  counted: (outcome: Counted, reason: string, count: number) => void;
}

/**
 * Reports of one transaction. Larger ones gain nothing (the commit is a tenth by then), and hold the locks of more
 * devices for longer.
 */
const MAX_BATCH = 500;
/**
 * While PostgreSQL works on one batch, this process reads the next: a rush keeps both busy. More would only make the
 * batches smaller, and so would a second one for the few that arrive while it is quiet: below this many they wait for
 * the batch under way, as long as that takes.
 */
const BATCHES = 2;
const WORTH_A_SECOND = 100;
/**
 * Batches of few begin this far apart, and further on a busy machine, for the reasons that loop.ts gives. A device
 * waits for its receipt, but not that impatiently.
 */
const APART_MS = 25;
const BACK_OFF = { firstMs: 100, maxMs: 2_000 };
/**
 * A batch waits this long for a row that another transaction holds: our own transactions take milliseconds, and all
 * whose reports are in the batch wait with it. Those of a parked node alone find out faster.
 */
const LOCK_MS = 1_000;
const PARKED_LOCK_MS = 100;

/**
 * Takes what devices send and records it, many devices in one transaction. It exists because a transaction per report
 * is bound by the disk's commits: whatever arrives while batches are being committed, or shortly after one began, is
 * the next one, so that a lone report does not wait and a rush is batched. What one node sent is never in two
 * batches at once: reports of one device are recorded in the order in which it sent them.
 *
 * Modes: `open`, `ended`. A batch that fails because the database is away is tried until it is back, without a PUBACK;
 * one that waits for a row that another transaction holds goes on without the nodes whose rows those are, which are
 * parked (parking.ts); one that fails for a reason that will not pass is halved until the one report that fails is
 * alone: that one goes to the diagnostics and is acknowledged. Where another one leads by now, the whole term ends, and
 * nothing more is acknowledged.
 */
export class Ingest {
  private mode: 'open' | 'ended' = 'open';
  private waiting: Incoming[] = [];
  /** Batches under way, each by the nodes that it is of. */
  private readonly underWay = new Map<ReadonlySet<string>, Promise<void>>();
  /** performance.now() */
  private readonly arrivedAt = new WeakMap<Incoming, number>();
  private readonly pace = new ProgressPace((held) => this.enqueueHeld(held));
  /** performance.now() */
  private begunAt = -Infinity;
  private tookMs = 0;
  private soon: NodeJS.Timeout | undefined;
  private readonly parking = new Parking(
    (readings) => this.tryParked(readings),
    () => this.beginInTime(),
  );

  constructor(private readonly deps: IngestDependencies) {}

  enqueue(message: Incoming): void {
    if (this.mode === 'ended') return;
    if (this.parking.holds(nodeOf(message))) {
      if (isProgress(message)) return message.acknowledge(); // it may be lost
      message.passOver?.();
    }
    this.waiting.push(message);
    this.arrivedAt.set(message, performance.now());
    // Each look at what waits costs as much as there is, and may find that all of it is of one busy node.
    if (this.underWay.size === 0 || this.waiting.length % WORTH_A_SECOND === 0) this.beginInTime();
  }

  /**
   * Finishes the batches under way; what waits behind them stays unacknowledged, and the broker sends it again to the
   * next.
   */
  async end(): Promise<void> {
    this.mode = 'ended';
    clearTimeout(this.soon);
    this.pace.end();
    await Promise.all([...this.underWay.values(), this.parking.end()]);
  }

  private beginInTime(): void {
    const early =
      this.waiting.length < WORTH_A_SECOND ? this.begunAt + spacingAfter(this.tookMs, APART_MS) - performance.now() : 0;
    if (early <= 0) this.begin();
    else this.soon ??= setTimeout(() => this.begin(), early);
  }

  private begin(): void {
    clearTimeout(this.soon);
    this.soon = undefined;
    while (this.mode === 'open' && this.underWay.size < (this.waiting.length >= WORTH_A_SECOND ? BATCHES : 1)) {
      const batch = this.nextBatch();
      if (batch.length === 0) return;
      const begunAt = performance.now();
      this.begunAt = begunAt;
      const nodes = new Set(batch.map(nodeOf));
      this.underWay.set(
        nodes,
        this.work(batch).then(() => {
          this.underWay.delete(nodes);
          this.tookMs = performance.now() - begunAt;
          this.beginInTime();
        }),
      );
    }
  }

  /** From the oldest on, those whose node has nothing under way. */
  private nextBatch(): Incoming[] {
    const busy = [...this.underWay.keys()];
    const isBusy = (node: string) => this.parking.holds(node) || busy.some((nodes) => nodes.has(node));
    const batch: Incoming[] = [];
    const left: Incoming[] = [];
    for (const message of this.waiting)
      (batch.length < MAX_BATCH && !isBusy(nodeOf(message)) ? batch : left).push(message);
    this.waiting = left;
    return batch;
  }

  private async work(batch: readonly Incoming[]): Promise<void> {
    // In the order of the batch: progress after the end of a connection is a new one's.
    const due = batch.map(read).filter((reading) => {
      if (isEnd(reading)) this.pace.forget(nodeOf(reading.incoming));
      return !this.pace.isTooSoon(reading);
    });
    if (due.length > 0) await this.commit(due);
  }

  private async commit(all: readonly Reading[]): Promise<void> {
    const readings = this.withoutParked(all);
    if (readings.length === 0) return;
    for (let failures = 1; this.mode !== 'ended'; failures += 1) {
      const noted = await this.tryToRecord(readings);
      if (Array.isArray(noted)) return this.answer(readings, noted);
      if (isLeaseLost(noted)) return this.stop();
      if (isOfOneRow(noted)) return this.setAside(readings, noted);
      if (!isTransient(noted)) return this.halve(readings, noted);
      this.deps.log.warn({ err: noted, reports: readings.length }, 'reports could not be committed; trying again');
      await sleep(backOff(failures, BACK_OFF));
    }
  }

  private async tryToRecord(readings: readonly Reading[], lockMs = LOCK_MS): Promise<Noted[] | Error> {
    try {
      this.deps.guard.assert();
      return await recordReadings(this.deps.pool, this.deps.guard.fence, readings, this.deps.now(), lockMs);
    } catch (error) {
      return error as Error;
    }
  }

  /** Those whose rows are held are parked, and all others go on: at once where it is the devices' rows. */
  private async setAside(readings: readonly Reading[], error: Error): Promise<void> {
    const nodes = [...new Set(readings.map(({ incoming }) => nodeOf(incoming)))];
    const of = (some: readonly string[]) => readings.filter(({ incoming }) => some.includes(nodeOf(incoming)));
    const held = nodes.length === 1 ? nodes : await this.nodesOfLocked(readings);
    if (held.length === 0) {
      // Another row than those that are looked at, or free again by now: whose it is, halving shows.
      const middle = Math.ceil(nodes.length / 2);
      await this.commit(of(nodes.slice(0, middle)));
      return this.commit(of(nodes.slice(middle)));
    }
    for (const node of held) this.park(node, of([node]), error);
    const others = of(nodes.filter((node) => !held.includes(node)));
    if (others.length > 0) await this.commit(others);
  }

  private async nodesOfLocked(readings: readonly Reading[]): Promise<string[]> {
    const { pool, guard, log } = this.deps;
    try {
      const locked = await lockedAmong(pool, guard.fence, readings);
      const held = readings.filter(
        (reading) => 'message' in reading && locked.has(deviceKey(reading.message.tenant, reading.message.device)),
      );
      return [...new Set(held.map(({ incoming }) => nodeOf(incoming)))];
    } catch (error) {
      log.debug({ err: error }, 'which rows are held could not be asked');
      return [];
    }
  }

  private park(node: string, readings: readonly Reading[], error: Error): void {
    const [tenantId, deviceId] = node.split('/');
    this.deps.log.warn({ err: error, tenantId, deviceId }, "another transaction holds the device's row; others go on");
    const behind = this.waiting.filter((message) => nodeOf(message) === node);
    for (const message of [...readings.map(({ incoming }) => incoming), ...behind]) message.passOver?.();
    this.parking.park(node, readings);
  }

  /** Another half of the batch parked their node: these go behind what it sent before. */
  private withoutParked(readings: readonly Reading[]): readonly Reading[] {
    const isParked = ({ incoming }: Reading) => this.parking.holds(nodeOf(incoming));
    for (const reading of readings.filter(isParked)) {
      reading.incoming.passOver?.();
      this.parking.park(nodeOf(reading.incoming), [reading]);
    }
    return readings.filter((reading) => !isParked(reading));
  }

  /** @returns those that still wait for a row, in their order. */
  private async tryParked(readings: readonly Reading[]): Promise<readonly Reading[]> {
    const noted = await this.tryToRecord(readings, PARKED_LOCK_MS);
    if (Array.isArray(noted)) this.answer(readings, noted);
    else if (isLeaseLost(noted)) this.stop();
    else if (isTransient(noted)) return readings;
    else if (readings.length === 1) return this.unstorable(readings, noted);
    else {
      const middle = Math.ceil(readings.length / 2);
      const left = await this.tryParked(readings.slice(0, middle));
      return left.length > 0 ? [...left, ...readings.slice(middle)] : this.tryParked(readings.slice(middle));
    }
    return [];
  }

  /** A successor records now: nothing more is written or acknowledged from here. */
  private stop(): void {
    this.mode = 'ended';
    this.deps.guard.lose();
  }

  private async halve(readings: readonly Reading[], error: Error): Promise<void> {
    if (readings.length === 1) return this.commit(this.unstorable(readings, error));
    const middle = Math.ceil(readings.length / 2);
    await this.commit(readings.slice(0, middle));
    return this.commit(readings.slice(middle));
  }

  /** One that fails alone. @returns what is to be recorded instead; nothing where it is dropped. */
  private unstorable([only]: readonly Reading[], error: Error): Reading[] {
    const reading = defined(only, 'a batch that failed has a reading');
    if (!('refusal' in reading)) {
      this.deps.log.error({ err: error, ...aboutOf(reading) }, 'a report cannot be stored; it goes to the diagnostics');
      return [refused(reading, 'unstorable', error.message)];
    }
    this.deps.log.error({ err: error, ...aboutOf(reading) }, 'a refused message could not be kept; it is dropped');
    this.deps.counted('refused', reading.refusal.reason, 1);
    reading.incoming.acknowledge();
    return [];
  }

  /** After the commit: PUBACKs, figures, receipts, and the senders are woken. */
  private answer(readings: readonly Reading[], noted: readonly Noted[]): void {
    for (const { incoming } of readings) incoming.acknowledge();
    this.deps.committed();
    this.tellLag(readings);
    this.deps.counted(
      'recorded',
      '',
      noted.reduce((sum, one) => sum + one.recorded, 0),
    );
    for (const [reading, { refusals, receipts }] of paired(readings, noted)) {
      for (const reason of refusals) this.deps.counted('refused', reason, 1);
      for (const { topic, ack } of receipts) this.send(topic, ack, reading);
    }
  }

  private tellLag(readings: readonly Reading[]): void {
    const now = performance.now();
    const seconds = readings.map(({ incoming }) => (now - (this.arrivedAt.get(incoming) ?? now)) / 1_000);
    for (const bound of INGEST_BOUNDS)
      this.deps.counted('lag', bound, seconds.filter((one) => one <= Number(bound.replace('+Inf', 'Infinity'))).length);
  }

  /** Not awaited: a receipt that is lost is asked for again, because the device repeats its report until it has one. */
  private send(topic: string, ack: Ack, reading: Reading): void {
    try {
      void this.deps
        .publish(topic, print(ack), { qos: 1, retain: false })
        .catch((error: Error) => this.deps.log.debug({ err: error, ...aboutOf(reading) }, 'a receipt was not sent'));
    } catch (error) {
      this.deps.log.warn({ err: error, ...aboutOf(reading) }, 'a receipt cannot be printed');
    }
  }

  /** In front: behind a word that the device is gone, which waits already, it would bring the device back. */
  private enqueueHeld(held: readonly Incoming[]): void {
    if (this.mode === 'ended') return;
    const taken = held.filter((one) => !this.parking.holds(nodeOf(one))); // it may be lost
    for (const one of taken) this.arrivedAt.set(one, performance.now());
    this.waiting.unshift(...taken);
    if (this.underWay.size === 0) this.beginInTime();
  }
}

/** That the node itself has no connection any more. */
function isEnd(reading: Reading): boolean {
  return (
    'message' in reading &&
    reading.message.type === 'presence' &&
    !reading.message.body.online &&
    reading.message.device === reading.message.node
  );
}

function isProgress({ topic }: Incoming): boolean {
  return topic.endsWith('/up/progress');
}

/** `lag`: the reason is the upper bound of a bucket of the histogram (store/db/counters.ts). */
export type Counted = 'recorded' | 'refused' | 'lag';
