import type { Logger } from 'pino';
import type { Refused } from './embedded.js';
import type { RefusedMessage, RefusalSink } from './port.js';
import { isUuid } from '../../domain/uuid.js';

/** An engineer who looks for it waits about so long; a statement for each would let one device load the database. */
const FLUSH_MS = 1_000;
/** Until the next flush; what is beyond is counted and not kept. A hundred are kept for a device at all. */
const MAX_WAITING = 2_000;
const MAX_OF_NODE = 100;

/**
 * Takes what the embedded broker refuses to the diagnostics of the device that tried it. Such messages never reach the
 * bridge, and a broker that is not ours keeps them to itself. They are bounded in memory, and dropped while the
 * database is away: they are a help, no facts.
 */
export class BrokerRefusals {
  private waiting: RefusedMessage[] = [];
  private readonly ofNode = new Map<string, number>();
  private flushing: Promise<void> = Promise.resolve();
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly sink: RefusalSink,
    private readonly log: Logger,
    private readonly now: () => number,
  ) {
    this.timer = setInterval(() => this.flush(), FLUSH_MS);
    this.timer.unref();
  }

  add(refused: Refused): void {
    const { tenant, node, topic, payload } = refused;
    const { reason, detail } = sentenceOf(refused);
    this.sink.count(reason);
    const count = (this.ofNode.get(`${tenant}/${node}`) ?? 0) + 1;
    if (!isUuid(node) || this.waiting.length >= MAX_WAITING || count > MAX_OF_NODE) return;
    this.ofNode.set(`${tenant}/${node}`, count);
    this.waiting.push({
      tenantId: tenant,
      deviceId: node,
      at: this.now(),
      reason,
      detail,
      ...(topic !== undefined && { topic }),
      ...(payload !== undefined && { payload: payload.toString('utf8', 0, 2_048) }),
    });
  }

  async end(): Promise<void> {
    clearInterval(this.timer);
    this.flush();
    await this.flushing;
  }

  private flush(): void {
    this.flushing = this.flushing.then(() => this.keep());
  }

  private async keep(): Promise<void> {
    const entries = this.waiting;
    this.waiting = [];
    this.ofNode.clear();
    if (entries.length === 0) return;
    try {
      await this.sink.keep(entries);
    } catch (error) {
      this.log.debug({ err: error, entries: entries.length }, 'refused messages could not be kept');
    }
  }
}

function sentenceOf({ what, why }: Refused): { reason: string; detail: string } {
  switch (what) {
    case 'publish':
      return {
        reason: 'foreign_topic',
        detail: 'this device may not publish there: only below slipway/v1/{tenant}/{its own id}/{device}/up/',
      };
    case 'will':
      return {
        reason: 'foreign_topic',
        detail: 'this device may not leave its last will there: only on an up topic of its own',
      };
    case 'subscribe':
      return {
        reason: 'foreign_subscription',
        detail:
          'this device may not subscribe to that: only below slipway/v1/{tenant}/{its own id}/+/down/; SUBACK grants it all the same, and nothing is delivered',
      };
    case 'connection':
      return {
        reason: 'too_many_connections',
        detail: `a connection was ended: ${why ?? 'too many are open'} (SLIPWAY_MQTT_CONNECTIONS_PER_DEVICE)`,
      };
    case 'packet':
      return { reason: 'too_large', detail: `${why ?? 'a packet is too large'}; the connection was cut` };
  }
}
