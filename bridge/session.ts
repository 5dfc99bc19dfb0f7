import { SERVICE_FILTER } from '../protocol/mqtt/topics.js';
import { markAllDocuments } from '../store/sending.js';
import type { Fence } from '../store/leases.js';
import type { BridgeDependencies } from './dependencies.js';
import { Ingest } from './ingest.js';
import { Loop } from './loop.js';
import type { MqttConnection } from './mqtt-connection.js';
import { sendDocuments } from './send-documents.js';



const RECONNECT_FIRST_MS = 100;
const RECONNECT_MAX_MS = 2_000;
const POLL_MS = 1_000;

/**
 * The leader's connection to the broker, made again as often as it breaks. While it stands, reports are taken in and documents go out; a broker
 * that does not remember the session has lost what it retained as well, and gets every document again.
 */
export class Session {
  private ended = false;
  private documents: Loop | undefined;
  private connection: MqttConnection | undefined;
  private wakeUp: (() => void) | undefined;
  private readonly done: Promise<void>;

  constructor(private readonly has: BridgeDependencies & { fence: Fence; committed: () => void; connected: () => void }) {
    this.done = this.run();
  }

  wake(): void {
    this.documents?.wake();
  }

  async end(): Promise<void> {
    this.ended = true;
    this.wakeUp?.();
    this.connection?.end();
    await this.done;
  }

  private async run(): Promise<void> {
    for (let wait = RECONNECT_FIRST_MS; !this.ended; wait = Math.min(wait * 2, RECONNECT_MAX_MS)) {
      try {
        const connection = await this.has.connect();
        wait = RECONNECT_FIRST_MS;
        await this.serve(connection);
      } catch (error) {
        this.has.log.warn({ err: error }, 'no connection to the broker; trying again');
      }
      if (!this.ended) await this.rest(wait);
    }
  }

  private async serve(connection: MqttConnection): Promise<void> {
    this.connection = connection;
    const { pool, fence, downloadUrl, log } = this.has;
    const publish = connection.publish.bind(connection);
    const ingest = new Ingest({ ...this.has, publish });
    connection.onMessage((message) => ingest.take(message));
    try {
      if (this.ended) return;
      await connection.subscribe([{ filter: SERVICE_FILTER, qos: 1 }]);
      if (!connection.sessionPresent) await markAllDocuments(pool);
      log.info({ sessionPresent: connection.sessionPresent }, 'connected to the broker');
      this.has.connected();
      this.documents = new Loop('sending documents', async () => (await sendDocuments({ pool, fence, publish, downloadUrl })) > 0, POLL_MS, log);
      const error = await connection.closed;
      if (error) log.warn({ err: error }, 'the connection to the broker ended');
    } finally {
      connection.end();
      await Promise.all([ingest.end(), this.documents?.end()]);
      this.documents = undefined;
      this.connection = undefined;
    }
  }

  private async rest(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
