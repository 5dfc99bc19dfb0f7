import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import pino from 'pino';
import { Ingest } from '../../bridge/inbound/ingest.js';
import { instant, LeaseGuard } from '../../bridge/rounds/lease-guard.js';
import { listCredentials, revokeCredential } from '../../store/commands/credentials.js';
import { readDiagnostics } from '../../store/fleet/diagnostics-read.js';
import { holdLease, releaseLease } from '../../store/db/leases.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';
import { createLog } from '../../runtime/log.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';
import { until } from '../support/until.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let facts: Facts;
let nth = 0;
beforeAll(async () => {
  database = await createTestDatabase('ingest');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
  facts = await new Facts(pool).begin();
  // What no schema of the wire can foresee: a report that the database will not take, today or ever.
  await facts.sql(`ALTER TABLE device_slots ADD CONSTRAINT poisoned CHECK (version <> 'poison')`);
});
afterEach(() => ingest.end());
afterAll(async () => {
  await pool.end();
  await database.drop();
});

let lease: string;
let guard: LeaseGuard;
let sent: string[];
let counts: Record<string, number>;
let acknowledged: string[];
let ingest: Ingest;
let lines: Record<string, unknown>[];
beforeEach(async () => {
  lease = `bridge ${(nth += 1)}`;
  guard = new LeaseGuard(
    { name: lease, holder: 'one', epoch: (await holdLease(pool, lease, 'one', 60_000))! },
    50_000,
    instant(),
  );
  [sent, counts, acknowledged, lines] = [[], {}, [], []];
  ingest = new Ingest({
    pool,
    guard,
    now: Date.now,
    committed: () => undefined,
    log: pino({ level: 'debug' }, { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) }),
    counted: (outcome, reason, count) => {
      const name = outcome === 'lag' ? `within ${reason} s` : reason || outcome;
      counts[name] = (counts[name] ?? 0) + count;
    },
    publish: async (topic) => {
      guard.assert();
      sent.push(topic);
    },
  });
});

const hello = (device: string, version: string) => ({
  topic: `slipway/v1/default/${device}/${device}/up/hello`,
  payload: Buffer.from(
    JSON.stringify({
      v: 1,
      msgId: randomUUID(),
      agent: { name: 'a', version: '1' },
      slots: { firmware: { version, sha256: 'a'.repeat(64), confirmed: true } },
    }),
  ),
  acknowledge: () => void acknowledged.push(device),
});
const versions = async (devices: readonly string[]) => {
  const rows = await facts.sql<{ device_id: string; version: string }>(
    'SELECT device_id, version FROM device_slots WHERE device_id = ANY($1::uuid[])',
    [devices],
  );
  return devices.map((id) => rows.find((row) => row.device_id === id)?.version);
};
const devices = (count: number) => Promise.all(Array.from({ length: count }, () => facts.device()));

describe('Retained messages that come with the subscription', () => {
  const presence = (device: string, online: boolean, session: string) => ({
    topic: `slipway/v1/default/${device}/${device}/up/presence`,
    payload: Buffer.from(JSON.stringify({ v: 1, online, session })),
    retain: true,
    acknowledge: () => void acknowledged.push(device),
  });
  /** The embedded broker tells that the device has no connection left. */
  const ended = (device: string) => ({
    topic: `slipway/v1/default/${device}/ended`,
    payload: Buffer.from('{"v":1}'),
    acknowledge: () => void acknowledged.push(device),
  });
  const seen = async (id: string) =>
    (
      await facts.sql<{ online: boolean; last_seen_at: Date | null }>(
        'SELECT online, last_seen_at FROM devices WHERE id = $1',
        [id],
      )
    )[0]!;
  const taken = async (...messages: Parameters<Ingest['enqueue']>[0][]) => {
    const before = acknowledged.length;
    for (const message of messages) ingest.enqueue(message);
    await until('all are acknowledged', () => acknowledged.length === before + messages.length, 60_000);
  };

  it('bring back no device that has gone offline since: its session is known', async () => {
    const [id] = (await devices(1)) as [string];
    await taken({ ...presence(id, true, 's1'), retain: false });
    await taken(ended(id));
    expect(await seen(id)).toMatchObject({ online: false });
    await taken(presence(id, true, 's1'));
    expect(await seen(id)).toMatchObject({ online: false });
  });

  it('end no presence that is known better: a last will of a session that was followed by a hello', async () => {
    const [id] = (await devices(1)) as [string];
    await taken({ ...presence(id, false, 's1'), retain: false }, hello(id, '1.0'));
    await taken(presence(id, false, 's1'));
    expect(await seen(id)).toMatchObject({ online: true });
  });

  it('are news where their session is, and no sign of life: the device will be asked', async () => {
    const [id] = (await devices(1)) as [string];
    await taken(presence(id, true, 's2'));
    expect(await seen(id)).toEqual({ online: true, last_seen_at: null });
  });

  it('bring back no device without a valid credential', async () => {
    const [id] = (await devices(1)) as [string];
    await asTenant(pool, 'default', async (tx) => {
      for (const one of await listCredentials(tx, 'default', id)) await revokeCredential(tx, 'default', id, one.id);
    });
    await taken(presence(id, true, 's1'));
    expect(await seen(id)).toMatchObject({ online: false });
  });

  it('other than presence are dropped, with diagnostics', async () => {
    const [id] = (await devices(1)) as [string];
    await taken({ ...hello(id, '9.0'), retain: true });
    expect(await versions([id])).toEqual([undefined]);
    const [entry] = await asTenant(pool, 'default', (tx) => readDiagnostics(tx, 'default', id));
    expect(entry).toMatchObject({ reason: 'retained' });
  });
});

describe('Reports that arrive', () => {
  it('D1 are acknowledged to the broker after the commit, and not before', async () => {
    const [one] = (await devices(1)) as [string];
    const holder = await pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT FROM devices WHERE id = $1 FOR UPDATE', [one]);
      ingest.enqueue(hello(one, '1.0'));
      await until(
        "the report waits for the device's row",
        async () =>
          (
            await facts.sql(
              `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR NO KEY UPDATE) AS d%' AND datname = current_database()`,
            )
          ).length > 0,
      );
      expect([acknowledged, sent]).toEqual([[], []]);
    } finally {
      await holder.query('COMMIT');
      holder.release();
    }
    await until('it is acknowledged', () => acknowledged.length === 1);
    expect(await versions([one])).toEqual(['1.0']);
  });

  it('D2 one that can never be stored holds up no other of its batch: it is found by halving, goes to the diagnostics and is acknowledged', async () => {
    const all = await devices(20);
    const poisoned = all[13]!;
    for (const id of all) ingest.enqueue(hello(id, id === poisoned ? 'poison' : '2.0'));
    await until('all are acknowledged', () => acknowledged.length === 20);
    expect(await versions(all)).toEqual(all.map((id) => (id === poisoned ? undefined : '2.0')));
    const [entry] = await asTenant(pool, 'default', (tx) => readDiagnostics(tx, 'default', poisoned));
    expect(entry).toMatchObject({ reason: 'unstorable', detail: expect.stringContaining('poisoned') });
    expect(counts).toMatchObject({ recorded: 19, unstorable: 1, 'within +Inf s': 20 });
    expect(lines.filter((line) => 'topic' in line)).toEqual([
      expect.objectContaining({
        msg: expect.stringContaining('cannot be stored'),
        tenantId: 'default',
        deviceId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      }),
    ]);
    expect(sent).toHaveLength(19);
  });

  it('of a rush are committed while an earlier batch still waits, and those of one device stay in their order', async () => {
    const [held, ...others] = (await devices(102)) as [string, ...string[]];
    const holder = await pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT FROM devices WHERE id = $1 FOR UPDATE', [held]);
      ingest.enqueue(hello(held, '1.0'));
      ingest.enqueue(hello(held, '2.0'));
      for (const device of others) ingest.enqueue(hello(device, '1.0'));
      await until('all others are acknowledged', () => acknowledged.length >= 99, 10_000);
      expect(acknowledged).not.toContain(held);
    } finally {
      await holder.query('ROLLBACK');
      holder.release();
    }
    await until('every report is acknowledged', () => acknowledged.length === 103, 10_000);
    expect(await versions([held, ...others])).toEqual(['2.0', ...others.map(() => '1.0')]);
  });

  /** As a person does who forgot a transaction in another window: nothing ends it. */
  async function whileHeld(statement: string, values: unknown[], look: () => Promise<void>): Promise<void> {
    const person = new pg.Client({ connectionString: database.url });
    await person.connect();
    try {
      await person.query('BEGIN');
      await person.query(statement, values);
      await look();
    } finally {
      await person.query('ROLLBACK');
      await person.end();
    }
  }

  it('D20 of 90 devices are committed while another transaction holds the row of one, and its own follow in their order', async () => {
    const [held, ...others] = (await devices(91)) as [string, ...string[]];
    await whileHeld('SELECT FROM devices WHERE id = $1 FOR UPDATE', [held], async () => {
      ingest.enqueue(hello(held, '1.0'));
      for (const device of others.slice(0, 45)) ingest.enqueue(hello(device, '1.0'));
      await until('those of its batch are committed', () => acknowledged.length === 45, 60_000);
      ingest.enqueue(hello(held, '2.0'));
      for (const device of others.slice(45)) ingest.enqueue(hello(device, '1.0'));
      await until('all others are committed', () => acknowledged.length === 90, 60_000);
      expect(acknowledged).not.toContain(held);
      expect(await versions([held])).toEqual([undefined]);
    });
    await until('its own follow', () => acknowledged.length === 92, 60_000);
    expect(await versions([held, ...others])).toEqual(['2.0', ...others.map(() => '1.0')]);
    expect(lines.filter(({ deviceId }) => deviceId === held)).toHaveLength(1);
    // Told to their receivers as well: nothing waits for what is parked.
    expect(sent.filter((topic) => topic.includes(held))).toHaveLength(2);
  }, 180_000);

  it('D20 are committed while a row that is not the device itself is held: halving finds whose it is', async () => {
    const all = (await devices(20)) as [string, ...string[]];
    for (const device of all) ingest.enqueue(hello(device, '1.0'));
    await until('all have their slot', () => acknowledged.length === 20, 60_000);
    const [held, ...others] = all;
    acknowledged.length = 0;
    await whileHeld('SELECT FROM device_slots WHERE device_id = $1 FOR UPDATE', [held], async () => {
      for (const device of all) ingest.enqueue(hello(device, '2.0'));
      await until('all others are committed', () => acknowledged.length === 19, 60_000);
      expect(acknowledged).not.toContain(held);
    });
    await until('its own follow', () => acknowledged.length === 20, 60_000);
    expect(await versions([held, ...others])).toEqual(all.map(() => '2.0'));
  }, 180_000);

  it('D20 progress of a device whose row is held is acknowledged, and an end leaves what is parked to the next', async () => {
    const [held, other] = (await devices(2)) as [string, string];
    await whileHeld('SELECT FROM devices WHERE id = $1 FOR UPDATE', [held], async () => {
      let passed = 0;
      ingest.enqueue({ ...hello(held, '1.0'), passOver: () => void (passed += 1) });
      ingest.enqueue(hello(other, '1.0'));
      await until('it is passed over', () => passed === 1, 60_000);
      const message = { ...hello(held, '1.0'), topic: `slipway/v1/default/${held}/${held}/up/progress` };
      ingest.enqueue({ ...message, acknowledge: () => void acknowledged.push('progress') });
      expect(acknowledged).toContain('progress');
      await ingest.end();
    });
    expect(acknowledged).not.toContain(held);
  }, 180_000);

  it('D1 are tried again until PostgreSQL is back, and are counted once', async () => {
    const [one] = (await devices(1)) as [string];
    await facts.sql(
      `CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'shutting down' USING ERRCODE = '57P03'; END $$`,
    );
    await facts.sql('CREATE TRIGGER away BEFORE INSERT ON device_slots FOR EACH ROW EXECUTE FUNCTION away()');
    ingest.enqueue(hello(one, '3.0'));
    ingest.enqueue({ ...hello(one, '3.0'), payload: Buffer.from('not json') });
    const failed = async () =>
      (
        await facts.sql<{ n: number }>(
          'SELECT xact_rollback::int AS n FROM pg_stat_database WHERE datname = current_database()',
        )
      )[0]!.n;
    const before = await failed();
    await until('it was tried several times', async () => (await failed()) > before + 1);
    expect(acknowledged).toEqual([]);
    await facts.sql('DROP TRIGGER away ON device_slots');
    await until('both are acknowledged', () => acknowledged.length === 2);
    expect(await versions([one])).toEqual(['3.0']);
    expect(counts).toMatchObject({ recorded: 1, not_json: 1, 'within +Inf s': 2 });
  });

  it('D13 are not stored by a deposed leader: nothing is written, acknowledged or sent, and its term ends', async () => {
    const [one] = (await devices(1)) as [string];
    await releaseLease(pool, lease, 'one');
    await holdLease(pool, lease, 'two', 60_000);
    expect(guard.holds()).toBe(true);
    ingest.enqueue(hello(one, '4.0'));
    await until('the term is over', () => !guard.holds());
    await ingest.end();
    expect([await versions([one]), acknowledged, sent, counts]).toEqual([[undefined], [], [], {}]);
  });

  it('D13 are not tried by a leader whose lease is over by its own clock', async () => {
    const [one] = (await devices(1)) as [string];
    const late = new LeaseGuard(guard.fence, 4_000, { monotonic: performance.now() - 5_000, wall: Date.now() });
    const stale = new Ingest({
      pool,
      guard: late,
      now: Date.now,
      log: createLog('test', 'fatal'),
      committed: () => undefined,
      counted: () => undefined,
      publish: async () => undefined,
    });
    stale.enqueue(hello(one, '5.0'));
    await stale.end();
    expect([await versions([one]), acknowledged]).toEqual([[undefined], []]);
  });
});
