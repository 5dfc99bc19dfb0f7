import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { addCounts, MESSAGES_REFUSED, readCounts, REPORTS_RECORDED } from '../../store/db/counters.js';
import { openPool } from '../../store/db/pool.js';
import { CounterBuffer } from '../../runtime/counter-buffer.js';
import { startApi, type ApiUnderTest } from '../api/api-under-test.js';
import { until } from '../support/until.js';

let api: ApiUnderTest;
beforeAll(async () => (api = await startApi('tally')));
afterAll(() => api.close());

const log = pino({ level: 'silent' });
const metrics = async (): Promise<string[]> =>
  ((await api.call('GET', '/metrics')).body as string)
    .split('\n')
    .filter((line) => /^slipway_device_(reports|messages)_/.test(line));

describe('what the bridge counts', () => {
  it('is in the metrics of the API: reports recorded, and messages refused by reason; and continues over restarts of the bridge', async () => {
    expect(await metrics()).toEqual(['slipway_device_reports_recorded_total 0']);
    for (let bridge = 0; bridge < 2; bridge += 1) {
      const counters = new CounterBuffer((counts) => addCounts(api.pool, counts), log, 20);
      counters.count(REPORTS_RECORDED, '', 40);
      counters.count(MESSAGES_REFUSED, 'stale_attempt', 1);
      counters.count(MESSAGES_REFUSED, 'stale_attempt', 1);
      counters.count(MESSAGES_REFUSED, 'too_large', 1);
      counters.count(MESSAGES_REFUSED, 'forbidden', 0);
      await counters.end();
    }
    // What the database says is kept for a second.
    const shown = await until('metrics that show it', async () => {
      const lines = await metrics();
      return lines[0] !== 'slipway_device_reports_recorded_total 0' && lines;
    });
    expect(shown).toEqual([
      'slipway_device_reports_recorded_total 80',
      'slipway_device_messages_refused_total{reason="stale_attempt"} 4',
      'slipway_device_messages_refused_total{reason="too_large"} 2',
    ]);
  });

  it('is kept while the database is away, and added when it is back', async () => {
    const before = (await readCounts(api.pool)).find(({ name }) => name === REPORTS_RECORDED)!.value;
    const pool = openPool({ databaseUrl: 'postgres://nobody@127.0.0.1:1/none', name: 'away-test', max: 1 });
    let away = true;
    // The pool of a database that comes back: the counters asks for a connection each time.
    const coming = { connect: () => (away ? pool.connect() : api.pool.connect()) } as typeof pool;
    const counters = new CounterBuffer((counts) => addCounts(coming, counts), log, 20);
    counters.count(REPORTS_RECORDED, '', 3);
    await new Promise((resolve) => setImmediate(resolve));
    counters.count(REPORTS_RECORDED, '', 4);
    away = false;
    await until('it was added', async () =>
      (await readCounts(api.pool)).some(({ name, value }) => name === REPORTS_RECORDED && value === before + 7),
    );
    await counters.end();
    await pool.end();
  });
});
