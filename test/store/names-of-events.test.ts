import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { EVENT_NAMES } from '../../domain/webhook/event-names.js';
import { migrate } from '../../store/db/migrate.js';
import { migrationNames } from '../../store/db/schema-fit.js';
import { createTestDatabase } from '../support/database.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let client: pg.Client;
beforeAll(async () => {
  const names = await migrationNames();
  database = await createTestDatabase('names_of_events', names[names.indexOf('0028-names-of-events') - 1]);
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

describe('Webhooks that were made when any word was taken for the name of an event', () => {
  it('ask for the names that the history has, and are disabled where none is left', async () => {
    await client.query(`INSERT INTO tenants (id) VALUES ('other') ON CONFLICT DO NOTHING`);
    const cases: [asked: string[], events: string[], disabled: RegExp | null][] = [
      [['gate_failed', 'finished'], ['fail_group', 'finish'], null],
      [['installed', 'Paused', 'pause', 'nonsense'], ['installed', 'pause'], null],
      [['rejected'], ['rejected'], null],
      [[], [], null],
      [['nonsense', 'more'], [], /^it asked only for events that do not exist: nonsense, more;/],
      [[...EVENT_NAMES], [...EVENT_NAMES], null],
    ];
    const ids = cases.map(() => randomUUID());
    for (const [index, [asked]] of cases.entries())
      await client.query(
        `INSERT INTO webhooks (tenant_id, id, url, events, secret, position, created_by, created_at, updated_at)
         VALUES ('other', $1, 'https://x.example', $2, 's', 0, 'key:test', now(), now())`,
        [ids[index], asked],
      );
    await migrate(database.url);
    for (const [index, [asked, events, disabled]] of cases.entries()) {
      const { rows } = await client.query<{ events: string[]; disabled_at: Date | null; disabled_because: string }>(
        'SELECT events, disabled_at, disabled_because FROM webhooks WHERE id = $1',
        [ids[index]],
      );
      expect([asked, rows[0]!.events]).toEqual([asked, events]);
      expect([asked, rows[0]!.disabled_at !== null]).toEqual([asked, disabled !== null]);
      if (disabled) expect(rows[0]!.disabled_because).toMatch(disabled);
    }
  });
});
