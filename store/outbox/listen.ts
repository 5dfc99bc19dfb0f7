import pg from 'pg';
import { CHANNEL } from './outbox.js';

const RECONNECT_MS = 1_000;

/**
 * Listens for wake-ups on a connection of its own, and connects again when it breaks. What is missed meanwhile costs
 * nothing but latency: a poll stands behind every listener, and `onWake` is called once after each connect.
 */
export class Listener {
  private client: pg.Client | undefined;
  private timer: NodeJS.Timeout | undefined;
  private ended = false;

  constructor(
    private readonly databaseUrl: string,
    private readonly onWake: () => void,
    private readonly onTrouble: (error: Error) => void,
  ) {
    void this.connect();
  }

  async end(): Promise<void> {
    this.ended = true;
    clearTimeout(this.timer);
    await this.client?.end();
  }

  private async connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.databaseUrl,
      application_name: 'slipway-listener',
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
    });
    this.client = client;
    client.on('notification', () => this.onWake());
    client.on('error', (error) => this.onTrouble(error));
    client.on('end', () => this.again());
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
      this.onWake();
    } catch (error) {
      this.onTrouble(error as Error);
      // A client that never connected emits no 'end'; ending it twice does nothing.
      client.end().catch((failure: Error) => this.onTrouble(failure));
      this.again();
    }
  }

  private again(): void {
    if (this.ended) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.connect(), RECONNECT_MS);
  }
}
