import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { holdLease, releaseLease } from '../../store/db/leases.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { createTestDatabase } from '../support/database.js';
import { until } from '../support/until.js';
import { startApi, type ApiUnderTest } from './api-under-test.js';

const reasons: Record<string, string | undefined> = {};
const asked: Record<string, number> = {};
let ending = false;
const part = (name: string, decides: boolean) => ({
  name,
  decides,
  check: async () => ((asked[name] = (asked[name] ?? 0) + 1), reasons[name]),
});

let database: Awaited<ReturnType<typeof createTestDatabase>>;
/** Of the API alone, so that what it asks of PostgreSQL can be counted. */
let pool: Pool;
let api: ApiUnderTest;
beforeAll(async () => {
  database = await createTestDatabase('api_health');
  pool = openPool({ databaseUrl: database.url, name: 'health-test', max: 4 });
  api = await startApi('api_health_own', {
    services: { pool },
    parts: [part('schema', true), part('temporal', false), { name: 'moon', unknown: 'too far away' }],
    isEnding: () => ending,
  });
});
afterAll(async () => {
  await api.close();
  await pool.end();
  await database.drop();
});

const ready = (query = '') => api.call('GET', `/health/ready${query}`, undefined, { authorization: '' });
/** The answers are kept for a second. */
const readyWith = (name: string, status: string) =>
  until(`${name} is ${status}`, async () => {
    const reply = await ready();
    return reply.body.dependencies[name]?.status === status && reply;
  });

describe('GET /health/ready', () => {
  it('names every part as up, down or not known; database, schema and blobs alone decide', async () => {
    const { status, body } = await ready();
    expect([status, body.status]).toEqual([200, 'ready']);
    expect(body.dependencies).toEqual({
      database: { status: 'up' },
      blobs: { status: 'up' },
      bridge: { status: 'down', reason: 'no bridge holds the lease: reports of devices wait in the broker' },
      orchestrator: { status: 'down', reason: 'no orchestrator holds the lease: installations do not go on' },
      mqtt: { status: 'not known', reason: 'only the bridge knows, and that is not up' },
      schema: { status: 'up' },
      temporal: { status: 'up' },
      moon: { status: 'not known', reason: 'too far away' },
    });
    const all = await ready('?all=true');
    expect([all.status, all.body.status, all.body.dependencies]).toEqual([503, 'unready', body.dependencies]);
    expect((await ready('?all=false')).status).toBe(200);
  });

  it('is 503 where a part that decides is down, and 200 where it is another', async () => {
    for (const lease of ['bridge', 'orchestrator']) await holdLease(pool, lease, 'one', 60_000);
    reasons['temporal'] = 'does not answer';
    const other = await readyWith('temporal', 'down');
    expect([other.status, other.body.dependencies.temporal.reason]).toEqual([200, 'does not answer']);
    expect(other.body.dependencies).toMatchObject({ bridge: { status: 'up' }, mqtt: { status: 'down' } });
    reasons['schema'] = 'is being brought up to date';
    expect((await readyWith('schema', 'down')).status).toBe(503);
    reasons['schema'] = reasons['temporal'] = undefined;
    expect((await readyWith('schema', 'up')).status).toBe(200);
    await releaseLease(pool, 'bridge', 'one');
    await readyWith('bridge', 'down');
  });

  it('is 503 from the moment at which the process ends, kept answer or not', async () => {
    expect((await ready()).status).toBe(200);
    ending = true;
    const { status, body } = await ready();
    expect([status, body.status, body.reason]).toEqual([503, 'unready', 'this process is shutting down']);
    expect(Object.keys(body.dependencies)).toContain('database');
    expect((await api.call('GET', '/health/live')).status).toBe(200);
    ending = false;
  });
});

describe('Many who ask for health and metrics', () => {
  it.each([
    ['/health/ready', 4],
    ['/metrics', 6],
  ])('cost the database no more than one, once a second: %s', async (path, once) => {
    const began = performance.now();
    const before = { ...asked };
    let taken = 0;
    const count = () => void (taken += 1);
    pool.on('acquire', count);
    for (let round = 0; round < 20; round += 1)
      await Promise.all(Array.from({ length: 20 }, () => fetch(api.url + path).then((reply) => reply.arrayBuffer())));
    pool.off('acquire', count);
    // A slow machine takes more than one second for them.
    const seconds = Math.floor((performance.now() - began) / 1_000) + 2;
    expect(taken).toBeLessThanOrEqual(once * seconds);
    expect(asked['schema']! - before['schema']!).toBeLessThanOrEqual(seconds);
  });
});

describe('A part that hangs', () => {
  it('is down, and is not asked again while its answer is waited for', async () => {
    let questions = 0;
    let answer: (reason: undefined) => void = () => undefined;
    const slow = { name: 'slow', check: () => ((questions += 1), new Promise<undefined>((then) => (answer = then))) };
    const other = await startApi('api_health_hangs', { parts: [slow] });
    try {
      const look = async () => {
        const { body } = await other.call('GET', '/health/ready');
        return body.dependencies.slow as { status: string; reason?: string };
      };
      expect(await look()).toEqual({ status: 'down', reason: 'no answer within 1500 ms' });
      await until('two more looks', async () => {
        const before = performance.now();
        await look();
        // One that was not answered from memory.
        return performance.now() - before > 1_000;
      });
      expect(questions).toBe(1);
      answer(undefined);
      await until('it is asked again', async () => {
        const asking = look();
        setTimeout(() => answer(undefined), 500);
        return (await asking).status === 'up';
      });
    } finally {
      await other.close();
    }
  });
});
