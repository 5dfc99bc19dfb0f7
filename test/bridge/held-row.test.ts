import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createInstallationActivities } from '../../activities/installation.js';
import type { Engine } from '../../adapters/engine/port.js';
import { openTemporal } from '../../adapters/engine/temporal.js';
import { sendProcesses } from '../../bridge/outbound/send-processes.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';
import { until } from '../support/until.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let facts: Facts;
let engine: Engine;
beforeAll(async () => {
  database = await createTestDatabase('held row');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
  facts = await new Facts(pool).begin();
  engine = openTemporal({
    connection: { address: process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']! },
    namespace: 'default',
    taskQueue: `held-row-${process.pid}`, // no worker serves it
  });
});
afterAll(async () => {
  await engine.close();
  await pool.end();
  await database.drop();
});

/** As a person does who forgot a transaction in another window: nothing ends it. */
async function whileHeld(
  table: 'devices' | 'installations',
  ids: string | readonly string[],
  look: () => Promise<void>,
): Promise<void> {
  const person = new pg.Client({ connectionString: database.url });
  await person.connect();
  try {
    await person.query('BEGIN');
    await person.query(`SELECT FROM ${table} WHERE id = ANY($1::uuid[]) FOR UPDATE`, [[ids].flat()]);
    await look();
  } finally {
    await person.query('ROLLBACK');
    await person.end();
  }
}
const round = () => sendProcesses(pool, engine, Date.now);
const started = async (id: string) =>
  (await facts.sql('SELECT FROM installations WHERE id = $1 AND process_started_at IS NOT NULL', [id])).length > 0;

describe('While another transaction holds the row of one installation or device', () => {
  it('O7 processes of the others are started, and its own follows', async () => {
    const firmware = await facts.firmware('a');
    const held = await facts.install(await facts.device(), firmware);
    await whileHeld('installations', held.id, async () => {
      const other = await facts.install(await facts.device(), firmware);
      await round();
      expect([await started(held.id), await started(other.id)]).toEqual([false, true]);
      expect(await facts.sql('SELECT last_error FROM outbox WHERE subject = $1', [held.id])).toEqual([
        { last_error: 'another transaction holds its row' },
      ]);
    });
    await until('its own is started', async () => (await round(), started(held.id)), 60_000);
  }, 120_000);

  it('what the others ask for is decided, although it came together', async () => {
    const firmware = await facts.firmware('b');
    const [held, ...others] = await Promise.all(
      Array.from({ length: 10 }, async () => facts.install(await facts.device(), firmware)),
    );
    const activities = createInstallationActivities({ pool, now: Date.now });
    const ask = (one: { deviceId: string; id: string }) =>
      activities.makeOffer({ tenantId: 'default', deviceId: one.deviceId, installationId: one.id });
    await whileHeld('devices', held!.deviceId, async () => {
      // The first is decided by itself; all that come meanwhile are one transaction.
      const first = ask(others[0]!);
      const own = ask(held!).then(
        () => 'decided',
        (error: unknown) => (error as { code?: string }).code,
      );
      const answers = await Promise.all(others.slice(1).map(ask));
      expect((await first).decision).toBe('offered');
      expect(answers.map((one) => one.decision)).toEqual(answers.map(() => 'offered'));
      expect(await own).toBe('55P03');
    });
    expect((await ask(held!)).decision).toBe('offered');
  }, 120_000);

  it('what the others ask for is decided within seconds, although many rows are held', async () => {
    const firmware = await facts.firmware('c');
    const all = await Promise.all(
      Array.from({ length: 60 }, async () => facts.install(await facts.device(), firmware)),
    );
    const [held, others] = [all.filter((_one, n) => n % 2 === 0), all.filter((_one, n) => n % 2 === 1)];
    const activities = createInstallationActivities({ pool, now: Date.now });
    const ask = (one: { deviceId: string; id: string }) =>
      activities.makeOffer({ tenantId: 'default', deviceId: one.deviceId, installationId: one.id });
    const ids = held.map(({ id }) => id);
    await whileHeld('installations', ids, async () => {
      const began = performance.now();
      const first = ask(others[0]!);
      const owns = held.map((one) => ask(one).then(String, (error: unknown) => (error as { code?: string }).code));
      const answers = await Promise.all([first, ...others.slice(1).map(ask)]);
      expect(new Set(answers.map(({ decision }) => decision))).toEqual(new Set(['offered']));
      expect(performance.now() - began).toBeLessThan(8_000);
      expect(new Set(await Promise.all(owns))).toEqual(new Set(['55P03']));
    });
  }, 120_000);
});
