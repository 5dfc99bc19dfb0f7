import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { linkFault, firmwareDownloadUrl } from '../../protocol/http/download-links.js';
import { answerOnce, sweepIdempotencyKeys } from '../../store/db/idempotency.js';
import { holdLease } from '../../store/db/leases.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { readHeldLeases } from '../../store/db/vitals.js';
import { readUnstarted } from '../../store/installations/to-send.js';
import { claim, mark, settle } from '../../store/outbox/outbox.js';
import { endPausesFromTheFuture } from '../../store/outbox/from-the-future.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const TTL = 5_000;
const LEASE = 30_000;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let facts: Facts;
beforeAll(async () => {
  database = await createTestDatabase('from the future');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
  facts = await new Facts(pool).begin();
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});
beforeEach(() =>
  pool.query('DELETE FROM outbox; DELETE FROM leases; DELETE FROM webhooks; DELETE FROM idempotency_keys'),
);

const subject = randomUUID();
const put = () => asService(pool, (tx) => mark(tx, [{ receiver: 'workflow', tenantId: 'default', subject }]));
const claimed = () => claim(pool, 'workflow', 10, LEASE);
const fence = async () => ({ name: 'bridge', holder: 'me', epoch: (await holdLease(pool, 'bridge', 'me', TTL))! });

// A machine comes back from a power loss two hours ahead, works for a while, and then its clock is set right.
describe('What was stored while the clock was two hours ahead', () => {
  it('a lease further ahead than its own length is not valid: it is taken at once, and health does not count it', async () => {
    const first = await holdLease(pool, 'bridge', 'gone', TTL);
    expect(await readHeldLeases(pool)).toEqual(new Set(['bridge']));
    await pool.query(`UPDATE leases SET expires_at = expires_at + interval '2 hours'`);
    expect(await readHeldLeases(pool)).toEqual(new Set());
    const next = await holdLease(pool, 'bridge', 'next', TTL);
    expect(next).toBe(first! + 1);
    expect(await readHeldLeases(pool)).toEqual(new Set(['bridge']));
    expect(await holdLease(pool, 'bridge', 'third', TTL)).toBeUndefined();
  });

  it.each([5_000, 60_000])('a lease of %d ms is held for all of its own length', async (ttl) => {
    await holdLease(pool, 'bridge', 'me', ttl);
    expect(await holdLease(pool, 'bridge', 'other', TTL)).toBeUndefined();
    expect(await readHeldLeases(pool)).toEqual(new Set(['bridge']));
  });

  it('a claim further ahead than a claim can be is not valid', async () => {
    await put();
    expect(await claimed()).toHaveLength(1);
    await pool.query(`UPDATE outbox SET leased_until = leased_until + interval '2 hours'`);
    expect(await claimed()).toHaveLength(1);
    expect(await claimed()).toHaveLength(0);
  });

  it('a back-off further ahead than a back-off can be is over; a time that was asked for stays', async () => {
    await put();
    const [one] = await claimed();
    await settle(pool, [{ claimed: one!, error: 'the engine is away' }]);
    const later = randomUUID();
    await asService(pool, (tx) =>
      mark(tx, [{ receiver: 'workflow', tenantId: 'default', subject: later, dueAt: Date.now() + 3 * HOUR }]),
    );
    await pool.query(`UPDATE outbox SET due_at = due_at + interval '2 hours'`);
    expect(await claimed()).toHaveLength(0);
    expect(await endPausesFromTheFuture(pool, await fence())).toBe(1);
    expect((await claimed()).map((row) => row.subject)).toEqual([subject]);
  });

  it('a webhook and its deliveries do not rest for longer than they ever do', async () => {
    const webhook = randomUUID();
    await facts.sql(
      `INSERT INTO webhooks (tenant_id, id, url, events, secret, position, created_by, created_at, updated_at, quiet_until)
       VALUES ('default', $1, 'https://example.test', '{}', 'whsec_x', 0, 'test', now(), now(), now() + interval '2 hours')`,
      [webhook],
    );
    for (const [number, attempts, ahead] of [
      [1, 0, '2 hours'],
      [2, 3, '2 hours'],
      [3, 3, '30 minutes'],
    ] as const)
      await facts.sql(
        `INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, number, event, due_at, created_at, attempts)
         VALUES ('default', $1, $2, $3, 'x', now() + $4::interval, now(), $5)`,
        [randomUUID(), webhook, number, ahead, attempts],
      );
    expect(await endPausesFromTheFuture(pool, await fence())).toBe(3);
    expect(await facts.sql(`SELECT number::int FROM webhook_deliveries WHERE due_at <= now() ORDER BY number`)).toEqual(
      [{ number: 1 }, { number: 2 }],
    );
    expect(await facts.sql('SELECT quiet_until FROM webhooks')).toEqual([{ quiet_until: null }]);
  });

  it('D20 a row that another transaction holds is left to the next round, and holds up no other', async () => {
    const [held, other] = [randomUUID(), randomUUID()];
    for (const one of [held, other])
      await asService(pool, (tx) => mark(tx, [{ receiver: 'workflow', tenantId: 'default', subject: one }]));
    await pool.query(`UPDATE outbox SET attempts = 1, due_at = now() + interval '2 hours'`);
    const person = await pool.connect();
    try {
      await person.query('BEGIN');
      await person.query('SELECT FROM outbox WHERE subject = $1 FOR UPDATE', [held]);
      expect(await endPausesFromTheFuture(pool, await fence())).toBe(1);
    } finally {
      await person.query('ROLLBACK');
      person.release();
    }
    expect((await claimed()).map((row) => row.subject)).toEqual([other]);
    expect(await endPausesFromTheFuture(pool, await fence())).toBe(1);
  }, 60_000);

  it('an answer that was kept further ahead than a day is forgotten, and one that is a little ahead is given again', async () => {
    let done = 0;
    const ask = () =>
      asTenant(pool, 'default', (tx) =>
        answerOnce(
          tx,
          'default',
          { key: 'k', fingerprint: Buffer.from('f') },
          Date.now(),
          async () => ((done += 1), { given: done, kept: { status: 201, body: '{}' } }),
          () => undefined,
        ),
      );
    expect(await ask()).toEqual({ given: 1 });
    await pool.query(`UPDATE idempotency_keys SET created_at = created_at + interval '2 hours'`);
    expect(await ask()).toEqual({ repeated: { status: 201, body: '{}' } });
    await pool.query(`UPDATE idempotency_keys SET created_at = created_at + interval '2 days'`);
    expect(await sweepIdempotencyKeys(pool, Date.now())).toBe(1);
    expect(await ask()).toEqual({ given: 2 });
    await pool.query(`UPDATE idempotency_keys SET created_at = created_at + interval '2 days'`);
    expect(await ask()).toEqual({ given: 3 });
  });

  it('a process that was started then does not count as one that is on its way', async () => {
    const one = await facts.install(await facts.device(), await facts.firmware('a'));
    const started = [{ tenantId: 'default', subject: one.id }];
    await pool.query('UPDATE installations SET process_started_at = now()');
    expect(await readUnstarted(pool, started)).toEqual(new Set([one.id]));
    await pool.query(`UPDATE installations SET process_started_at = now() + interval '2 hours'`);
    expect(await readUnstarted(pool, started)).toEqual(new Set());
  });

  it('a link that outlives every link is refused', () => {
    const sign = (text: string) => `signed${text.length}`;
    const now = Date.now();
    const fault = (expiresAt: number) =>
      linkFault(
        firmwareDownloadUrl('', sign, 'default', '01890000-0000-7000-8000-000000000000', expiresAt),
        sign,
        now,
        5 * MINUTE,
      );
    expect(fault(now + 5 * MINUTE)).toBeUndefined();
    expect(fault(now - MINUTE)).toBe('expired');
    expect(fault(now + 2 * HOUR)).toBe('expired');
  });
});
