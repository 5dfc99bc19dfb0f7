import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { openPool, type Pool } from '../../store/db/pool.js';
import { claim, mark, releaseClaims, settle } from '../../store/outbox/outbox.js';
import { assertLease, holdLease, releaseLease } from '../../store/db/leases.js';
import { seal, verifyChain } from '../../store/history/seal.js';
import { writeHistory } from '../../store/history/history.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { isTransient } from '../../store/db/sqlstates.js';
import { createTestDatabase } from '../support/database.js';
import { until } from '../support/until.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('outbox');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});
beforeEach(() => pool.query(`DELETE FROM outbox; DELETE FROM leases`));

const LEASE = 30_000;
const subject = randomUUID();
const put = (...more: { dueAt?: number }[]) =>
  asService(pool, (tx) =>
    mark(
      tx,
      (more.length > 0 ? more : [{}]).map((one) => ({
        receiver: 'workflow' as const,
        tenantId: 'default',
        subject,
        ...one,
      })),
    ),
  );
const rows = async () =>
  (
    await pool.query<Record<string, unknown>>(
      `SELECT generation::int, attempts, leased_until IS NOT NULL AS leased, last_error, due_at > now() AS later FROM outbox`,
    )
  ).rows;

describe('The outbox is level-triggered', () => {
  it('O1 holds one row per subject and receiver, however often it is marked', async () => {
    await put({}, {});
    await put();
    expect(await rows()).toMatchObject([{ generation: 2 }]);
  });

  it('O2 a claimed row belongs to one sender until its lease ends', async () => {
    await put();
    expect(await claim(pool, 'workflow', 10, LEASE)).toHaveLength(1);
    expect(await claim(pool, 'workflow', 10, LEASE)).toHaveLength(0);
    await pool.query(`UPDATE outbox SET leased_until = now() - interval '1 second'`);
    expect(await claim(pool, 'workflow', 10, LEASE)).toHaveLength(1);
  });

  it('O12 what runs is claimed before what begins, and of that no more than there is room for', async () => {
    const marks = Array.from({ length: 3 }, () => ({
      receiver: 'workflow' as const,
      tenantId: 'default',
      subject: randomUUID(),
      isStart: true,
      dueAt: Date.now() - 60_000,
    }));
    await asService(pool, (tx) => mark(tx, marks));
    await put();
    expect((await claim(pool, 'workflow', 10, LEASE, undefined, 0)).map((one) => one.subject)).toEqual([subject]);
    expect(await claim(pool, 'workflow', 10, LEASE, undefined, 2)).toHaveLength(2);
    expect(await claim(pool, 'workflow', 10, LEASE)).toHaveLength(1);
  });

  it('O12 what has begun meanwhile is not a beginning any more, and one that failed still is', async () => {
    const begins = async () => (await pool.query<{ is_start: boolean }>('SELECT is_start FROM outbox')).rows;
    await asService(pool, (tx) => mark(tx, [{ receiver: 'workflow', tenantId: 'default', subject, isStart: true }]));
    const [first] = await claim(pool, 'workflow', 10, LEASE);
    await settle(pool, [{ claimed: first!, error: 'the engine is away' }]);
    expect(await begins()).toEqual([{ is_start: true }]);
    await put();
    expect(await begins()).toEqual([{ is_start: false }]);
  });

  it('O3 a row that was sent is gone, unless it was marked meanwhile', async () => {
    await put();
    const [first] = await claim(pool, 'workflow', 10, LEASE);
    await put();
    await settle(pool, [{ claimed: first! }]);
    expect(await rows()).toMatchObject([{ generation: 2, leased: false, later: false }]);
    const [second] = await claim(pool, 'workflow', 10, LEASE);
    await settle(pool, [{ claimed: second! }]);
    expect(await rows()).toEqual([]);
  });

  it('O4 a row that could not be sent comes again after a back-off that grows, with what went wrong', async () => {
    await put();
    const [first] = await claim(pool, 'workflow', 10, LEASE);
    await settle(pool, [{ claimed: first!, error: 'the engine is away' }]);
    expect(await rows()).toMatchObject([{ attempts: 1, last_error: 'the engine is away', later: true, leased: false }]);
  });

  it('O5 a mark for later waits for its time, and one for now overtakes it', async () => {
    await put({ dueAt: Date.now() + 60_000 });
    expect(await claim(pool, 'workflow', 10, LEASE)).toHaveLength(0);
    await put();
    expect(await claim(pool, 'workflow', 10, LEASE)).toHaveLength(1);
  });
});

describe('Its sender is fenced', () => {
  it('O9 a new leader gets at once what its predecessor had claimed', async () => {
    const fence = { name: 'bridge', holder: 'two', epoch: (await holdLease(pool, 'bridge', 'two', 60_000))! };
    await put();
    expect(await claim(pool, 'workflow', 10, LEASE)).toHaveLength(1);
    await releaseClaims(pool, 'document', fence);
    expect(await claim(pool, 'workflow', 10, LEASE, fence)).toHaveLength(0);
    await releaseClaims(pool, 'workflow', fence);
    expect(await claim(pool, 'workflow', 10, LEASE, fence)).toHaveLength(1);
  });

  it('O10 a deposed leader claims nothing, settles nothing and frees nothing', async () => {
    const stale = { name: 'bridge', holder: 'one', epoch: (await holdLease(pool, 'bridge', 'one', 60_000))! };
    await put();
    const claimed = await claim(pool, 'workflow', 10, LEASE, stale);
    await releaseLease(pool, 'bridge', 'one');
    await holdLease(pool, 'bridge', 'two', 60_000);
    const before = await rows();
    for (const late of [
      () =>
        settle(
          pool,
          claimed.map((one) => ({ claimed: one })),
          stale,
        ),
      () => claim(pool, 'workflow', 10, LEASE, stale),
      () => releaseClaims(pool, 'workflow', stale),
    ]) {
      await expect(late()).rejects.toMatchObject({ name: 'LeaseLost' });
    }
    expect(await rows()).toEqual(before);
  });
});

describe('A lease', () => {
  it('is held by one, renewed under the same epoch, and taken over under a higher one when it ends', async () => {
    expect(await holdLease(pool, 'bridge', 'one', 60_000)).toBe(1);
    expect(await holdLease(pool, 'bridge', 'two', 60_000)).toBeUndefined();
    expect(await holdLease(pool, 'bridge', 'one', 60_000)).toBe(1);
    await releaseLease(pool, 'bridge', 'one');
    expect(await holdLease(pool, 'bridge', 'two', 60_000)).toBe(2);
  });

  it('fences a stale holder: its transaction fails, and a successor waits for one that is under way', async () => {
    await holdLease(pool, 'bridge', 'one', 60_000);
    const fence = { name: 'bridge', holder: 'one', epoch: 1 };
    await asService(pool, (tx) => assertLease(tx, fence));
    await releaseLease(pool, 'bridge', 'one');
    await holdLease(pool, 'bridge', 'two', 60_000);
    await expect(asService(pool, (tx) => assertLease(tx, fence))).rejects.toMatchObject({ name: 'LeaseLost' });
  });
});

function gate(): { opened: Promise<void>; open: () => void } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

describe('A lease under load', () => {
  const fenceOf = (epoch: number) => ({ name: 'bridge', holder: 'one', epoch });

  it('is renewed while fenced transactions are under way, and taken over only when they have ended', async () => {
    const fence = fenceOf((await holdLease(pool, 'bridge', 'one', 60_000))!);
    const [begun, committed] = [gate(), gate()];
    const working = asService(pool, async (tx) => {
      await assertLease(tx, fence);
      begun.open();
      await committed.opened;
      await tx.query('SELECT 1');
    });
    await begun.opened;
    expect(await holdLease(pool, 'bridge', 'one', 60_000)).toBe(fence.epoch);
    await releaseLease(pool, 'bridge', 'one');
    let taken = false;
    const successor = holdLease(pool, 'bridge', 'two', 60_000).then((epoch) => ((taken = true), epoch));
    await until(
      'the successor waits',
      async () =>
        (
          await pool.query(
            `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
          )
        ).rowCount! > 0,
    );
    expect(taken).toBe(false);
    committed.open();
    await working;
    expect(await successor).toBe(fence.epoch + 1);
  });

  it('is not kept by a holder that stalls in a transaction: PostgreSQL ends that one, and the same work may be tried again', async () => {
    const fence = fenceOf((await holdLease(pool, 'bridge', 'one', 60_000))!);
    const [begun, woken] = [gate(), gate()];
    const stalled = asService(pool, async (tx) => {
      await assertLease(tx, fence);
      begun.open();
      await woken.opened;
      await tx.query(`INSERT INTO outbox (receiver, tenant_id, subject) VALUES ('workflow', 'default', $1)`, [subject]);
    });
    await begun.opened;
    const failure = stalled.then(
      () => undefined,
      (error: unknown) => error,
    );
    await releaseLease(pool, 'bridge', 'one');
    expect(await holdLease(pool, 'bridge', 'two', 60_000)).toBe(fence.epoch + 1);
    woken.open();
    expect(isTransient(await failure)).toBe(true);
    expect(await rows()).toEqual([]);
  });
});

describe('The history', () => {
  it('is sealed without a gap and chained per tenant, and a changed entry breaks the chain', async () => {
    const epoch = (await holdLease(pool, 'bridge', 'sealer', 60_000))!;
    const fence = { name: 'bridge', holder: 'sealer', epoch };
    await asService(pool, (tx) =>
      writeHistory(
        tx,
        (['created', 'start', 'pause'] as const).map((event) => ({
          tenantId: 'default',
          at: Date.now(),
          event,
          data: { n: 1, text: 'ü' },
        })),
      ),
    );
    await asService(pool, (tx) =>
      writeHistory(tx, [{ tenantId: 'second', at: Date.now(), event: 'created', data: {} }]),
    );
    expect(await seal(pool, fence)).toBe(4);
    expect(await seal(pool, fence)).toBe(0);
    await asService(pool, (tx) =>
      writeHistory(tx, [{ tenantId: 'default', at: Date.now(), event: 'resume', data: {} }]),
    );
    await seal(pool, fence);
    expect(await asService(pool, (tx) => verifyChain(tx, 'default'))).toEqual({ entries: 4 });
    await pool.query(`UPDATE history SET data = '{"n": 2}' WHERE event = 'start'`);
    expect(await asService(pool, (tx) => verifyChain(tx, 'default'))).toEqual({ entries: 1, brokenAt: 2 });
  });

  it('can be changed by no role of the service, and deleted by none before it may go', async () => {
    await expect(asService(pool, (tx) => tx.query(`UPDATE history SET event = 'x'`))).rejects.toMatchObject({
      code: '42501',
    });
    await expect(asTenant(pool, 'default', (tx) => tx.query(`DELETE FROM history`))).rejects.toMatchObject({
      code: '42501',
    });
    expect((await asService(pool, (tx) => tx.query(`DELETE FROM history`))).rowCount).toBe(0);
  });
});
