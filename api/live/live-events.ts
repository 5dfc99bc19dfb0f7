import type { ServerResponse } from 'node:http';
import pLimit from 'p-limit';
import type { Logger } from 'pino';
import { backOff } from '../../domain/back-off.js';
import { DomainError } from '../../domain/errors.js';
import { countersFrame, endFrame, entryFrame, HEARTBEAT, openingFrame } from '../../protocol/http/live-events.js';
import { Pause } from '../../runtime/pause.js';
import { newestNumbers, readSealed, sealedOf, type SealedEntry } from '../../store/history/live-events.js';
import type { Pool } from '../../store/db/pool.js';
import { readRollouts } from '../../store/commands/rollouts.js';
import type { RolloutView } from '../../store/rollouts/view.js';
import { asTenant } from '../../store/db/transaction.js';
import { Reader } from './reader.js';

/** Half of the second in which the history is sealed: more often would find nothing new. */
const POLL_MS = 500;
/** While the database does not answer. */
const BACK_OFF = { firstMs: 2 * POLL_MS, maxMs: 10_000 };
const COUNTERS_MS = 1_000;
const TIMES = {
  /** Below what proxies allow a connection to be silent (often 30 s), and the listener (120 s). */
  heartbeatMs: 15_000,
  /**
   * Clients come again by themselves, and are asked for their token then: a key that was revoked is heard no longer
   * than this.
   */
  lifetimeMs: 15 * 60_000,
};
const RETRY_MS = 2_000;
const PAGE = 1_000;
/**
 * Of the pool's connections for what readers missed: the API has other things to do, however many come back at once.
 */
const CATCHING_UP_AT_ONCE = 2;
/** Each costs a socket and some kilobytes. */
const MAX_READERS = 2_000;

interface TenantFeed {
  /** The number up to which its live readers were told everything. */
  position: number;
  readonly readers: Set<Reader>;
}

/** What one stream tells. */
export interface Wanted {
  readonly tenantId: string;
  /** Only this one, as it stands; absent = everything of the tenant. */
  readonly rollout?: RolloutView;
  /** absent = what happens from now on. */
  readonly after?: number;
}

/**
 * Tells readers what happens, from the sealed history: what they hear has its final number and order, whichever process
 * they ask. One poller serves all readers of this process and reads only while there are any; it never waits for one.
 * It trades half a second for that, and for having no part in what records reports.
 */
export class LiveEvents {
  private readonly tenants = new Map<string, TenantFeed>();
  private readonly catchingUp = pLimit(CATCHING_UP_AT_ONCE);
  private polling: Promise<void> | undefined;
  private readonly pause = new Pause();
  private heartbeats: NodeJS.Timeout | undefined;
  private ended = false;
  private countersAt = 0;

  constructor(
    private readonly pool: Pool,
    private readonly log: Logger,
    private readonly times = TIMES,
  ) {}

  get readers(): number {
    return [...this.tenants.values()].reduce((sum, { readers }) => sum + readers.size, 0);
  }

  /**
   * Answers with a stream, and goes on answering after it returned. @throws DomainError SERVICE_UNAVAILABLE before
   * anything is written
   */
  async attach(response: ServerResponse, { tenantId, rollout, after }: Wanted): Promise<void> {
    if (this.ended) throw new DomainError('SERVICE_UNAVAILABLE', 'this process is ending; ask again');
    if (this.readers >= MAX_READERS)
      throw new DomainError('SERVICE_UNAVAILABLE', `${MAX_READERS} readers listen to this process already`);
    const newest = (await newestNumbers(this.pool, [tenantId])).get(tenantId) ?? 0;
    if (response.destroyed) return;
    response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
    });
    response.write(openingFrame(RETRY_MS));
    // A number that is not there yet is of a history that was since restored from a backup.
    const reader = new Reader(response, tenantId, rollout?.id ?? null, Math.min(after ?? newest, newest), () =>
      this.log.info({ tenantId, rolloutId: rollout?.id }, 'a reader of events did not keep up and was cut off'),
    );
    const feed = this.tenants.get(tenantId) ?? { position: newest, readers: new Set() };
    this.tenants.set(tenantId, feed);
    feed.readers.add(reader);
    response.once('close', () => this.forget(feed, reader));
    if (rollout) reader.show(countersFrame(rollout), 0);
    if (this.ended) return reader.end();
    this.heartbeats ??= setInterval(() => this.beat(), this.times.heartbeatMs);
    this.polling ??= this.poll();
    void this.catchUp(feed, reader);
  }

  /** Ends every stream; clients ask again, and are told there what they missed. */
  async end(): Promise<void> {
    this.ended = true;
    for (const { readers } of this.tenants.values()) for (const reader of readers) reader.end();
    this.pause.wake();
    await this.polling;
  }

  private forget(feed: TenantFeed, reader: Reader): void {
    feed.readers.delete(reader);
    if (feed.readers.size === 0 && this.tenants.get(reader.tenantId) === feed) this.tenants.delete(reader.tenantId);
    if (this.tenants.size > 0) return;
    clearInterval(this.heartbeats);
    this.heartbeats = undefined;
    this.pause.wake();
  }

  private beat(): void {
    const before = performance.now() - this.times.lifetimeMs;
    for (const { readers } of this.tenants.values()) {
      for (const reader of readers) {
        if (reader.openedAt < before) reader.end();
        else reader.beat(HEARTBEAT);
      }
    }
  }

  private async poll(): Promise<void> {
    for (let failures = 0; this.tenants.size > 0 && !this.ended;) {
      try {
        await this.look();
        failures = 0;
      } catch (error) {
        failures += 1;
        this.log.warn({ err: error, failures }, 'the history could not be read for those who listen; trying again');
      }
      await this.pause.for(failures === 0 ? POLL_MS : backOff(failures, BACK_OFF));
    }
    this.polling = undefined;
  }

  private async look(): Promise<void> {
    const newest = await newestNumbers(this.pool, [...this.tenants.keys()]);
    for (const [tenantId, feed] of this.tenants)
      await this.tellEntries(tenantId, feed, newest.get(tenantId) ?? feed.position);
    if (performance.now() - this.countersAt < COUNTERS_MS - POLL_MS / 2) return;
    this.countersAt = performance.now();
    for (const [tenantId, feed] of this.tenants) await this.tellCounters(tenantId, feed);
  }

  private async tellEntries(tenantId: string, feed: TenantFeed, newest: number): Promise<void> {
    while (feed.position < newest && feed.readers.size > 0) {
      const live = [...feed.readers].filter((reader) => reader.isLive());
      const rolloutIds = live.some((reader) => reader.rolloutId === null) ? undefined : rolloutsOf(live);
      const entries =
        live.length === 0
          ? []
          : await asTenant(this.pool, tenantId, (tx) =>
              readSealed(tx, tenantId, {
                after: feed.position,
                upTo: newest,
                limit: PAGE,
                ...(rolloutIds ? { rolloutIds } : {}),
              }),
            );
      const upTo = entries[PAGE - 1]?.number ?? newest;
      feed.position = upTo;
      distribute(entries, upTo, live);
      // A reader that became live meanwhile was not asked for: it reads by itself what these entries were.
      for (const reader of feed.readers) if (reader.isLive() && reader.position < upTo) void this.catchUp(feed, reader);
    }
  }

  private async tellCounters(tenantId: string, feed: TenantFeed): Promise<void> {
    const ids = rolloutsOf([...feed.readers]);
    if (ids.length === 0) return;
    const views = await asTenant(this.pool, tenantId, (tx) => readRollouts(tx, tenantId, ids));
    for (const view of views) {
      const frame = countersFrame(view);
      const sealed = isOver(view)
        ? await asTenant(this.pool, tenantId, (tx) => sealedOf(tx, tenantId, view.id))
        : undefined;
      for (const reader of feed.readers) {
        if (reader.rolloutId !== view.id) continue;
        const heardAll = sealed?.whole === true && reader.isLive() && reader.position >= sealed.newest;
        reader.show(frame, heardAll ? 0 : COUNTERS_MS / 2);
        if (heardAll) reader.end(endFrame(view));
      }
    }
  }

  /** Page after page, as fast as the reader takes them, up to where the live ones are. */
  private async catchUp(feed: TenantFeed, reader: Reader): Promise<void> {
    reader.setMode('catchingUp');
    const { tenantId, rolloutId } = reader;
    try {
      while (!reader.isGone() && reader.position < feed.position) {
        const upTo = feed.position;
        const only = rolloutId === null ? {} : { rolloutIds: [rolloutId] };
        const entries = await this.catchingUp(() =>
          asTenant(this.pool, tenantId, (tx) =>
            readSealed(tx, tenantId, { after: reader.position, upTo, limit: PAGE, ...only }),
          ),
        );
        distribute(entries, entries[PAGE - 1]?.number ?? upTo, [reader]);
        await reader.drained();
      }
      reader.setMode('live');
    } catch (error) {
      this.log.warn({ err: error, tenantId }, 'what a reader missed could not be read; it is to ask again');
      reader.end();
    }
  }
}

/** Finished, or aborted and the last installation has ended, too. */
export function isOver({ facts }: RolloutView): boolean {
  return facts.finishedAt !== null || facts.closedAt !== null;
}

function rolloutsOf(readers: readonly Reader[]): string[] {
  return [...new Set(readers.map((reader) => reader.rolloutId).filter((id) => id !== null))];
}

/** One chunk for all readers of the tenant and one for each rollout: 500 readers cost 500 writes of the same bytes. */
function distribute(entries: readonly SealedEntry[], upTo: number, readers: readonly Reader[]): void {
  const chunks = new Map<string, Buffer>();
  for (const reader of readers) {
    const { rolloutId, position } = reader;
    if (position >= upTo) continue; // it heard of them from another process
    const key = `${rolloutId ?? ''}/${Math.max(position, (entries[0]?.number ?? 1) - 1)}`;
    let chunk = chunks.get(key);
    if (!chunk) {
      const own = entries.filter(
        (entry) => entry.number > position && (rolloutId === null || entry.rolloutId === rolloutId),
      );
      chunk = Buffer.from(own.map((entry) => entryFrame(entry, rolloutId === null ? 'tenant' : 'rollout')).join(''));
      chunks.set(key, chunk);
    }
    reader.position = upTo;
    reader.write(chunk);
  }
}
