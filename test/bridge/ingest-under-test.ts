import { randomUUID } from 'node:crypto';
import pino from 'pino';
import { Ingest } from '../../bridge/inbound/ingest.js';
import type { Incoming } from '../../bridge/inbound/reading.js';
import { instant, LeaseGuard } from '../../bridge/rounds/lease-guard.js';
import { holdLease } from '../../store/db/leases.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';

/** The ingester on a real PostgreSQL. Messages are handed to it, as the connection does; nothing goes out. */
export class IngestUnderTest {
  facts!: Facts;
  pool!: Pool;
  ingest!: Ingest;
  /** What `acknowledged` messages are called, in the order of their acknowledgements. */
  readonly acknowledged: string[] = [];
  readonly lines: Record<string, unknown>[] = [];
  /** How far ahead the service's clock is. Milliseconds. */
  aheadMs = 0;
  private database!: Awaited<ReturnType<typeof createTestDatabase>>;

  constructor(private readonly title: string) {}

  get databaseUrl(): string {
    return this.database.url;
  }

  async start(): Promise<void> {
    this.database = await createTestDatabase(this.title);
    this.pool = openPool({ databaseUrl: this.database.url, name: 'test' });
    this.facts = await new Facts(this.pool).begin();
  }

  /** Of a new term. */
  async begin(): Promise<void> {
    const lease = randomUUID();
    const epoch = (await holdLease(this.pool, lease, 'one', 600_000))!;
    this.acknowledged.length = this.lines.length = this.aheadMs = 0;
    this.ingest = new Ingest({
      pool: this.pool,
      guard: new LeaseGuard({ name: lease, holder: 'one', epoch }, 500_000, instant()),
      now: () => Date.now() + this.aheadMs,
      committed: () => undefined,
      log: pino(
        { level: 'debug' },
        { write: (line) => void this.lines.push(JSON.parse(line) as Record<string, unknown>) },
      ),
      counted: () => undefined,
      publish: async () => undefined,
    });
  }

  async end(): Promise<void> {
    await this.pool.end();
    await this.database.drop();
  }

  devices(count: number): Promise<string[]> {
    return Promise.all(Array.from({ length: count }, () => this.facts.device()));
  }

  /** @param name it is called so when it is acknowledged */
  sends(device: string, rest: string, body: object, name = device): void {
    this.ingest.enqueue(this.message(device, rest, body, name));
  }

  saysHello(device: string, version: string): void {
    const slots = { firmware: { version, sha256: 'a'.repeat(64), confirmed: true } };
    this.sends(
      device,
      `${device}/up/hello`,
      { msgId: randomUUID(), agent: { name: 'a', version: '1' }, slots },
      version,
    );
  }

  private message(device: string, rest: string, body: object, name: string): Incoming {
    return {
      topic: `slipway/v1/default/${device}/${rest}`,
      payload: Buffer.from(JSON.stringify({ v: 1, ...body })),
      acknowledge: () => void this.acknowledged.push(name),
    };
  }
}
