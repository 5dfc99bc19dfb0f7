import { setTimeout as sleep } from 'node:timers/promises';
import { databaseNow } from '../../store/db/clock.js';
import type { Logger } from 'pino';
import { DESIRED_FILTER, desiredTopic, parseTopic } from '../../protocol/mqtt/topics.js';
import type { Pool } from '../../store/db/pool.js';
import { compareDocuments, type Published } from '../../store/outbox/publications.js';
import type { MqttConnection, ConnectBroker } from '../mqtt/connection.js';
import type { LeaseGuard } from '../rounds/lease-guard.js';
import { isUuid } from '../../domain/uuid.js';

/**
 * MQTT does not say where what is retained ends: when nothing came for so long, it has ended. Taken for missing too
 * early, a document is published once more.
 */
const QUIET_MS = 1_000;
const LOOK_MS = 100;
/** Of a fleet of 100,000 at 10,000 messages a second, and room. */
const READ_TIMEOUT_MS = 60_000;

/** `connectBeside` opens a connection of its own, whose subscriptions do not meet the ingester's. */
export interface ComparisonDependencies {
  pool: Pool;
  guard: LeaseGuard;
  log: Logger;
  connectBeside: ConnectBroker;
}

/**
 * Reads which documents the broker retains, and has those put right that differ from PostgreSQL's. It exists because a
 * broker may remember less than Slipway wrote (a lost disk), or more (a database restored from a backup), and nothing
 * would notice. It reads over a connection of its own, which costs the broker one delivery of each document and the
 * devices nothing: publishing all again would reach every one of them.
 */
export class Comparison {
  private connection: MqttConnection | undefined;
  private ended = false;

  constructor(private readonly deps: ComparisonDependencies) {}

  /** @returns how many slots were marked. */
  async run(): Promise<number> {
    const { pool, guard, log } = this.deps;
    const since = databaseNow();
    const found = await this.read();
    if (this.ended) return 0;
    const differing = await compareDocuments(pool, guard.fence, found, since);
    log.info({ retained: found.length, differing }, 'compared what the broker retains');
    return differing;
  }

  end(): void {
    this.ended = true;
    this.connection?.end();
  }

  private async read(): Promise<Published[]> {
    const connection = await this.deps.connectBeside();
    this.connection = connection;
    const found = new Map<string, Published>();
    let heardAt = performance.now();
    connection.onMessage((message) => {
      heardAt = performance.now();
      message.acknowledge();
      const document = documentOf(message.topic, message.payload);
      if (document && message.payload.length > 0) found.set(message.topic, document);
      else found.delete(message.topic);
    });
    try {
      // QoS 0: an answer to each of thousands of messages would say nothing.
      if (!this.ended) await connection.subscribe([{ filter: DESIRED_FILTER, qos: 0 }]);
      heardAt = performance.now();
      for (const end = heardAt + READ_TIMEOUT_MS; !this.ended && performance.now() - heardAt < QUIET_MS;) {
        if (performance.now() > end)
          throw new Error(`what the broker retains did not end within ${READ_TIMEOUT_MS} ms`);
        const broke = await Promise.race([
          connection.closed.then((error) => error ?? new Error('it was closed')),
          sleep(LOOK_MS),
        ]);
        if (broke && !this.ended)
          throw new Error('the connection broke while what the broker retains was read', { cause: broke });
      }
    } finally {
      connection.end();
      this.connection = undefined;
    }
    return [...found.values()];
  }
}

/**
 * Whose it is, and which revision it bears; null where that cannot be read: it differs from any. undefined = no device
 * of ours could have it.
 */
function documentOf(topic: string, payload: Buffer): Published | undefined {
  const parsed = parseTopic(topic);
  if (parsed?.direction !== 'down' || parsed.type !== 'desired' || !isUuid(parsed.device)) return undefined;
  const { tenant: tenantId, node, device: deviceId, slot } = parsed;
  // Under a device's id in capitals nothing is ever published: the sender would clear another topic.
  if (desiredTopic({ tenant: tenantId, node, device: deviceId.toLowerCase() }, slot) !== topic) return undefined;
  return { tenantId, deviceId, slot, node, revision: revisionIn(payload) };
}

/** What is above cannot be one of ours, and to count on from there would leave no numbers. */
const HIGHEST = 2_000_000_000;

/**
 * By sight: a whole schema for each of a fleet's documents would cost seconds, and what we print has one `revision`.
 */
function revisionIn(payload: Buffer): number | null {
  const said = Number(/"revision":(\d{1,10})[,}]/.exec(payload.toString('utf8'))?.[1] ?? Number.NaN);
  return said <= HIGHEST ? said : null;
}
