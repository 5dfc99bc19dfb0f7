import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createTestDatabase } from '../support/database.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let client: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase('schema');
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

const lines = async (sql: string): Promise<string[]> =>
  (await client.query<{ line: string }>(sql)).rows.map((row) => row.line);

/**
 * What PostgreSQL says of itself after all migrations, the same on each version: names of NOT NULL constraints, which
 * are new in 18, are left out.
 */
async function dump(): Promise<string> {
  const tables = await lines(
    `SELECT relname AS line FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'kysely_%' ORDER BY 1`,
  );
  const parts = await Promise.all(
    tables.map(async (table) =>
      [
        `CREATE TABLE ${table} (`,
        ...(await lines(`SELECT '  ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
        || CASE WHEN a.attidentity <> '' THEN ' GENERATED ALWAYS AS IDENTITY' ELSE coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') END AS line
      FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      WHERE a.attrelid = '${table}'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`)),
        ...(await lines(
          `SELECT '  CONSTRAINT ' || conname || ' ' || pg_get_constraintdef(oid) AS line FROM pg_constraint WHERE conrelid = '${table}'::regclass AND contype <> 'n' ORDER BY conname`,
        )),
        ');',
        ...(await lines(
          `SELECT indexdef || ';' AS line FROM pg_indexes WHERE tablename = '${table}' AND indexname NOT IN (SELECT conname FROM pg_constraint) ORDER BY indexname`,
        )),
        ...(await lines(
          `SELECT 'POLICY ' || policyname || ' ON ${table} TO ' || array_to_string(roles, ', ') || ' USING ' || qual AS line FROM pg_policies WHERE tablename = '${table}' ORDER BY policyname`,
        )),
        ...(await lines(`SELECT 'GRANT ' || string_agg(privilege_type, ', ' ORDER BY privilege_type) || ' TO ' || grantee AS line FROM information_schema.role_table_grants
      WHERE table_name = '${table}' AND grantee LIKE 'slipway_%' GROUP BY grantee ORDER BY grantee`)),
      ].join('\n'),
    ),
  );
  return `-- What the migrations make, as PostgreSQL describes it: to be read, never run. UPDATE_SCHEMA=1 npm test -- test/store/schema writes it anew.\n\n${parts.join('\n\n')}\n`;
}

describe('The schema', () => {
  it('is what store/schema.sql shows: a migration that changes it shows in the diff', async () => {
    const now = await dump();
    if (process.env['UPDATE_SCHEMA'] === '1') writeFileSync('store/schema.sql', now);
    expect(now).toBe(readFileSync('store/schema.sql', 'utf8'));
  });

  it('changes rows as the service only: row-level security hides them from an owner who inherits nothing', () => {
    const faults = readdirSync('store/sql').flatMap((file) => {
      const statements = readFileSync(`store/sql/${file}`, 'utf8')
        .replaceAll(/\$\$[\s\S]*?\$\$/g, '')
        .replaceAll(/--.*$/gm, '')
        .split(';')
        .map((one) => one.trim());
      let role = '';
      return statements.flatMap((one) => {
        if (/^SET LOCAL ROLE/.test(one)) role = one;
        if (/^RESET ROLE/.test(one)) role = '';
        const isOfRows = /^(UPDATE|DELETE FROM|WITH)\b|^INSERT INTO[\s\S]*\bSELECT\b/.test(one);
        return isOfRows && role !== 'SET LOCAL ROLE slipway_worker' ? [`${file}: ${one.slice(0, 60)}`] : [];
      });
    });
    expect(faults).toEqual([]);
  });
});
