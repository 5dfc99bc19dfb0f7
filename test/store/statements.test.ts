import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createTestDatabase } from '../support/database.js';
import { isWithoutRows, readSource, type QueryCall, type Source } from '../support/statements/calls.js';
import { compare } from '../support/statements/compare.js';
import { describeStatement, readCatalogue, type Catalogue } from '../support/statements/describe.js';
import { variantsOf, type Variant } from '../support/statements/evaluate.js';

const FOLDERS = ['store', 'api', 'bridge', 'activities', 'adapters', 'workers', 'cli', 'runtime', 'demo'];
/** It passes on what a transaction asks, and its text is every other's. */
const PASSES_ON = 'store/db/prepared.ts:';
/**
 * Only the catalogue knows the name of what the first reads, a sequence; the second runs the files of store/sql; the
 * third what it prints for people, names of roles and all.
 */
const ELSEWHERE = ['store/db/snapshot.ts:', 'store/db/migrate.ts:', 'store/db/process-logins.ts:'];

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let client: pg.Client;
let source: Source;
const statements: { call: QueryCall; variant: Variant }[] = [];
const notUnderstood: string[] = [];

beforeAll(async () => {
  database = await createTestDatabase('statements');
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  source = readSource(FOLDERS);
  for (const call of source.calls) {
    if (isWithoutRows(call.node) || call.place.startsWith(PASSES_ON)) continue;
    try {
      for (const variant of variantsOf(source, call.node)) statements.push({ call, variant });
    } catch (error) {
      notUnderstood.push(`${call.place}: ${(error as Error).message}`);
    }
  }
}, 180_000);
afterAll(async () => {
  await client.end();
  await database.drop();
});

/** Where the code and the database disagree, one line each, sorted. */
async function disagreements(): Promise<string[]> {
  const catalogue = await readCatalogue(client);
  const found = new Set<string>();
  for (const one of statements)
    for (const fault of await faultsOf(catalogue, one)) found.add(`${one.call.place}: ${fault}`);
  return [...found].sort();
}

async function faultsOf(catalogue: Catalogue, { call, variant }: (typeof statements)[number]): Promise<string[]> {
  try {
    return compare(source, call, variant, await describeStatement(client, catalogue, variant.text));
  } catch (error) {
    return [(error as Error).message];
  }
}

describe('Every SQL statement of the product', () => {
  it('has a text that can be worked out before it runs', () => {
    expect(notUnderstood.filter((message) => !ELSEWHERE.some((file) => message.startsWith(file)))).toEqual([]);
    expect(statements.length).toBeGreaterThan(300);
  });

  it('is parsed by PostgreSQL, and its row type says what PostgreSQL says of its columns', async () => {
    expect(await disagreements()).toEqual([]);
  });

  it('no longer agrees once the schema changes: a column renamed, nullable, of another type, with one more value', async () => {
    await client.query('ALTER TABLE leases RENAME COLUMN epoch TO term');
    await client.query('ALTER TABLE webhooks ALTER COLUMN url DROP NOT NULL');
    await client.query('ALTER TABLE api_keys ALTER COLUMN name TYPE jsonb USING to_jsonb(name)');
    await client.query('ALTER TABLE webhook_deliveries DROP CONSTRAINT webhook_deliveries_state_check');
    await client.query(
      `ALTER TABLE webhook_deliveries ADD CHECK (state = ANY (ARRAY['pending', 'delivered', 'failed', 'skipped']))`,
    );
    const found = (await disagreements()).map((line) => line.replace(/:\d+: /, ': '));
    expect(found).toEqual(
      expect.arrayContaining([
        'store/db/leases.ts: column "epoch" does not exist',
        'store/history/webhooks.ts: "url" can be null, which string lacks',
        'store/db/api-keys.ts: "name" is jsonb, not string',
        `store/history/webhooks.ts: "state" can be 'skipped', which "pending" | "failed" | "delivered" lacks`,
      ]),
    );
  });
});
