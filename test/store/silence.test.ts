import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { sentenceOf } from '../../domain/fleet/timeline.js';
import { lookForSilence, type Listening } from '../../store/commands/silence.js';
import { holdLease, type Fence } from '../../store/db/leases.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { readTimeline } from '../../store/installations/timeline.js';
import { record, type Report } from '../../store/record.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const START = Date.parse('2026-11-24T10:00:00.000Z');
const AGENT = { name: 'a', version: '1' };

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let facts: Facts;
let fence: Fence;
beforeAll(async () => {
  database = await createTestDatabase('silence');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
  facts = await new Facts(pool).begin();
  fence = { name: 'bridge', holder: 'test', epoch: (await holdLease(pool, 'bridge', 'test', HOUR))! };
});
beforeEach(() => facts.sql('UPDATE devices SET online = false'));
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const looks = (at: number, more: Partial<Listening> = {}) =>
  lookForSilence(pool, fence, { now: at, since: START, doubtedSince: undefined, intervalMs: 2 * HOUR, ...more });
const tells = (at: number, ...reports: Report[]) => asService(pool, (tx) => record(tx, reports, at));
const from = (node: string) => ({ tenantId: 'default', from: { kind: 'device' as const, node } });
const saysHello = (id: string, at: number) =>
  tells(at, { ...from(id), deviceId: id, kind: 'hello', hello: { agent: AGENT, slots: {} } });
const names = (gateway: string, child: string): Report => ({
  ...from(gateway),
  deviceId: child,
  kind: 'hello',
  hello: { reachable: true, slots: {} },
});
const see = async (id: string) => {
  const [row] = await facts.sql<{ online: boolean; hello_wanted_at: Date | null }>(
    'SELECT online, hello_wanted_at FROM devices WHERE id = $1',
    [id],
  );
  const asked = await facts.sql(`SELECT FROM outbox WHERE receiver = 'document' AND subject = $1`, [id]);
  return { online: row!.online, askedAt: row!.hello_wanted_at?.getTime() ?? null, marked: asked.length > 0 };
};
const interval = (id: string, seconds: number | null) =>
  facts.sql('UPDATE devices SET communication_interval = $2 WHERE id = $1', [id, seconds]);
const told = async (id: string) =>
  (await asTenant(pool, 'default', (tx) => readTimeline(tx, 'default', id, { pageSize: 10 }))).items.map(sentenceOf);

describe('A device from which nothing is heard', () => {
  it('D20 is asked for a hello after 2 communicationIntervals, and is offline after 3, with an entry of the history', async () => {
    const id = await facts.device();
    await interval(id, 60);
    await saysHello(id, START);
    expect(await looks(START + 2 * MINUTE - 1)).toBe(0);
    expect(await looks(START + 2 * MINUTE)).toBe(1);
    expect(await see(id)).toEqual({ online: true, askedAt: START + 2 * MINUTE, marked: true });
    expect(await looks(START + 3 * MINUTE - 1)).toBe(0);
    expect(await looks(START + 3 * MINUTE)).toBe(1);
    expect(await see(id)).toMatchObject({ online: false });
    await saysHello(id, START + HOUR);
    expect(await see(id)).toMatchObject({ online: true });
    expect(await told(id)).toEqual([
      'The device was heard again and is online; it was silent since 2026-11-24T10:03:00.000Z.',
      'The device counts as offline: nothing was heard from it since 2026-11-24T10:00:00.000Z, and it did not answer when it was asked for a hello.',
    ]);
  });

  it('stays online when it answers, and is asked again only after the next 2 intervals', async () => {
    const id = await facts.device();
    await interval(id, 60);
    await saysHello(id, START);
    expect(await looks(START + 2 * MINUTE)).toBe(1);
    await saysHello(id, START + 2 * MINUTE + 500);
    expect(await looks(START + 4 * MINUTE)).toBe(0);
    expect(await see(id)).toMatchObject({ online: true });
    expect(await looks(START + 4 * MINUTE + 500)).toBe(1);
    expect(await told(id)).toEqual([]);
  });

  it.each([
    ['its own interval goes before that of its type', 60, 600, MINUTE],
    ['that of its type goes before the setting', null, 600, 10 * MINUTE],
    ['0 counts as none', 0, null, 2 * HOUR],
    ['without either it is the setting', null, null, 2 * HOUR],
    ['it is 30 seconds at least', 1, null, MINUTE / 2],
  ])('%s', async (_, own, ofType, expected) => {
    const id = await facts.device();
    await interval(id, own);
    await facts.sql('UPDATE device_types SET communication_interval = $1', [ofType]);
    try {
      await saysHello(id, START);
      expect(await looks(START + 2 * expected - 1)).toBe(0);
      expect(await looks(START + 2 * expected)).toBe(1);
    } finally {
      await facts.sql('UPDATE device_types SET communication_interval = NULL');
    }
  });

  it('is never offline without having been asked while the service could hear: the service was away for a day', async () => {
    const id = await facts.device();
    await interval(id, 60);
    await saysHello(id, START);
    await looks(START + 2 * MINUTE); // asked, and then the service is away
    const back = START + 24 * HOUR;
    await looks(back, { since: back });
    expect(await see(id)).toMatchObject({ online: true, askedAt: back });
    await looks(back + MINUTE - 1, { since: back });
    expect(await see(id)).toMatchObject({ online: true });
    await looks(back + MINUTE, { since: back });
    expect(await see(id)).toMatchObject({ online: false });
  });

  it('is asked at once where the broker lost its connections, and is offline 2 minutes later', async () => {
    const [gone, back] = [await facts.device(), await facts.device()];
    for (const id of [gone, back]) await saysHello(id, START);
    const lost = START + MINUTE;
    const after = { since: lost, doubtedSince: lost };
    expect(await looks(lost, after)).toBe(2);
    await saysHello(back, lost + 1_000);
    expect(await looks(lost + 2 * MINUTE - 1, after)).toBe(0);
    expect(await looks(lost + 2 * MINUTE, after)).toBe(1);
    expect([await see(gone), await see(back)]).toMatchObject([{ online: false }, { online: true }]);
  });

  it('takes the children that are reached through it with it, and they are never asked by themselves', async () => {
    const gateway = await facts.device();
    const child = await facts.device(gateway, false);
    const grandchild = await facts.device(child, false);
    const independent = await facts.device(gateway);
    await saysHello(gateway, START);
    await saysHello(independent, START + 3 * HOUR);
    await tells(START, names(gateway, child), names(gateway, grandchild));
    await saysHello(gateway, START + HOUR);
    expect(await looks(START + 5 * HOUR - 1)).toBe(0);
    expect(await looks(START + 5 * HOUR)).toBe(1);
    expect(await see(grandchild)).toMatchObject({ online: true, askedAt: null });
    await looks(START + 7 * HOUR);
    for (const id of [gateway, child, grandchild]) expect(await see(id)).toMatchObject({ online: false });
    expect(await see(independent)).toMatchObject({ online: true });
  });

  it('is asked also where its type has no slots', async () => {
    const id = await facts.deviceWithoutSlots();
    await interval(id, 60);
    await saysHello(id, START);
    expect(await looks(START + 2 * MINUTE)).toBe(1);
    expect(await see(id)).toEqual({ online: true, askedAt: START + 2 * MINUTE, marked: true });
  });

  it('D20 is found, also while another transaction holds rows of others: of a silent device, and of a silent child', async () => {
    const [held, gateway, free] = [await facts.device(), await facts.device(), await facts.device()];
    const child = await facts.device(gateway, false);
    const all = [held, gateway, free];
    for (const id of all) await saysHello(id, START);
    await tells(START, names(gateway, child));
    expect(await looks(START + 4 * HOUR)).toBe(3);
    const person = await pool.connect();
    try {
      await person.query('BEGIN');
      await person.query('SELECT FROM devices WHERE id = ANY($1) FOR UPDATE', [[held, child]]);
      expect(await looks(START + 6 * HOUR)).toBe(1);
      expect(await see(free)).toMatchObject({ online: false });
    } finally {
      await person.query('ROLLBACK');
      person.release();
    }
    expect(await looks(START + 6 * HOUR)).toBe(2);
    for (const id of [...all, child]) expect(await see(id)).toMatchObject({ online: false });
  }, 60_000);

  it('is one of a fleet: at most 200 are asked at once', async () => {
    await facts.sql(
      `INSERT INTO devices (tenant_id, id, device_type_id, name, online, last_seen_at)
       SELECT 'default', gen_random_uuid(), $1, 'many ' || n, true, $2 FROM generate_series(1, 250) AS n`,
      [facts.deviceTypeId, new Date(START)],
    );
    expect(await looks(START + 4 * HOUR)).toBe(200);
    expect(await looks(START + 4 * HOUR + 1)).toBe(50);
    expect(await looks(START + 4 * HOUR + 2)).toBe(0);
  });
});

describe('A gateway that comes back without a hello', () => {
  const presence = (id: string, online: boolean, session: string): Report => ({
    ...from(id),
    deviceId: id,
    kind: 'presence',
    online,
    session,
  });

  it.each([
    ['by presence', (id: string) => presence(id, true, 'second')],
    ['by anything else that it says', (id: string): Report => ({ ...from(id), deviceId: id, kind: 'sign_of_life' })],
  ])('%s is asked for one, which brings back its children; a device without children is not', async (_, back) => {
    const [gateway, single] = [await facts.device(), await facts.device()];
    const child = await facts.device(gateway, false);
    for (const id of [gateway, single]) await tells(START, presence(id, true, 'first'));
    await saysHello(gateway, START);
    await tells(START, names(gateway, child));
    for (const id of [gateway, single]) await tells(START + MINUTE, presence(id, false, 'first'));
    expect(await see(child)).toMatchObject({ online: false });
    for (const id of [gateway, single]) await tells(START + HOUR, back(id));
    expect(await see(gateway)).toEqual({ online: true, askedAt: START + HOUR, marked: true });
    expect(await see(single)).toEqual({ online: true, askedAt: null, marked: false });
    await saysHello(gateway, START + HOUR + 1);
    await tells(START + HOUR + 1, names(gateway, child));
    expect(await see(child)).toMatchObject({ online: true });
  });

  it('is asked a moment later, in which it may say hello by itself, and is not offline sooner for that', async () => {
    const gateway = await facts.device();
    await facts.device(gateway, false);
    await saysHello(gateway, START);
    await tells(START + MINUTE, { ...presence(gateway, false, 'x'), source: 'connection' } as Report);
    await tells(START + HOUR, presence(gateway, true, 'second'));
    const [row] = await facts.sql<{ due: Date }>(
      `SELECT due_at AS due FROM outbox WHERE receiver = 'document' AND subject = $1`,
      [gateway],
    );
    expect(row!.due.getTime()).toBe(START + HOUR + 5_000);
    expect(await looks(START + 5 * HOUR - 1)).toBe(0);
    expect(await looks(START + 5 * HOUR)).toBe(1);
    expect(await see(gateway)).toMatchObject({ online: true, askedAt: START + 5 * HOUR });
  });
});
