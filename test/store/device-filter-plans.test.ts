import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { parseFilter } from '../../domain/fleet/filter.js';
import { listDevices } from '../../store/commands/devices.js';
import type { Pool, Tx } from '../../store/db/pool.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { FilterDatabase, pageOf, TYPES, uuid } from './filtered-devices.js';

let database: FilterDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await FilterDatabase.create('device_filter_plans');
  pool = database.pool;
});
afterAll(() => database.drop());

/** A node of EXPLAIN (FORMAT JSON), as far as it is read. */
interface Node {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Cond'?: string;
  'Index Name'?: string;
  Plans?: Node[];
}

/** Tables that grow with the fleet. Others may be read as a whole. */
const LARGE = ['devices', 'device_terms', 'device_slots'];
const scansOf = (nodes: readonly Node[]): string[] =>
  nodes
    .filter((node) => node['Node Type'] === 'Seq Scan')
    .map((node) => node['Relation Name']!)
    .filter((name) => LARGE.includes(name));

const flat = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(flat)];

describe('on 20,000 devices', () => {
  const COUNT = 20_000;
  beforeAll(async () => {
    // Every row is looked at, also by autovacuum: with a sample, plans would differ from run to run.
    await pool.query(`ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET default_statistics_target = 1000`);
    // Without the service's deadline for a statement: on a busy machine this takes longer.
    const patient = new pg.Client({ connectionString: database.url });
    await patient.connect();
    try {
      await patient.query(`DELETE FROM device_slots`);
      await patient.query(`DELETE FROM devices`);
      await patient.query(
        `INSERT INTO devices (tenant_id, id, device_type_id, name, tags, connected_by, custom, online, last_seen_at, created_at)
         SELECT 'default', ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, CASE WHEN n % 1000 = 7 THEN $2::uuid ELSE $1::uuid END, 'switch-' || lpad(n::text, 6, '0'),
           ARRAY['all', 'of-' || n % 500], CASE WHEN n > 200 AND n % 2 = 0 THEN ('00000000-0000-4000-8000-' || lpad((n % 200)::text, 12, '0'))::uuid END,
           jsonb_build_object('floor', n % 700, 'serial', 'S' || n), n % 400 = 3, now() - n * interval '1 minute', now() - n * interval '7 seconds' FROM generate_series(0, $3 - 1) AS n`,
        [TYPES[0]!.id, TYPES[1]!.id, COUNT],
      );
      await patient.query('ANALYZE');
      await patient.query(
        `INSERT INTO device_slots (tenant_id, device_id, slot, version) SELECT tenant_id, id, slot, '1.' || (right(id::text, 6)::integer % 300) || '.0' FROM devices, unnest(ARRAY['firmware', 'bootloader']) AS slot`,
      );
      await patient.query('VACUUM ANALYZE');
    } finally {
      await patient.end();
    }
  });

  /** Plans of the list behind row-level security, and of the first and of a later page of a rollout. */
  async function plansOf(filter: string): Promise<Node[][]> {
    const plans: Node[][] = [];
    const explaining = (tx: Tx): Tx => ({
      query: (async (text: string, values: unknown[]) => {
        const { rows } = await tx.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(`EXPLAIN (FORMAT JSON) ${text}`, values);
        plans.push(flat(rows[0]!['QUERY PLAN'][0].Plan));
        return { rows: [] };
      }) as unknown as Tx['query'],
    });
    await asTenant(pool, 'default', (tx) =>
      listDevices(explaining(tx), 'default', { filter }, { page: 0, pageSize: 20 }),
    );
    await asService(pool, (tx) => pageOf(explaining(tx), filter, null, 1_000));
    await asService(pool, (tx) => pageOf(explaining(tx), filter, uuid(15_000), 1_000));
    return plans;
  }

  it.each([
    [`id==${uuid(4_242)}`, /\bid =/],
    ['name==switch-004242', /\bname = /],
    ['name==switch-0042*', /\bname ~>=~ .*name ~<~/],
    ['name=in=(switch-004242,switch-00434*)', /\bname /],
    [`deviceType==${TYPES[1]!.id}`, /device_type_id = ANY/],
    ['tag==of-17', /\bvalue = /],
    ['tag==of-177*', /\bvalue ~>=~/],
    [`connectedBy==${uuid(42)}`, /connected_by = ANY/],
    [`site==${uuid(42)}`, /\bvalue = /],
    ['attribute.floor==123', /\bvalue = /],
    ['attribute.serial==S123*', /\bvalue ~>=~/],
    ['slot.firmware.version==1.42.0', /\bversion = /],
    ['slot.firmware.version==1.42*', /\bversion ~>=~/],
    ['slot.firmware.version=ge=1.299.0', /version_key >= /],
    // The partial index of those that are online has no condition of its own.
    ['online==true', /\bonline = true|devices_online_by_hour/],
    ['custom.floor>=698', /\bfield = /],
    [`createdAt=gt=${new Date(Date.now() - 3_600_000).toISOString()}`, /created_at > /],
    [`lastSeenAt=gt=${new Date(Date.now() - 3_600_000).toISOString()}`, /last_seen_hour >= /],
    ['name=in=(switch-004242,switch-00424*);tag==all;online==false', /\bname /],
  ])('%s is answered from an index, in lists and in pages', async (filter, condition) => {
    for (const nodes of await plansOf(filter)) {
      expect(scansOf(nodes)).toEqual([]);
      expect(nodes.map((node) => `${node['Index Name'] ?? ''} ${node['Index Cond'] ?? ''}`).join('; ')).toMatch(
        condition,
      );
    }
  });

  it.each([
    'deviceType==LS-2*',
    'deviceType.name==nothing',
    'name==*4242',
    'tag!=of-17',
    'tag==all',
    'slot.firmware.version!=1.42.0',
    'attribute.floor==*2*',
    'lastSeenAt!=*',
    'tag==of-17,name==switch-0042*',
    `connectedBy==*`,
  ])('%s, which no index narrows down, takes less than 300 ms', async (filter) => {
    expect(parseFilter(filter)).toHaveProperty('filter');
    const times: number[] = [];
    for (let turn = 0; turn < 20 && !(Math.min(...times) < 300); turn += 1) {
      const began = performance.now();
      await asTenant(pool, 'default', (tx) => listDevices(tx, 'default', { filter }, { page: 0, pageSize: 20 }));
      await asService(pool, (tx) => pageOf(tx, filter, uuid(15_000), 1_000));
      times.push(performance.now() - began);
    }
    // The fastest of twenty at most: the machine may be busy with other things.
    expect(Math.min(...times)).toBeLessThan(300);
  });

  it.each([
    [{ tag: ['of-17'] }, /\bvalue = /],
    [{ name: ['switch-004242'] }, /\bname = /],
    [{ name: ['switch-004242', 'switch-00434*'] }, /\bname /],
  ])('the comma list %j too', async (filter, condition) => {
    const plans: Node[] = [];
    await asTenant(pool, 'default', (tx) =>
      listDevices(
        {
          query: (async (text: string, values: unknown[]) => {
            const { rows } = await tx.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
              `EXPLAIN (FORMAT JSON) ${text}`,
              values,
            );
            plans.push(...flat(rows[0]!['QUERY PLAN'][0].Plan));
            return { rows: [] };
          }) as unknown as Tx['query'],
        },
        'default',
        filter,
        { page: 0, pageSize: 20 },
      ),
    );
    expect(scansOf(plans)).toEqual([]);
    expect(plans.map((node) => node['Index Cond'] ?? '').join('; ')).toMatch(condition);
  });
});
