import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compareVersions } from '../../domain/artifact/versions.js';
import { filterFault } from '../../domain/fleet/filter.js';
import { printFilter } from '../../domain/fleet/filter-print.js';
import { seededRandom } from '../../agent/simulator/random.js';
import { listDevices } from '../../store/commands/devices.js';
import type { Pool } from '../../store/db/pool.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { filterTree } from '../domain/filter-arbitrary.js';
import { devicesBySeed, FilterDatabase, idsOf, matches, pageOf, uuid, WORDS, write } from './filtered-devices.js';

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 2_147_483_647);
const RUN_AGAIN = `FUZZ_SEED=${SEED} npm test -- test/store/device-filter`;
let database: FilterDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await FilterDatabase.create('device_filter');
  pool = database.pool;
});
afterAll(() => database.drop());

describe(`any filter on any devices (${RUN_AGAIN})`, () => {
  it('finds in PostgreSQL what its description says, in lists behind row-level security and in pages of a rollout, and nothing of another tenant', async () => {
    const random = seededRandom(SEED, 'devices');
    const devices = devicesBySeed(150, random);
    await write(pool, 'default', devices);
    await write(pool, 'other', devicesBySeed(50, random));
    await fc.assert(
      fc.asyncProperty(filterTree(WORDS), async (filter) => {
        const text = printFilter(filter);
        fc.pre(filterFault(text) === undefined);
        const wanted = idsOf(devices.filter((device) => matches(filter, device)));
        const list = await asTenant(pool, 'default', (tx) =>
          listDevices(tx, 'default', { filter: text }, { page: 0, pageSize: 200 }),
        );
        expect([text, idsOf(list.items)]).toEqual([text, wanted]);
        const page = await asService(pool, (tx) => pageOf(tx, text, null, 200));
        expect([text, page.rows.map((row) => row.id)]).toEqual([text, wanted]);
      }),
      { seed: SEED, numRuns: 400 },
    );
  });

  it('continues after a device has changed', async () => {
    const found = async (filter: string) =>
      (
        await asTenant(pool, 'default', (tx) => listDevices(tx, 'default', { filter }, { page: 0, pageSize: 100 }))
      ).items.map((device) => device.id);
    const id = uuid(5);
    const change = (set: string) =>
      asTenant(pool, 'default', (tx) =>
        tx.query(`UPDATE devices SET ${set} WHERE tenant_id = 'default' AND id = $1`, [id]),
      );
    await change(`tags = '{changed,also}', custom = '{"floor": 77, "site": "here"}', connected_by = '${uuid(0)}'`);
    expect(await found('tag==changed;tag==also;attribute.floor==77;site==here')).toEqual([id]);
    await change(`tags = '{other}', custom = NULL`);
    expect(await found('tag==changed,attribute.floor==77,site==here')).toEqual([]);
    expect(await found(`tag==other;site==${uuid(0)};attribute.floor!=*`)).toEqual([id]);
    await asTenant(pool, 'default', (tx) =>
      tx.query(`DELETE FROM devices WHERE tenant_id = 'default' AND id = $1`, [id]),
    );
    expect(
      (await pool.query(`SELECT FROM device_terms WHERE tenant_id = 'default' AND device_id = $1`, [id])).rowCount,
    ).toBe(0);
  });
});

describe('versions in PostgreSQL', () => {
  it('sort as they are compared elsewhere', async () => {
    const versions = [
      ...WORDS.versions,
      '0',
      '0.0.1',
      '1.4.0-1',
      '1.4.0-2',
      '1.4.0-10',
      '1.4.0-a',
      '1.4.0-a.1',
      '1.4.0-a-b',
      '1.4.0-A',
      '999999999.0.0',
      ' 1.4.1 ',
    ];
    const { rows } = await pool.query<{ version: string; key: string }>(
      `SELECT version, version_key(version) AS key FROM unnest($1::text[]) AS version`,
      [versions],
    );
    for (const a of rows) {
      for (const b of rows)
        expect([a.version, b.version, Math.sign(Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)))]).toEqual([
          a.version,
          b.version,
          Math.sign(compareVersions(a.version, b.version)!) + 0,
        ]);
    }
    for (const none of ['', 'latest', '1.2.3.4', '1.', '1234567890', 'v', '1.0.0-ä', '1.0.0\n2']) {
      expect(
        (await pool.query<{ key: string | null }>('SELECT version_key($1) AS key', [none])).rows[0]!.key,
      ).toBeNull();
      expect(compareVersions(none, none)).toBeUndefined();
    }
  });
});
