import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { DatabaseClock, databaseNow } from '../../store/db/clock.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asService } from '../../store/db/transaction.js';
import { claim, mark, settle } from '../../store/outbox/outbox.js';
import { createTestDatabase } from '../support/database.js';

const MINUTE = 60_000;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('clock');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterEach(() => void jest.restoreAllMocks());
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const right = Date.now;
const processIsAhead = (ms: number) => jest.spyOn(Date, 'now').mockImplementation(() => right() + ms);

describe('The clock of PostgreSQL', () => {
  it.each([-10 * MINUTE, 10 * MINUTE])(
    'is what a process goes by whose own is %d ms ahead, as soon as one transaction has begun',
    async (ahead) => {
      processIsAhead(ahead);
      const before = await asService(pool, (tx) =>
        tx.query<{ now: number }>('SELECT (extract(epoch FROM now()) * 1000)::float8 AS now'),
      );
      expect(Math.abs(databaseNow() - before.rows[0]!.now)).toBeLessThan(MINUTE);
    },
  );

  it.each([-10 * MINUTE, 10 * MINUTE])(
    'ends the back-off of a mark whose sender is %d ms ahead, seconds later',
    async (ahead) => {
      await asService(pool, (tx) =>
        mark(tx, [{ receiver: 'workflow', tenantId: 'default', subject: randomUUID(), detail: '' }]),
      );
      const [claimed] = await claim(pool, 'workflow', 1, MINUTE);
      processIsAhead(ahead);
      await settle(pool, [{ claimed: claimed!, error: 'the engine is away' }]);
      const { rows } = await pool.query<{ pause: number }>(
        `SELECT extract(epoch FROM due_at - marked_at)::float8 AS pause FROM outbox WHERE subject = $1`,
        [claimed!.subject],
      );
      await pool.query('DELETE FROM outbox');
      expect(rows[0]!.pause).toBeGreaterThan(0);
      expect(rows[0]!.pause).toBeLessThan(120);
    },
  );

  it('is known as exactly as the fastest answer allows, and anew where it was set', () => {
    let at = 0;
    const clock = new DatabaseClock(
      () => 7,
      () => at,
    );
    expect(clock.now()).toBe(7); // PostgreSQL has not said anything yet
    const learn = (told: number, asked: number, answered: number) => {
      at = answered;
      clock.learn(told, asked);
    };
    // The truth is 1,000 ahead. The first answer came 80 late, the second 10.
    learn(1_020, 0, 100);
    expect(clock.now()).toBe(1_020);
    learn(1_200, 190, 210);
    expect(clock.now()).toBe(1_200);
    learn(1_310, 300, 400); // a slow one says nothing new
    expect(clock.now()).toBe(1_390);
    learn(501_410, 400, 420); // PostgreSQL's clock was set forward
    expect(clock.now()).toBe(501_410);
    learn(1_510, 500, 520); // and back
    expect(clock.now()).toBe(1_530);
  });
});
