import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { LOGINS } from '../../store/db/process-logins.js';
import { ApiProcess } from '../api/api-process.js';
import { admin, run } from './admin.js';

const env: Record<string, string> = {};
let api: ApiProcess;
beforeAll(async () => {
  api = await ApiProcess.prepare('admin roles', env);
});
afterAll(async () => {
  await api.end();
  const { database } = await owned();
  for (const login of LOGINS) {
    const role = `"${database}_login_${login}"`;
    await run(api.database.url, `DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
  await api.remove();
});
const owned = async () => ({ database: new URL(api.database.url).pathname.slice(1, 41) });
const settingsIn = (said: string) =>
  Object.fromEntries([...said.matchAll(/^-- (\w+)=(\S+)$/gm)].map(([, name, value]) => [name!, value!]));
const statementsIn = (said: string) => said.replaceAll(/^--.*$/gm, '');

it('`slipway-admin roles` prints the SQL of the logins; with its settings the second wall of the API holds', async () => {
  const printed = await admin(['roles'], { DATABASE_URL: api.database.url });
  expect(printed.code).toBe(0);
  expect(printed.said).toMatch(/^-- For a user who may make roles:$/m);
  expect(Object.keys(settingsIn(printed.said)).sort()).toEqual([
    'DATABASE_URL',
    'SLIPWAY_DATABASE_URL_API',
    'SLIPWAY_DATABASE_URL_BRIDGE',
    'SLIPWAY_DATABASE_URL_ORCHESTRATOR',
  ]);
  // Nothing was made by that.
  const [before] = (await run(
    api.database.url,
    `SELECT count(*)::int AS made FROM pg_roles WHERE rolname LIKE '${(await owned()).database}_login_%'`,
  )) as [{ made: number }];
  expect(before.made).toBe(0);
  await run(api.database.url, statementsIn(printed.said));

  const created = await admin(['roles', '--create'], { DATABASE_URL: api.database.url });
  expect(created.said).toMatch(/^-- These statements were run:$/m);
  Object.assign(env, settingsIn(created.said));
  await api.start();
  const response = await api.fetch('GET', '/health/ready');
  const { dependencies } = (await response.json()) as { dependencies: Record<string, unknown> };
  expect([response.status, dependencies['database']]).toEqual([200, { status: 'up' }]);
}, 120_000);
