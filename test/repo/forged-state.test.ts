import { describe, expect, it } from '@jest/globals';
import { code, read } from './files.js';

/**
 * The suites that write rows by SQL, and why no story leads there. Everything else is made as its users make it:
 * through the API, the commands of the store, and what devices report.
 */
const REASONS: Readonly<Record<string, string>> = {
  'test/adapters/broker-passwords.test.ts': 'forgets what ended, as if the database had been away for long',
  'test/api/api-under-test.ts': 'makes a tenant, for which there is no command yet',
  'test/api/database-away.test.ts': 'makes a key without the API, whose database is away',
  'test/api/device-rows.test.ts': 'makes a fleet of every kind, which reports nothing',
  'test/api/draft-rollouts.test.ts': "does what a rollout's process would do",
  'test/api/enrolment.test.ts': 'makes a thousand enrolments that wait',
  'test/api/housekeeping.test.ts': 'makes rows that are old',
  'test/api/idempotency.test.ts': 'sets times back; a delivery of a receiver that no test runs',
  'test/api/jobs.test.ts': 'lets the claim of a killed process run out',
  'test/api/job-results.test.ts': 'moves what is encrypted to another row',
  'test/api/live-events.test.ts': "does what a rollout's process would do",
  'test/api/metrics.test.ts': 'sets a deadline back in time',
  'test/api/paging.test.ts': 'gives nine types the same microsecond',
  'test/api/removed-contents.test.ts': 'makes what a killed process leaves; sets times back',
  'test/api/resumed-uploads.test.ts': 'sets a quota of bytes, smaller than the API takes',
  'test/api/rollout-answers.test.ts': 'makes a series of hours, and pauses that need a process',
  'test/api/rollout-simulations.test.ts': 'makes thousands of devices',
  'test/api/slots.test.ts': 'makes diagnostics that are old, and 25 of one moment',
  'test/api/summary.test.ts': 'makes a fleet of every kind, which reports nothing',
  'test/api/usage.test.ts': "does what a rollout's process would do; makes a fleet that reports nothing",
  'test/audit/acts.test.ts': 'opens a group, and makes a delivery, which no process here does',
  'test/audit/keys.test.ts': 'damages the history, as an attacker with the database would',
  'test/audit/proofs.test.ts': 'damages the history, as an attacker with the database would',
  'test/bridge/documents.test.ts': 'names a slot as no request can, and takes it back',
  'test/bridge/fenced-documents.test.ts': 'empties the outbox between tests',
  'test/bridge/flapping-device.test.ts': 'lets the time of a process pass',
  'test/bridge/send-credentials.test.ts': 'takes the lease and the seal away',
  'test/bridge/start-throttle.test.ts': 'makes thousands of marks; sets times back',
  'test/bridge/webhooks.test.ts': 'breaks a stored secret; empties the table between tests',
  'test/cli/backup.test.ts': 'makes a row of every kind, and damages some',
  'test/cli/blobs.test.ts': 'retires a firmware without taking its bytes',
  'test/e2e/bridges.test.ts': 'takes the lease away',
  'test/rollout/actions.test.ts': 'sets times back',
  'test/rollout/admissible.test.ts': 'holds a row in a second transaction, as another process would',
  'test/rollout/commands.test.ts': 'sets times back',
  'test/rollout/deadlines.test.ts': 'sets times back',
  'test/rollout/defaults.test.ts': 'sets times back',
  'test/rollout/earlier-content.test.ts': 'sets times back',
  'test/rollout/fleet-pages.test.ts': 'makes thousands of devices; sets times back',
  'test/rollout/forecast.test.ts': 'makes devices that were never seen, of those that a story introduces',
  'test/rollout/places.test.ts': 'sets times back; lowers a cap that no amendment may lower during a roll back',
  'test/rollout/rollback.test.ts': 'empties the outbox of one rollout',
  'test/rollout/suspended.test.ts': 'suspends the first tenant, which no request may; empties the outbox',
  'test/rollout/story.ts': 'sets times back; makes credentials of devices that no test connects',
  'test/rollout/stories.test.ts': 'makes what an interrupted process of an earlier version left',
  'test/store/clock.test.ts': 'sets times back and ahead',
  'test/api/lists.test.ts': 'makes a list of thousands of rows',
  'test/store/list-plans.test.ts': 'makes a fleet whose statistics matter',
  'test/store/migrate.test.ts': 'has migrations of a version that there is not yet',
  'test/e2e/removed-tenant.test.ts': 'makes a row of every kind that a tenant can have',
  'test/e2e/schema.test.ts': 'has migrations of a version that there is not yet',
  'test/store/pages-of-rows.test.ts': 'makes thousands of rows, some of them old',
  'test/store/silence.test.ts': 'lets time pass without a sign of life',
  'test/store/from-the-future.test.ts': 'makes rows that lie in the future',
  'test/store/device-filter-plans.test.ts': 'makes a fleet whose statistics matter',
  'test/store/device-filter.test.ts': 'changes what triggers keep, without the code that is tested',
  'test/store/filtered-devices.ts': 'makes thousands of devices',
  'test/store/migrations.test.ts': 'has texts of migrations that it only reads',
  'test/store/migrated-rows.ts': 'makes rows of an older schema, whose code is gone',
  'test/store/outbox.test.ts': 'is about these rows; damages the history',
  'test/store/prune.test.ts': 'makes what is years old; changes entries that were sealed',
  'test/store/record.test.ts': 'empties the outbox of one subject',
  'test/store/names-of-events.test.ts': 'makes webhooks as an earlier version stored them',
  'test/store/tenants.test.ts': 'tries what a tenant may not write',
  'test/store/young-fleet.test.ts': 'makes a fleet whose statistics matter',
  'test/support/facts.ts': 'makes a tenant, for which there is no command yet',
};

const WRITES = /[`'"]\s*(WITH \w+ AS \()?(UPDATE|INSERT INTO|DELETE FROM) [a-z_]+/;

describe('State in tests', () => {
  it('is written by SQL only in suites that say why no story leads there', () => {
    const writing = code.filter((file) => /^test\/.*\.ts$/.test(file) && WRITES.test(read(file)));
    expect(writing.sort()).toEqual(Object.keys(REASONS).sort());
  });
});
