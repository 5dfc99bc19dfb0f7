import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { migrationNames } from '../../store/db/schema-fit.js';
import { admin, createEmptyDatabase, type EmptyDatabase } from './admin.js';

let database: EmptyDatabase;
beforeAll(async () => {
  database = await createEmptyDatabase('admin_migrate');
});
afterAll(() => database.drop());

it('`slipway-admin migrate` says what is to run, runs it, and then says that there is nothing to run', async () => {
  const names = await migrationNames();
  const run = (...args: string[]) => admin(['migrate', ...args], { DATABASE_URL: database.url });
  const checked = await run('--check');
  expect(checked.said.trim().split('\n')).toEqual([
    ...names.map((name) => `to run: ${name}`),
    `${names.length} migrations to run; nothing was changed.`,
  ]);
  expect(checked.code).toBe(2);
  const ran = await run();
  expect(ran.said.trim().split('\n')).toEqual([
    ...names.map((name) => `ran: ${name}`),
    `${names.length} migrations ran: the schema is up to date.`,
  ]);
  expect(ran.code).toBe(0);
  for (const args of [[], ['--check']])
    expect(await run(...args)).toEqual({ code: 0, said: 'The schema is up to date: nothing to run.\n' });
}, 120_000);
