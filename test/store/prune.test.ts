import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { prune } from '../../store/commands/prune.js';
import { holdLease, type Fence } from '../../store/db/leases.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { growTrees } from '../../store/audit/tiles.js';
import { verifyHistory } from '../../store/audit/verify.js';
import { writeHistory, type HistoryEntry } from '../../store/history/history.js';
import { listSealed } from '../../store/history/live-events.js';
import { seal } from '../../store/history/seal.js';
import { readDeviceNow } from '../../store/installations/timeline.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';

const DAY = 86_400_000;
const NOW = Date.parse('2028-06-01T00:00:00Z');
const RETENTION = 400 * DAY;
const daysAgo = (days: number) => NOW - days * DAY;

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let facts: Facts;
let fence: Fence;
let firmwareId: string;
let device: string;
const broken: string[] = [];

beforeEach(async () => {
  database = await createTestDatabase('prune');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
  facts = await new Facts(pool).begin();
  firmwareId = await facts.firmware('ab');
  device = await facts.device();
  fence = { name: 'bridge', holder: 'test', epoch: (await holdLease(pool, 'bridge', 'test', 600_000))! };
  broken.length = 0;
}, 60_000);
afterEach(async () => {
  await pool.end();
  await database.drop();
});

const ids = async (table: string) =>
  (await pool.query<{ id: string }>(`SELECT id FROM ${table} WHERE tenant_id = 'default'`)).rows.map(({ id }) => id);
const numbers = async () =>
  (
    await pool.query<{ number: string }>(`SELECT number FROM history WHERE tenant_id = 'default' ORDER BY number`)
  ).rows.map(({ number }) => Number(number));

/** An installation that ended so many days ago, by a rollout or not, with two entries. Undefined days: it is open. */
async function installation(endedDaysAgo: number | undefined, rolloutId: string | null = null): Promise<string> {
  const id = randomUUID();
  const ended = endedDaysAgo === undefined ? null : new Date(daysAgo(endedDaysAgo)).toISOString();
  await facts.sql(
    `INSERT INTO installations (tenant_id, id, device_id, firmware_id, slot, state, policy, sha256, requested_at, requested_by, state_since, ended_at, rollout_id)
      VALUES ('default', $1, $2, $3, 'firmware', $4, '{}', repeat('ab', 32), $5, 'test', $5, $6, $7)`,
    [
      id,
      device,
      firmwareId,
      ended ? 'installed' : 'queued',
      ended ?? new Date(daysAgo(700)).toISOString(),
      ended,
      rolloutId,
    ],
  );
  const at = daysAgo(endedDaysAgo ?? 700);
  await entries(
    ['requested', 'installed'].map((event) => ({ event, at, installationId: id }) as Partial<HistoryEntry>),
  );
  return id;
}

async function rollout(finishedDaysAgo: number): Promise<string> {
  const id = randomUUID();
  const at = new Date(daysAgo(finishedDaysAgo)).toISOString();
  await facts.sql(
    `INSERT INTO rollouts (tenant_id, id, name, plan, phase, created_by, created_at, updated_at, finished_at)
      VALUES ('default', $1, 'r', '{}', 'finished', 'test', $2, $2, $2)`,
    [id, at],
  );
  await facts.sql(
    `INSERT INTO rollout_targets (tenant_id, rollout_id, device_id, rank, admissible, state)
      VALUES ('default', $1, $2, gen_random_uuid(), true, 'installed')`,
    [id, device],
  );
  await entries([{ event: 'start', at: daysAgo(finishedDaysAgo), rolloutId: id }]);
  return id;
}

const entries = (more: readonly Partial<HistoryEntry>[]) =>
  asService(pool, (tx) =>
    writeHistory(
      tx,
      more.map((one) => ({
        tenantId: 'default',
        event: 'online',
        data: {},
        at: daysAgo(600),
        deviceId: device,
        ...one,
      })),
    ),
  );

const holds = (installationId: string | null) =>
  facts.sql(
    `INSERT INTO device_slots (tenant_id, device_id, slot, version, sha256, installation_id, reported_at)
      VALUES ('default', $1, 'firmware', '1.0.0', repeat('ab', 32), $2, now())
      ON CONFLICT (tenant_id, device_id, slot) DO UPDATE SET installation_id = excluded.installation_id`,
    [device, installationId],
  );

async function sealAll(): Promise<void> {
  while ((await seal(pool, fence)) > 0);
  while (await growTrees(pool, fence));
}

/** A whole round. */
async function toEnd(history: number, acts?: number): Promise<void> {
  const round = prune(pool, fence, { history, acts }, (error) => broken.push(error.message));
  while ((await round.next()).done !== true);
}

/** Seals, and then removes what is older than the retention. */
async function age(actsRetention?: number): Promise<void> {
  await sealAll();
  await toEnd(NOW - RETENTION, actsRetention === undefined ? undefined : NOW - actsRetention);
}
const verified = () => asService(pool, (tx) => verifyHistory(tx, 'default'));
/** Many that are older than the retention, and one that is not. */
async function fill(count = 500): Promise<void> {
  await entries(Array.from({ length: count }, () => ({})));
  await entries([{ at: daysAgo(1) }]);
}

describe('What is older than the retention', () => {
  it('goes, but for what a slot holds and what explains it; and that goes when the slot holds something else', async () => {
    const [old, other] = [await rollout(500), await rollout(500)];
    const held = await installation(500, old);
    const [, open] = [await installation(500, other), await installation(undefined)];
    await holds(held);
    await fill();
    const recent = await rollout(10);
    const [young, ofRecent] = [await installation(20), await installation(500, recent)];
    await age();
    expect((await ids('installations')).sort()).toEqual([held, open, young, ofRecent].sort());
    expect((await ids('rollouts')).sort()).toEqual([old, recent].sort());
    const said = await asTenant(pool, 'default', (tx) => readDeviceNow(tx, 'default', device));
    expect(said.find(({ slot }) => slot === 'firmware')?.current?.origin).toMatchObject({ rollout: 'r' });
    const dropped = async () => (await numbers()).filter((number) => number <= 500);
    const newest = (await numbers()).at(-1)!;
    // Of the rollout that explains what the slot holds, of the installation that brought it, and of the open one.
    expect(await dropped()).toHaveLength(1 + 2 + 2);
    expect(await verified()).toEqual({ entries: newest });

    await holds(young);
    await age();
    expect((await ids('installations')).sort()).toEqual([open, young, ofRecent].sort());
    expect(await ids('rollouts')).toEqual([recent]);
    expect(await dropped()).toHaveLength(2);
    expect(await verified()).toEqual({ entries: newest });
    expect(broken).toEqual([]);
  });

  it('keeps the newest entry that says what a slot holds which no installation brought', async () => {
    const slot = (sha256: string) => ({ event: 'slot' as const, data: { slot: 'firmware', sha256 } });
    await entries([slot('a'), slot('b')]);
    await holds(null);
    await fill();
    await age();
    expect((await numbers()).filter((number) => number <= 256)).toEqual([2]);
  });

  it('goes with revoked credentials, and not with those that are valid or were revoked lately', async () => {
    await facts.sql(
      `INSERT INTO device_credentials (tenant_id, id, device_id, type, username, secret_hash, revoked_at)
        SELECT 'default', gen_random_uuid(), $1, 'password', 'u', '\\x00', r.at
        FROM unnest($2::timestamptz[]) AS r (at)`,
      [device, [new Date(daysAgo(500)).toISOString(), new Date(daysAgo(1)).toISOString()]],
    );
    await age();
    expect(await ids('device_credentials')).toHaveLength(2);
  });

  it('goes with revoked certificates and keys, but for those that others stand on', async () => {
    const [old, recent] = [new Date(daysAgo(500)).toISOString(), new Date(daysAgo(1)).toISOString()];
    await facts.sql(
      `INSERT INTO device_certificates (tenant_id, id, device_id, cert, fingerprint, status, updated_at)
        SELECT 'default', gen_random_uuid(), $1, 'c', c.at::text || c.status, c.status, c.at
        FROM (VALUES ('revoked', $2::timestamptz), ('revoked', $3::timestamptz), ('valid', $2::timestamptz)) AS c (status, at)`,
      [device, old, recent],
    );
    const predecessor = randomUUID();
    await facts.sql(
      `INSERT INTO api_keys (tenant_id, id, name, role, secret_hash, principal, created_by, revoked_at, rotated_from)
        SELECT 'default', k.id, k.name, 'owner', k.name::bytea, k.name, k.maker, k.at, k.rotated_from
        FROM (VALUES (gen_random_uuid(), 'old', 'ada', $1::timestamptz, NULL::uuid), (gen_random_uuid(), 'recent', 'ada', $2, NULL),
          ($3::uuid, 'rotated', 'ada', $1, NULL), (gen_random_uuid(), 'successor', 'ada', NULL, $3),
          (gen_random_uuid(), 'earlier admin token', 'service', $1, NULL)) AS k (id, name, maker, at, rotated_from)`,
      [old, recent, predecessor],
    );
    await age();
    const left = await pool.query<{ at: Date; status: string }>(
      'SELECT status FROM device_certificates ORDER BY status',
    );
    expect(left.rows.map(({ status }) => status)).toEqual(['revoked', 'valid']);
    const keys = await pool.query<{ name: string }>(
      `SELECT name FROM api_keys WHERE name <> 'bootstrap' ORDER BY name`,
    );
    expect(keys.rows.map(({ name }) => name)).toEqual(['earlier admin token', 'recent', 'rotated', 'successor']);
  });

  it.each([
    ['stays for ever where it has no retention', undefined, [2, 4, 5]],
    ['goes by its own retention where that is longer', 650 * DAY, [4, 5]],
    ['goes by its own retention where that is shorter', 30 * DAY, [3, 5]],
  ])('is one thing, and what people did %s', async (_how, retention, left) => {
    const act = (days: number) =>
      facts.sql(
        `INSERT INTO history (tenant_id, at, event, data) VALUES ('default', $1, 'audit', '{"action": "device.create"}')`,
        [new Date(daysAgo(days)).toISOString()],
      );
    await entries([{ at: daysAgo(701) }]);
    await act(700);
    await entries([{ at: daysAgo(retention === 30 * DAY ? 300 : 690) }]);
    await act(retention === 30 * DAY ? 200 : 600);
    await entries([{ at: daysAgo(1) }]);
    await age(retention);
    expect(await numbers()).toEqual(left);
    expect((await verified()).broken).toBeUndefined();
    expect(broken).toEqual([]);
  });

  it('leaves its leaf hashes, and what is listed by time is found across the gaps; what people did stays', async () => {
    await entries([{ event: 'offline', data: { n: 1 } }]);
    await facts.sql(
      `INSERT INTO history (tenant_id, at, event, data) VALUES ('default', $1, 'audit', '{"action": "device.create"}')`,
      [new Date(daysAgo(600)).toISOString()],
    );
    await fill();
    await sealAll();
    const tiles = 'SELECT * FROM history_tiles ORDER BY level, index';
    const { rows: before } = await pool.query(tiles);
    await age();
    expect(await numbers()).toEqual([2, 503]);
    expect((await pool.query(tiles)).rows).toEqual(before);
    const listed = await asTenant(pool, 'default', (tx) =>
      listSealed(tx, 'default', { since: new Date(daysAgo(2)).toISOString() }, { pageSize: 10 }),
    );
    expect(listed.items.map(({ at }) => at)).toEqual([daysAgo(1)]);
  });

  it('stays where an entry was changed, and what was changed later is found', async () => {
    await holds(await installation(500));
    await fill();
    await age();
    await pool.query(`UPDATE history SET data = '{"n": 2}' WHERE number = 2`);
    expect(await verified()).toEqual({ entries: 1, broken: { entry: 2, because: 'changed' } });
    await pool.query(`UPDATE history SET data = '{}' WHERE number = 2`);
    expect((await verified()).broken).toBeUndefined();
    await pool.query(`UPDATE history_dropped SET number = number - 1`);
    expect((await verified()).broken).toMatchObject({ because: 'missing' });

    await facts.sql(`INSERT INTO tenants (id) VALUES ('second')`);
    await entries(Array.from({ length: 20 }, () => ({ tenantId: 'second' })));
    await sealAll();
    await pool.query(`UPDATE history SET data = '{"n": 3}' WHERE tenant_id = 'second' AND number = 7`);
    await age();
    expect(broken).toEqual([expect.stringContaining('the tenant "second" is broken at the entry 7')]);
    const left = await pool.query(`SELECT FROM history WHERE tenant_id = 'second'`);
    expect(left.rowCount).toBe(20);
  });
});

describe('A mistake in the code', () => {
  it('can remove neither an entry that may not go, nor an open installation', async () => {
    await installation(undefined);
    await entries([{}]);
    await seal(pool, fence);
    expect((await asService(pool, (tx) => tx.query('DELETE FROM history'))).rowCount).toBe(0);
    expect((await asService(pool, (tx) => tx.query('DELETE FROM installations'))).rowCount).toBe(0);
  });
});

describe('Years', () => {
  it('leave tables of the same size, month after month, once the retention is over', async () => {
    const counts: number[] = [];
    for (let month = 0; month < 20; month += 1) {
      const at = new Date(NOW + month * 30 * DAY).toISOString();
      const made = `'default', gen_random_uuid(), $1, $2, 'firmware', 'installed', '{}', repeat('ab', 32), $3, 'test', $3, $3`;
      await facts.sql(
        `WITH made AS (INSERT INTO installations (tenant_id, id, device_id, firmware_id, slot, state, policy, sha256, requested_at, requested_by, state_since, ended_at)
           SELECT ${made} FROM generate_series(1, 100) RETURNING id)
         INSERT INTO history (tenant_id, at, device_id, installation_id, event)
           SELECT 'default', $3, $1, id, e FROM made, unnest(ARRAY['requested', 'downloading', 'installed', 'online', 'offline']) AS e`,
        [device, firmwareId, at],
      );
      await sealAll();
      await toEnd(NOW + (month - 6) * 30 * DAY);
      const [row] = (
        await pool.query<{ n: number }>(
          'SELECT ((SELECT count(*) FROM installations) + (SELECT count(*) FROM history))::int AS n',
        )
      ).rows;
      counts.push(row!.n);
    }
    const later = counts.slice(9);
    expect(new Set(later).size).toBe(1);
    expect(await verified()).toEqual({ entries: 20 * 500 });
  }, 120_000);
});
