import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { until } from '../support/until.js';
import { IngestUnderTest } from './ingest-under-test.js';

const has = new IngestUnderTest('parking');
beforeAll(async () => {
  await has.start();
  // What no schema of the wire can foresee: a report that the database will not take, today or ever.
  await has.facts.sql(`ALTER TABLE device_slots ADD CONSTRAINT poisoned CHECK (version <> 'poison')`);
});
beforeEach(() => has.begin());
afterEach(() => has.ingest.end());
afterAll(() => has.end());

describe('A batch that is halved because of another report', () => {
  it('D20 keeps the order of a device whose row is held in both halves', async () => {
    // In the order in which their rows are written: that of their ids.
    const [poisoned, held, first] = (await has.devices(3)).sort() as [string, string, string];
    has.saysHello(held, '1.0');
    await until('it has its slot', () => has.acknowledged.includes('1.0'), 60_000);
    const person = new pg.Client({ connectionString: has.databaseUrl });
    await person.connect();
    try {
      await person.query('BEGIN');
      await person.query('SELECT FROM device_slots WHERE device_id = $1 FOR UPDATE', [held]);
      // One report alone begins at once; what comes meanwhile is one batch.
      has.saysHello(first, 'first');
      has.saysHello(poisoned, 'poison');
      for (const version of ['2.0', '3.0', '4.0']) has.saysHello(held, version);
      await until('it is parked', () => has.lines.some(({ deviceId }) => deviceId === held), 60_000);
    } finally {
      await person.query('ROLLBACK');
      await person.end();
    }
    await until('all are acknowledged', () => has.acknowledged.length === 6, 60_000);
    expect(has.acknowledged.slice(-3)).toEqual(['2.0', '3.0', '4.0']);
    expect(await has.facts.sql('SELECT version FROM device_slots WHERE device_id = $1', [held])).toEqual([
      { version: '4.0' },
    ]);
    expect(has.lines.filter(({ deviceId }) => deviceId === held)).toHaveLength(1);
  }, 180_000);
});
