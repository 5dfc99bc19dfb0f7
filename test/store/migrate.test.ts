import { afterEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { migrate } from '../../store/db/migrate.js';
import { migrationNames, misfit, readSchema } from '../../store/db/schema-fit.js';
import { createTestDatabase } from '../support/database.js';

const opened: { end: () => Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.end();
});

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'a test that holds a table' });
  await client.connect();
  opened.push(client);
  return client;
}

async function databaseOf(upTo?: string): Promise<string> {
  const database = await createTestDatabase('migrate', upTo);
  opened.push({ end: () => database.drop() });
  return database.url;
}

/** The one after it changes a table that has been there from the start. */
const BEFORE = '0034-who-said-it';
const AFTER = '0035-when-it-acts';

describe('A process', () => {
  const known = ['0001-a', '0002-b'];
  it.each([
    ['runs on the schema that it knows', known, [], undefined],
    ['runs on a newer one that only added', [...known, '0003-c'], [], undefined],
    [
      'runs on one that removed what it does not use',
      [...known, '0003-c'],
      [{ migration: '0003-c', least: '0002-b', because: 'x is gone' }],
      undefined,
    ],
    ['needs a schema at all', [], [], 'the database has no schema yet: run "slipway-admin migrate" (docs/upgrade.md)'],
    [
      'needs all migrations that it knows',
      ['0001-a'],
      [],
      'the database schema is too old for this version: it ends with "0001-a" and lacks "0002-b". Run "slipway-admin migrate" of this version (docs/upgrade.md)',
    ],
    [
      'does not run on one that removed what it uses',
      [...known, '0003-c', '0004-d'],
      [{ migration: '0004-d', least: '0003-c', because: 'the column y is gone' }],
      'the database schema is too new for this version: by "0004-d" the column y is gone, so that a version is needed that knows "0003-c". Start a newer version, or restore a backup (docs/upgrade.md)',
    ],
  ])('%s', (_title, applied, needs, said) => {
    expect(misfit(known, { applied, needs })).toBe(said);
  });
});

describe('A migration', () => {
  it('says which ran, and nothing where there is nothing to do', async () => {
    const url = await databaseOf(BEFORE);
    const names = await migrationNames();
    expect(await migrate(url)).toEqual(names.slice(names.indexOf(AFTER)));
    expect(await migrate(url)).toEqual([]);
  });

  it('runs once, however many processes begin at the same moment, also on an empty database', async () => {
    const url = await databaseOf(BEFORE);
    const names = await migrationNames();
    const ran = await Promise.all([migrate(url), migrate(url), migrate(url)]);
    expect(ran.flat().sort()).toEqual(names.slice(names.indexOf(AFTER)));
    expect((await readSchema(await connect(url))).applied).toEqual(names);
  });

  it('leaves the schema of a newer version alone, which an older one can use, and says where it cannot', async () => {
    const url = await databaseOf();
    const client = await connect(url);
    await client.query(`INSERT INTO kysely_migration VALUES ('9998-later', now()::text)`);
    expect(await migrate(url)).toEqual([]);
    await client.query(`INSERT INTO schema_needs VALUES ('9998-later', '9997-before', 'the column z is gone')`);
    await expect(migrate(url)).rejects.toThrow('the database schema is too new for this version: by "9998-later"');
  });

  it('is refused where another line of versions has gone on from an older schema', async () => {
    const url = await databaseOf(BEFORE);
    const client = await connect(url);
    await client.query(`INSERT INTO kysely_migration VALUES ('9998-later', now()::text)`);
    await expect(migrate(url)).rejects.toThrow(
      `the database is of another line of Slipway: its schema has "9998-later", but not "${AFTER}"`,
    );
  });

  it('waits for a table that is in use without keeping others from it, and runs when it is free', async () => {
    const url = await databaseOf(BEFORE);
    const [holder, other] = [await connect(url), await connect(url)];
    await holder.query('BEGIN; SELECT FROM rollouts');
    const migrating = migrate(url, undefined, { lockMs: 100, pauseMs: 200 });
    await other.query(`SET statement_timeout = '15s'`);
    // More often than it tries: some of these come while it waits.
    for (let asked = 0; asked < 40; asked += 1) {
      await other.query('SELECT FROM rollouts');
      await other.query('SELECT pg_sleep(0.02)');
    }
    expect((await readSchema(other)).applied.at(-1)).toBe(BEFORE);
    await holder.query('COMMIT');
    expect((await migrating)[0]).toBe(AFTER);
  });

  it('gives up in the end, with a sentence that names who holds the table', async () => {
    const url = await databaseOf(BEFORE);
    const holder = await connect(url);
    await holder.query('BEGIN; SELECT FROM rollouts');
    await expect(migrate(url, undefined, { lockMs: 50, pauseMs: 50, giveUpMs: 300 })).rejects.toThrow(
      /\(0035-when-it-acts\): canceling statement due to lock timeout\. The oldest open transaction is that of process \d+ of PostgreSQL \("a test that holds a table"\), for \d+ s: end it, or wait for it, and run this again/,
    );
  });
});
