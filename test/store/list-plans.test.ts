import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { DEFAULT_POLICY } from '../../domain/installation/policy.js';
import { listDevices } from '../../store/commands/devices.js';
import { listRollouts } from '../../store/commands/rollouts.js';
import type { PageRequest } from '../../store/db/page.js';
import { openPool, type Pool, type Tx } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';
import { listFirmwares } from '../../store/fleet/firmwares.js';
import { listDeviceTypes } from '../../store/fleet/types.js';
import { listSealed } from '../../store/history/live-events.js';
import { listInstallations } from '../../store/installations/views.js';
import { listTemplates } from '../../store/rollouts/templates.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { planOf } from '../support/rollout-plan.js';
import { uuid } from './filtered-devices.js';

const COUNT = 20_000;
/** Of 20,000 entries, one a minute before this. */
const NOW = '2026-11-24T10:00:00Z';
const AGE = { lifetimeMs: 300_000, now: Date.parse(NOW) };

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('list_plans');
  pool = openPool({ databaseUrl: database.url, name: 'test', max: 2 });
  // Without the service's deadline for a statement: on a busy machine this takes longer.
  const patient = new pg.Client({ connectionString: database.url });
  await patient.connect();
  const fill = (sql: string, ...values: unknown[]) => patient.query(sql, values);
  try {
    await fill(`INSERT INTO tenants (id) VALUES ('other') ON CONFLICT DO NOTHING`);
    const n = `generate_series(1, ${COUNT}) AS n`;
    const id = `('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid`;
    const of = (count: number) => `('00000000-0000-4000-8000-' || lpad((n % ${count} + 1)::text, 12, '0'))::uuid`;
    const at = `'${NOW}'::timestamptz - n * interval '1 minute'`;
    await fill(
      `INSERT INTO device_types (tenant_id, id, name, created_at) SELECT 'default', ${id}, 'type ' || n, ${at} FROM ${n}`,
    );
    await fill(
      `INSERT INTO firmwares (tenant_id, id, name, version, state, sha256, size, created_by, created_at, content_type)
       SELECT 'default', ${id}, 'firmware ' || n, '1.' || n || '.0', 'ready', md5(n::text) || md5(n::text), 1, 'key:x', ${at}, 'a/b' FROM ${n}`,
    );
    await fill(
      `INSERT INTO devices (tenant_id, id, device_type_id, name, created_at) SELECT 'default', ${id}, ${of(50)}, 'device ' || n, ${at} FROM ${n}`,
    );
    await fill(
      `INSERT INTO installations (tenant_id, id, device_id, firmware_id, slot, state, policy, sha256, requested_at, requested_by, state_since, ended_at)
       SELECT 'default', ${id}, ${id}, ${of(400)}, 'firmware', CASE WHEN n % 500 = 0 THEN 'failed' ELSE 'installed' END, $1, md5(n::text), ${at}, 'key:x', ${at}, ${at} FROM ${n}`,
      JSON.stringify(DEFAULT_POLICY),
    );
    await fill(
      `INSERT INTO rollouts (tenant_id, id, name, plan, phase, created_by, created_at, updated_at) SELECT 'default', ${id}, 'rollout ' || n, $1, 'draft', 'key:x', ${at}, ${at} FROM ${n}`,
      JSON.stringify(planOf()),
    );
    await fill(
      `INSERT INTO rollout_templates (tenant_id, id, plan, created_by, created_at) SELECT 'default', ${id}, jsonb_build_object('name', 'template ' || n), 'key:x', ${at} FROM ${n}`,
    );
    await fill(
      `INSERT INTO history (tenant_id, at, device_id, event, data)
       SELECT 'default', ${at}, ${of(1_000)}, CASE WHEN n % 1000 = 0 THEN 'pause' ELSE 'installed' END,
         jsonb_build_object('by', CASE WHEN n % 1000 = 0 THEN 'operator:key:x' ELSE 'device:' || n END) FROM ${n} ORDER BY n DESC`,
    );
    await fill(`UPDATE history SET number = entry, hash = '\\x00'`);
    await fill('VACUUM ANALYZE');
  } finally {
    await patient.end();
  }
}, 300_000);
afterAll(async () => {
  await pool.end();
  await database.drop();
});

/** A node of EXPLAIN (FORMAT JSON), as far as it is read. */
interface Node {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Node[];
}
const flat = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(flat)];

/** What the page's own statement reads: the one with OFFSET and ORDER BY. */
async function pageOf(work: (tx: Tx) => Promise<{ items: unknown[] }>): Promise<{ items: number; nodes: Node[] }> {
  const nodes: Node[] = [];
  const items = await asTenant(pool, 'default', async (tx) => {
    const watched: Tx = {
      query: (async (text: string, values: unknown[]) => {
        if (/\bORDER BY\b[^)]*\bOFFSET\b/.test(text)) {
          const { rows } = await tx.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
            `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
            values,
          );
          nodes.push(...flat(rows[0]!['QUERY PLAN'][0].Plan));
        }
        return tx.query(text, values);
      }) as unknown as Tx['query'],
    };
    return (await work(watched)).items.length;
  });
  return { items, nodes };
}

type Read = (tx: Tx, page: PageRequest) => Promise<{ items: unknown[]; nextCursor: string | undefined }>;
const firmwares =
  (filter: Parameters<typeof listFirmwares>[2]): Read =>
  (tx, page) =>
    listFirmwares(tx, 'default', filter, page, AGE);
const installations =
  (filter: Parameters<typeof listInstallations>[2]): Read =>
  (tx, page) =>
    listInstallations(tx, 'default', filter, page);
const events =
  (filter: Parameters<typeof listSealed>[2], newestFirst = true): Read =>
  (tx, { pageSize, cursor }) =>
    listSealed(tx, 'default', filter, { pageSize, newestFirst, ...(cursor === undefined ? {} : { cursor }) });
const sorted = (text: string): Partial<PageRequest> => ({
  sort: { by: text.replace('-', ''), descending: text.startsWith('-') },
});
const DAY = { since: '2026-11-18T00:00:00Z', until: '2026-11-19T00:00:00Z' };

/** Rows that a page of twenty may read: what it shows, and what an index on another field finds beside it. */
const MOST_ROWS = 2_500;

describe('a page of a list of 20,000', () => {
  const cases: [string, number, Read, Partial<PageRequest>?][] = [
    ['devices by name', 20, (tx, page) => listDevices(tx, 'default', {}, page), sorted('name')],
    ['devices by name, backwards', 20, (tx, page) => listDevices(tx, 'default', {}, page), sorted('-name')],
    ['devices, oldest first', 20, (tx, page) => listDevices(tx, 'default', {}, page), sorted('createdAt')],
    ['devices of a day', 20, (tx, page) => listDevices(tx, 'default', {}, page), DAY],
    ['device types by name', 20, (tx, page) => listDeviceTypes(tx, 'default', {}, page), sorted('name')],
    [
      'device types of a name',
      1,
      (tx, page) => listDeviceTypes(tx, 'default', { name: ['type 777'] }, page),
      sorted('name'),
    ],
    ['rollouts by name', 20, (tx, page) => listRollouts(tx, 'default', {}, page), sorted('-name')],
    ['templates by name', 20, (tx, page) => listTemplates(tx, 'default', undefined, page), sorted('name')],
    ['firmwares by name', 20, firmwares({}), sorted('name')],
    ['firmwares of a name', 1, firmwares({ name: ['firmware 4242'] })],
    ['firmwares whose name begins so', 11, firmwares({ name: ['firmware 424*', 'firmware 77777*'] })],
    ['firmwares of a version', 1, firmwares({ version: ['1.4242.0'] })],
    ['firmwares of a hash', 0, firmwares({ sha256: ['00'.repeat(32)] })],
    ['firmwares that are ready, by name', 20, firmwares({ state: ['ready'] }), sorted('name')],
    ['installations of a firmware', 20, installations({ firmwareId: [uuid(7)] })],
    ['installations of a device', 1, installations({ deviceId: [uuid(7)] })],
    ['failed installations of a firmware', 10, installations({ firmwareId: [uuid(1)], state: ['failed'] })],
    ['installations, last ended first', 20, installations({}), sorted('-endedAt')],
    [
      'installations that ended on a day',
      20,
      installations({ endedSince: DAY.since, endedUntil: DAY.until }),
      sorted('endedAt'),
    ],
    ['installations that ended since', 20, installations({ endedSince: '2026-11-24T09:00:00Z' })],
    ['installations that were requested on a day', 20, installations({}), DAY],
    ['events, newest first', 20, events({})],
    ['events of one name', 20, events({ event: ['pause'] })],
    ['events of one name, oldest first', 20, events({ event: ['pause'] }, false)],
    ['events of one actor', 20, events({ by: ['operator:key:x'] })],
    ['events of a device', 20, events({ deviceId: [uuid(7)] })],
    ['events of a device of one name', 0, events({ deviceId: [uuid(7)], event: ['pause'] })],
    ['events of a rollout', 0, events({ rolloutId: [uuid(7)] })],
    ['events of a day', 20, events(DAY)],
    ['events since a time, oldest first', 20, events({ since: '2026-11-24T00:00:00Z' }, false)],
    ['events before a time', 20, events({ until: '2026-11-12T00:00:00Z' })],
    ['events of one name on a day', 2, events({ ...DAY, event: ['pause'] })],
  ];

  it.each(cases)('%s reads what it shows, and little more', async (_, items, read, page = {}) => {
    const first = await pageOf((tx) => read(tx, { page: 0, pageSize: 20, ...page }));
    expect(first.items).toBe(items);
    const touched = first.nodes.map((node) => ({
      node: `${node['Node Type']} ${node['Index Name'] ?? node['Relation Name'] ?? ''}`,
      rows: (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'],
    }));
    expect(touched.filter(({ rows }) => rows > MOST_ROWS)).toEqual([]);
  });

  it.each(cases)('%s: the next page too', async (_, items, read, page = {}) => {
    const { nextCursor } = await asTenant(pool, 'default', (tx) => read(tx, { page: 0, pageSize: 20, ...page }));
    expect(nextCursor === undefined).toBe(items < 20 || nextCursor === undefined);
    if (nextCursor === undefined) return;
    const next = await pageOf((tx) => read(tx, { page: 0, pageSize: 20, ...page, cursor: nextCursor }));
    const rows = next.nodes.map(
      (node) => (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'],
    );
    expect(Math.max(...rows)).toBeLessThanOrEqual(MOST_ROWS);
  });
});

describe('the number of the history before a time', () => {
  const before = async (time: string, tenant = 'default') =>
    asTenant(pool, tenant, async (tx) => {
      const { rows } = await tx.query<{ number: string }>(`SELECT history_number_before($1, $2) AS number`, [
        tenant,
        time,
      ]);
      return Number(rows[0]!.number);
    });

  it.each([
    ['2000-01-01T00:00:00Z', 0],
    ['2026-11-24T09:59:00Z', COUNT - 1],
    ['2026-11-24T09:59:00.000001Z', COUNT],
    ['2026-11-24T09:58:30Z', COUNT - 1],
    ['2036-01-01T00:00:00Z', COUNT],
  ])('%s is %d', async (time, number) => {
    expect(await before(time)).toBe(number);
  });

  it('is 0 where a tenant has no history', async () => {
    expect(await before(NOW, 'other')).toBe(0);
  });
});
