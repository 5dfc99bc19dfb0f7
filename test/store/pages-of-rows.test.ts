import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { addMatchingDevices, MATCHED_PER_PAGE } from '../../store/commands/bulk-devices.js';
import { noteBrokerLoss } from '../../store/commands/broker-loss.js';
import { KEYS_PER_PAGE, sweepIdempotencyKeys } from '../../store/db/idempotency.js';
import { holdLease, type Fence } from '../../store/db/leases.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { dropDeliveriesLeft } from '../../store/history/webhook-leftovers.js';
import { DELIVERIES_PER_PAGE, dropOldDeliveries, MAX_PENDING } from '../../store/history/webhook-sending.js';
import { changeWebhook, createWebhook, deleteWebhook } from '../../store/history/webhooks.js';
import { claimJob, endJob } from '../../store/jobs/claims.js';
import { cancelJob, createJob, queueJob } from '../../store/jobs/jobs.js';
import { PIECES_PER_PAGE, sweepResults } from '../../store/jobs/results.js';
import { dropJob, LINES_PER_PAGE, sweepJobs } from '../../store/jobs/sweep.js';
import { endPausesFromTheFuture, PER_PAGE } from '../../store/outbox/from-the-future.js';
import { PIECE } from '../../store/outbox/publications.js';
import { createTestDatabase } from '../support/database.js';
import { Facts } from '../support/facts.js';

const TENANT = 'default';
const DAY = 86_400_000;

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let facts: Facts;
let fence: Fence;
beforeEach(async () => {
  database = await createTestDatabase('pages of rows');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
  facts = await new Facts(pool).begin();
  fence = { name: 'bridge', holder: 'test', epoch: (await holdLease(pool, 'bridge', 'test', 600_000))! };
  await facts.sql('CREATE TABLE statement_sizes (at bigint, changed text, rows integer)');
  await facts.sql(
    `CREATE FUNCTION note_size() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
       INSERT INTO statement_sizes SELECT txid_current(), TG_TABLE_NAME, count(*) FROM rows_changed; RETURN NULL; END $$`,
  );
}, 60_000);
afterEach(async () => {
  await pool.end();
  await database.drop();
});

/**
 * The most rows of a table that one transaction changed during `work`, also by a foreign key, and all rows that were
 * changed.
 */
async function largest(
  table: string,
  change: 'INSERT' | 'UPDATE' | 'DELETE',
  work: () => Promise<unknown>,
  by: 'transaction' | 'statement' = 'transaction',
): Promise<{ most: number; all: number }> {
  const rows = change === 'DELETE' ? 'OLD' : 'NEW';
  await facts.sql('DELETE FROM statement_sizes');
  await facts.sql(
    `CREATE TRIGGER sizes AFTER ${change} ON ${table} REFERENCING ${rows} TABLE AS rows_changed
     FOR EACH STATEMENT EXECUTE FUNCTION note_size()`,
  );
  await work();
  await facts.sql(`DROP TRIGGER sizes ON ${table}`);
  const [found] = await facts.sql<{ most: number; all: number }>(
    `SELECT coalesce(max(rows), 0)::integer AS most, coalesce(sum(rows), 0)::integer AS all FROM
       (SELECT ${by === 'transaction' ? 'sum(rows) AS rows FROM statement_sizes GROUP BY at' : 'rows FROM statement_sizes'}) AS s`,
  );
  return found!;
}

const count = async (table: string) =>
  (await facts.sql<{ n: number }>(`SELECT count(*)::integer AS n FROM ${table}`))[0]!.n;

/** A job with so many lines, received and queued. */
async function job(lines: number, state: 'receiving' | 'queued' = 'queued'): Promise<string> {
  const origin = { address: null, credential: null, requestId: 'test' };
  return asTenant(pool, TENANT, async (tx) => {
    const made = await createJob(
      tx,
      TENANT,
      { kind: 'import', state: 'receiving', spec: {}, createdBy: 'key:test', origin, hasResult: true },
      Date.now(),
    );
    await tx.query(
      `INSERT INTO job_lines (tenant_id, job_id, line, body) SELECT $1, $2, n, '{}' FROM generate_series(1, $3::integer) AS n`,
      [TENANT, made.id, lines],
    );
    if (state === 'queued') await queueJob(tx, TENANT, made.id);
    return made.id;
  });
}

describe('The lines of a job go in pages', () => {
  const MANY = 2 * LINES_PER_PAGE + 7;

  it('when it ends', async () => {
    await job(MANY);
    const claimed = (await claimJob(pool, Date.now()))!;
    expect(await largest('job_lines', 'DELETE', () => endJob(pool, claimed, 'done', Date.now()))).toEqual({
      most: LINES_PER_PAGE,
      all: MANY,
    });
    expect(await count('jobs')).toBe(1);
  });

  it('when the upload of them breaks off, and the job goes with the last page', async () => {
    const id = await job(MANY, 'receiving');
    const drop = async () => {
      while (await asTenant(pool, TENANT, (tx) => dropJob(tx, TENANT, id))) continue;
    };
    expect(await largest('job_lines', 'DELETE', drop)).toEqual({ most: LINES_PER_PAGE, all: MANY });
    expect(await count('jobs')).toBe(0);
  });

  it('when it was cancelled before it began, with jobs of yesterday, by several processes at once', async () => {
    const id = await job(MANY);
    await asTenant(pool, TENANT, (tx) => cancelJob(tx, TENANT, id, Date.now()));
    const old = await job(MANY);
    await asTenant(pool, TENANT, (tx) => cancelJob(tx, TENANT, old, Date.now() - 2 * DAY));
    const sweep = () => Promise.all([1, 2, 3].map(() => sweepJobs(pool, Date.now())));
    expect(await largest('job_lines', 'DELETE', sweep)).toEqual({ most: LINES_PER_PAGE, all: 2 * MANY });
    expect(await facts.sql('SELECT id FROM jobs')).toEqual([{ id }]);
  });

  it('and so do the pieces of its result', async () => {
    const id = await job(1);
    await asTenant(pool, TENANT, (tx) => cancelJob(tx, TENANT, id, Date.now() - DAY / 2));
    const pieces = 2 * PIECES_PER_PAGE + 1;
    await facts.sql(
      `INSERT INTO job_results (tenant_id, job_id, line, sealed) SELECT $1, $2, n, 'x' FROM generate_series(1, $3::integer) AS n`,
      [TENANT, id, pieces],
    );
    expect(await largest('job_results', 'DELETE', () => sweepResults(pool, Date.now()))).toEqual({
      most: PIECES_PER_PAGE,
      all: pieces,
    });
  });

  it('and they come in pages, where a filter matches a fleet: each device once', async () => {
    const MATCHED = MATCHED_PER_PAGE + 3;
    await facts.sql(
      `INSERT INTO devices (tenant_id, id, device_type_id, name, tags, created_at) SELECT $1, gen_random_uuid(), $2, 'd',
         CASE WHEN n % 2 = 0 THEN ARRAY['even'] ELSE '{}' END, now() - (n / 10) * interval '1 second'
       FROM generate_series(1, $3::integer) AS n`,
      [TENANT, facts.deviceTypeId, 2 * MATCHED],
    );
    const id = await job(0, 'receiving');
    const add = () => asTenant(pool, TENANT, (tx) => addMatchingDevices(tx, TENANT, id, 'tag==even'));
    expect(await largest('job_lines', 'INSERT', async () => expect(await add()).toBe(MATCHED), 'statement')).toEqual({
      most: MATCHED_PER_PAGE,
      all: MATCHED,
    });
    expect(
      await facts.sql(
        `SELECT count(DISTINCT body)::integer AS devices, max(line) AS last, bool_and('even' = ANY(d.tags)) AS right
         FROM job_lines l JOIN devices d ON d.id = l.body::uuid`,
      ),
    ).toEqual([{ devices: MATCHED, last: MATCHED, right: true }]);
  });
});

describe('Old Idempotency-Keys', () => {
  it('are forgotten in pages, also those from the future; young ones stay', async () => {
    const MANY = 2 * KEYS_PER_PAGE + 5;
    await facts.sql(
      `INSERT INTO idempotency_keys (tenant_id, key, fingerprint, status, body, created_at)
       SELECT $1, 'k' || n, '', 201, '{}', now() + CASE WHEN n > $2 THEN interval '0' WHEN n % 2 = 0 THEN interval '2 days'
         ELSE interval '-2 days' END FROM generate_series(1, $2::integer + 10) AS n`,
      [TENANT, MANY],
    );
    expect(await largest('idempotency_keys', 'DELETE', () => sweepIdempotencyKeys(pool, Date.now()))).toEqual({
      most: KEYS_PER_PAGE,
      all: MANY,
    });
    expect(await count('idempotency_keys')).toBe(10);
  });
});

describe('The deliveries of a webhook', () => {
  const MANY = 2 * DELIVERIES_PER_PAGE + 9;
  const webhook = async () =>
    (
      await asTenant(pool, TENANT, (tx) =>
        createWebhook(
          tx,
          TENANT,
          { url: 'https://example.com/', events: [], description: null, secret: 'whsec_x', createdBy: 'key:test' },
          Date.now(),
        ),
      )
    ).id;
  const deliveries = (id: string, rows: number, state: 'pending' | 'delivered', at: string) =>
    facts.sql(
      `INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, number, event, state, due_at, created_at, ended_at)
       SELECT $1, gen_random_uuid(), $2, n, 'slot', $4, now() + $5::interval, now(), CASE WHEN $4 = 'delivered' THEN now() + $5::interval END
       FROM generate_series(1, $3::integer) AS n`,
      [TENANT, id, rows, state, at],
    );

  it('go after it, in pages, when it is deleted', async () => {
    const [gone, kept] = [await webhook(), await webhook()];
    await deliveries(gone, MANY, 'pending', '0');
    await deliveries(kept, 5, 'pending', '0');
    const drop = async () => {
      await asTenant(pool, TENANT, (tx) => deleteWebhook(tx, TENANT, gone));
      expect(await facts.sql('SELECT id FROM webhooks')).toEqual([{ id: kept }]);
      await Promise.all([dropDeliveriesLeft(pool), dropDeliveriesLeft(pool)]);
      while ((await dropDeliveriesLeft(pool)) > 0) continue;
    };
    expect(await largest('webhook_deliveries', 'DELETE', drop)).toEqual({ most: DELIVERIES_PER_PAGE, all: MANY });
    expect([await count('webhook_deliveries'), await count('webhook_leftovers')]).toEqual([5, 0]);
  });

  it('go in pages when they ended a week ago, until none is left', async () => {
    await deliveries(await webhook(), MANY, 'delivered', '-8 days');
    const drop = async () => {
      while (await dropOldDeliveries(pool, fence)) continue;
    };
    expect(await largest('webhook_deliveries', 'DELETE', drop)).toEqual({ most: DELIVERIES_PER_PAGE, all: MANY });
  });

  it('are due again when it is enabled: at most as many as may be pending', async () => {
    const id = await webhook();
    await deliveries(id, MAX_PENDING + 50, 'pending', '1 hour');
    const enable = () =>
      asTenant(pool, TENANT, (tx) => changeWebhook(tx, TENANT, id, 'key:test', { enabled: true }, Date.now()));
    expect(await largest('webhook_deliveries', 'UPDATE', enable)).toEqual({ most: MAX_PENDING, all: MAX_PENDING });
  });

  it('are due again in pages, where they wait for a time that a wrong clock wrote', async () => {
    await deliveries(await webhook(), 2 * PER_PAGE + 1, 'pending', '9 hours');
    expect(await largest('webhook_deliveries', 'UPDATE', () => endPausesFromTheFuture(pool, fence))).toEqual({
      most: PER_PAGE,
      all: 2 * PER_PAGE + 1,
    });
  });
});

describe('A broker that lost what it retained', () => {
  it('gets all documents again, marked in pages: those that stood there, and those that are being offered', async () => {
    const MANY = 2 * PIECE + 3;
    await facts.sql(
      `INSERT INTO published_documents (tenant_id, device_id, slot, node, revision)
       SELECT $1, gen_random_uuid(), 'firmware', 'n', 1 FROM generate_series(1, $2::integer) AS n`,
      [TENANT, MANY],
    );
    const firmwareId = await facts.firmware('ab');
    const device = await facts.device();
    await facts.sql(
      `INSERT INTO installations (tenant_id, id, device_id, firmware_id, slot, state, executing, policy, sha256, requested_at, requested_by, state_since)
       VALUES ($1, $2, $3, $4, 'firmware', 'delivered', true, '{}', repeat('ab', 32), now(), 'test', now())`,
      [TENANT, randomUUID(), device, firmwareId],
    );
    await asService(pool, (tx) => tx.query('DELETE FROM outbox'));
    expect(await largest('outbox', 'INSERT', () => noteBrokerLoss(pool, fence, Date.now()))).toEqual({
      most: PIECE,
      all: MANY + 1,
    });
    expect(await facts.sql(`SELECT detail FROM outbox WHERE subject = $1`, [device])).toEqual([{ detail: 'firmware' }]);
  });
});
