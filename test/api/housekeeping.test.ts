import { existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { Housekeeping } from '../../api/housekeeping.js';
import { until } from '../support/until.js';
import { ApiProcess } from './api-process.js';

describe('the API process', () => {
  let api: ApiProcess;
  beforeAll(async () => (api = await ApiProcess.prepare('api_housekeeping')));
  afterAll(() => api.remove());

  it('writes down that a firmware without a blob expired, forgets old Idempotency-Keys, and removes what an upload left behind whose process died', async () => {
    const state = async (name: string) =>
      (await api.pool.query<{ state: string }>('SELECT state FROM firmwares WHERE name = $1', [name])).rows[0]?.state;
    await api.pool.query(
      `INSERT INTO firmwares (tenant_id, id, name, created_by, created_at) VALUES ('default', gen_random_uuid(), 'old', 'test', now() - interval '6 minutes'), ('default', gen_random_uuid(), 'new', 'test', now())`,
    );
    await api.pool.query(
      `INSERT INTO idempotency_keys (tenant_id, key, fingerprint, status, body, created_at) VALUES ('default', 'old', '', 201, '{}', now() - interval '25 hours'), ('default', 'new', '', 201, '{}', now())`,
    );
    const incoming = join(api.folder, 'blobs', 'incoming');
    mkdirSync(incoming, { recursive: true });
    for (const name of ['old', 'new']) writeFileSync(join(incoming, name), 'part of a firmware');
    const twoHoursAgo = Date.now() / 1000 - 7_200;
    utimesSync(join(incoming, 'old'), twoHoursAgo, twoHoursAgo);
    await api.start();
    await until('the old draft is expired', async () => (await state('old')) === 'expired');
    await until(
      'the old key is gone',
      async () => (await api.pool.query(`SELECT FROM idempotency_keys`)).rowCount === 1,
    );
    await until('the old part is gone', () => !existsSync(join(incoming, 'old')));
    expect([await state('new'), existsSync(join(incoming, 'new'))]).toEqual(['draft', true]);
  });
});

describe('housekeeping', () => {
  it('continues after a failure, says so, and waits at its end for what is under way', async () => {
    const lines: string[] = [];
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
    let runs = 0;
    let done = 0;
    const housekeeping = new Housekeeping(
      [
        {
          name: 'sweeping',
          everyMs: 5,
          run: async () => {
            runs += 1;
            if (runs === 1) throw new Error('the broom broke');
            await new Promise((resolve) => setTimeout(resolve, 20));
            done += 1;
            return 1;
          },
        },
      ],
      log,
    );
    await until('it ran three times', () => runs >= 3);
    await housekeeping.end();
    expect(done).toBe(runs - 1);
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg).slice(0, 2)).toEqual([
      'sweeping: failed; the next try is in 0.005 s',
      'sweeping',
    ]);
  });
});
