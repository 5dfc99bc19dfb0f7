import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { NativeConnection, Worker } from '@temporalio/worker';
import { openTemporal } from '../../adapters/engine/temporal.js';
import type { Engine } from '../../adapters/engine/port.js';
import { sendProcesses } from '../../bridge/outbound/send-processes.js';
import type { InstallationEvent } from '../../domain/installation/events.js';
import { statusOf } from '../../domain/installation/process-status.js';
import { DEFAULT_POLICY } from '../../domain/installation/policy.js';
import { readInstallation, report, type InstallationView } from '../../store/commands/create-installation.js';
import { deleteDevice } from '../../store/commands/delete-device.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { markOverdueInstallations, readProcesses } from '../../store/installations/to-send.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { createLog } from '../../runtime/log.js';
import { createActivities } from '../../activities/index.js';
import { createOrchestrator } from '../../adapters/engine/worker.js';
import { until } from '../support/all-in-one.js';
import { EDITION } from '../../workflows/messages.js';
import { createTestDatabase } from '../support/database.js';
import { DEVICE_NAME, Facts } from '../support/facts.js';
import { failureOf, storyOf } from './read-history.js';

const TASK_QUEUE = `installation-process-${process.pid}`;
/** Of the histories that are kept: 4 is the third edition that looks at the row before it ends. */
const SHAPE = 4;
const log = createLog('test', 'error');
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let facts: Facts;
let engine: Engine;
let client: Client;
let orchestrator: { worker: Worker; connection: NativeConnection };
let running: Promise<void>;
let sender: Promise<void>;
let ending = false;
let contents = 0;
const failures: string[] = [];

beforeAll(async () => {
  const connection = { address: process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']! };
  database = await createTestDatabase('installation process');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
  facts = await new Facts(pool).begin();
  engine = openTemporal({ connection, namespace: 'default', taskQueue: TASK_QUEUE });
  client = new Client({ connection: await Connection.connect(connection) });
  orchestrator = await createOrchestrator({
    connection,
    namespace: 'default',
    activities: createActivities({ pool, now: Date.now }),
    log,
    failed: (reason) => failures.push(reason),
    taskQueue: TASK_QUEUE,
    bundle: 'dist/workflow-bundle.js',
  });
  running = orchestrator.worker.run();
  sender = (async () => {
    while (!ending)
      if ((await sendProcesses(pool, engine, Date.now)) === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  })();
});
afterAll(async () => {
  ending = true;
  await sender;
  orchestrator.worker.shutdown();
  await running;
  await Promise.all([orchestrator.connection.close(), engine.close(), client.connection.close()]);
  await pool.end();
  await database.drop();
});

/** Short enough to be waited for; the engine's timers are exact to about a tenth of a second. */
const QUICK = {
  ...DEFAULT_POLICY,
  timeouts: { offer: 60_000, download: 60_000, install: 60_000, confirm: 60_000 },
  retry: { maxAttempts: 2, first: 300, factor: 2, max: 1_000 },
};

async function requested(
  policy: Partial<typeof QUICK> = {},
  more: { notBefore?: number; gate?: 'hold' } = {},
): Promise<InstallationView> {
  contents = (contents + 1) % 16;
  return facts.install(await facts.device(), await facts.firmware(contents.toString(16)), {
    ...more,
    policy: { ...QUICK, ...policy },
  });
}
const see = async (one: InstallationView) =>
  (await asTenant(pool, 'default', (tx) => readInstallation(tx, 'default', one.deviceId, one.id)))!;
const becomes = (one: InstallationView, what: string, is: (view: InstallationView) => boolean) =>
  until(
    what,
    async () => {
      const view = await see(one);
      return is(view) ? view : undefined;
    },
    20_000,
  );
const says = (one: InstallationView, event: InstallationEvent) =>
  asService(pool, (tx) =>
    report(
      tx,
      'default',
      { deviceId: one.deviceId, installationId: one.id, event, by: { kind: 'device', node: one.deviceId } },
      Date.now(),
    ),
  );
const row = (one: InstallationView) =>
  asService(pool, async (tx) =>
    (await readProcesses(tx, [{ tenantId: 'default', subject: one.id }])).get(one.id)!,
  ).then((view) => view.installation);
const handle = (one: InstallationView) => client.workflow.getHandle(`installation-${one.id}`);
/**
 * RECORD_HISTORIES=1 keeps what the process did, for test/histories: only where its commands changed on purpose (see
 * the README there).
 */
async function keep(one: InstallationView, name: string): Promise<void> {
  if (process.env['RECORD_HISTORIES'] !== '1') return;
  writeFileSync(`test/histories/${name}-${SHAPE}.json`, `${historyToJSON(await handle(one).fetchHistory())}\n`);
}
const story = (one: InstallationView) => storyOf(handle(one));
const failure = (one: InstallationView) => failureOf(handle(one));
const signals = async (one: InstallationView) => (await story(one)).filter((line) => line.startsWith('status: '));

describe('The process of an installation', () => {
  it('notifies, awaits the download, awaits the outcome, and concludes, with two signals', async () => {
    const one = await requested();
    await becomes(one, 'delivered', (view) => view.state === 'delivered');
    await says(one, { type: 'accepted', attempt: 1, seq: 1 });
    await says(one, { type: 'downloaded', attempt: 1, seq: 2 });
    await until('the first signal', async () => (await signals(one)).length === 1);
    await says(one, { type: 'installing', attempt: 1, seq: 3 });
    await says(one, { type: 'rebooting', attempt: 1, seq: 4 });
    await says(one, { type: 'installed', attempt: 1, seq: 5 });
    expect(await handle(one).result()).toEqual({ state: 'installed', attempt: 1 });
    expect(await story(one)).toEqual([
      'makeOffer: offered, because its time has come, and nothing else executes on the device',
      'status: downloaded',
      'status: ended',
      'lookAtRow: already_ended, because Ended as installed.',
    ]);
    expect((await handle(one).describe()).status.name).toBe('COMPLETED');
    await keep(one, 'installed');
  });

  it('waits for notBefore', async () => {
    const one = await requested({}, { notBefore: Date.now() + 1_500 });
    expect(one.waitingOn).toMatch(/^Waiting for its start time, since .+, until .+\.$/);
    const delivered = await becomes(one, 'delivered', (view) => view.state === 'delivered');
    expect(delivered.stateSince).toBeGreaterThanOrEqual(one.notBefore!);
    await says(one, { type: 'installed' });
    await handle(one).result();
  });

  it('tries a failed download again after its back-off, as the next attempt', async () => {
    const one = await requested();
    await becomes(one, 'delivered', (view) => view.state === 'delivered');
    await says(one, { type: 'failed', attempt: 1, seq: 1, error: { code: 'HASH_MISMATCH', message: 'other bytes' } });
    const waiting = await see(one);
    expect(waiting.waitingOn).toMatch(
      /^Waiting to retry: attempt 2 of 2 starts at .+, because HASH_MISMATCH: other bytes\.$/,
    );
    await becomes(one, 'offered again', (view) => view.state === 'delivered' && view.attempt === 2);
    await says(one, { type: 'failed', attempt: 2, seq: 1, error: { code: 'HASH_MISMATCH', message: 'other bytes' } });
    expect(await failure(one)).toEqual({
      type: 'failed',
      message: 'Ended as failed: HASH_MISMATCH: other bytes.',
      end: { state: 'failed', attempt: 2 },
    });
    expect(await story(one)).toEqual([
      expect.stringMatching(/^makeOffer: offered/),
      'status: ended',
      expect.stringMatching(/^makeOffer: not_yet, because Waiting to retry: attempt 2 of 2 starts at .+HASH_MISMATCH/),
      expect.stringMatching(/^makeOffer: offered/),
      'status: ended',
      'lookAtRow: already_ended, because Ended as failed: HASH_MISMATCH: other bytes.',
    ]);
    await keep(one, 'retried-and-failed');
  });

  it('ends an offer that is not accepted at its deadline, and its history says so', async () => {
    const one = await requested({ timeouts: { ...QUICK.timeouts, offer: 500 } });
    const end = await becomes(one, 'ended', (view) => view.endedAt !== null);
    expect(end).toMatchObject({ state: 'timed_out', waitingOn: null, nextActionAt: null });
    expect(await failure(one)).toEqual({
      type: 'timed_out',
      message: 'Ended as timed_out: the device did not accept the offer in time.',
      end: { state: 'timed_out', attempt: 1 },
    });
    expect((await story(one))[1]).toBe('expireOffer: timed_out, because the device did not accept the offer in time');
    await keep(one, 'offer-expired');
  });

  it('judges a deadline that a report moved forward at that deadline, not when its own later timer fires', async () => {
    const one = await requested({
      timeouts: { ...QUICK.timeouts, download: 700 },
      retry: { ...QUICK.retry, maxAttempts: 1 },
    });
    await becomes(one, 'delivered', (view) => view.state === 'delivered');
    await says(one, { type: 'accepted', attempt: 1, seq: 1 });
    const end = await becomes(one, 'ended', (view) => view.endedAt !== null);
    expect(end).toMatchObject({ state: 'timed_out', rejectReason: 'the download made no progress in time' });
    expect(await failure(one)).toMatchObject({ type: 'timed_out' });
    expect((await story(one)).slice(1)).toEqual([
      'status: due',
      'expireDownload: timed_out, because the download made no progress in time',
    ]);
    await keep(one, 'deadline-moved-forward');
  });

  it('asks a device that fell silent after its reboot for a hello, and gives it up after that', async () => {
    const one = await requested({ timeouts: { ...QUICK.timeouts, confirm: 500 } });
    await becomes(one, 'delivered', (view) => view.state === 'delivered');
    await says(one, { type: 'rebooting', attempt: 1, seq: 1 });
    const end = await becomes(one, 'ended', (view) => view.endedAt !== null);
    expect(end.history.map((entry) => entry.event)).toEqual([
      'requested',
      'delivered',
      'rebooting',
      'hello_asked',
      'timed_out',
    ]);
    expect(await failure(one)).toMatchObject({ type: 'timed_out' });
    expect((await story(one)).slice(2)).toEqual([
      expect.stringMatching(/^expireOutcome: hello_asked, because Waiting for the device \(asked for a hello at/),
      'expireOutcome: timed_out, because the device did not report its content after the reboot',
    ]);
    await keep(one, 'silent-after-reboot');
  });

  it('lets the new content pass its soak before it concludes', async () => {
    const one = await requested({ soak: 600 });
    await becomes(one, 'delivered', (view) => view.state === 'delivered');
    await says(one, { type: 'installed', attempt: 1, seq: 1 });
    expect((await see(one)).state).toBe('confirming');
    const end = await becomes(one, 'installed', (view) => view.state === 'installed');
    expect(end.completedAt! - end.history.find((entry) => entry.event === 'confirming')!.at).toBeGreaterThanOrEqual(
      600,
    );
    expect(await handle(one).result()).toEqual({ state: 'installed', attempt: 1 });
    expect((await story(one)).slice(1)).toEqual([
      'status: installed',
      'endSoak: installed, because the soak passed without a regression',
    ]);
    await keep(one, 'soaked');
  });

  it('cancels an offer without an answer at the deadline of the cancellation', async () => {
    const one = await requested();
    await becomes(one, 'delivered', (view) => view.state === 'delivered');
    await asTenant(pool, 'default', (tx) =>
      report(
        tx,
        'default',
        {
          deviceId: one.deviceId,
          installationId: one.id,
          event: { type: 'cancel', reason: 'a mistake' },
          by: { kind: 'operator', id: 'me' },
        },
        Date.now(),
      ),
    );
    const end = await becomes(one, 'canceled', (view) => view.endedAt !== null);
    expect(end).toMatchObject({ state: 'canceled', rejectReason: 'a mistake' });
    expect(await failure(one)).toMatchObject({ type: 'canceled', message: 'Ended as canceled: a mistake.' });
    expect((await story(one)).slice(1)).toEqual(['status: cancelled', 'expireOffer: canceled, because a mistake']);
    await keep(one, 'canceled');
  });

  it('lets the second installation of a device wait for its turn, and begin with the conclusion of the first', async () => {
    const one = await requested();
    await becomes(one, 'delivered', (view) => view.state === 'delivered');
    const two = await facts.install(one.deviceId, await facts.firmware('f'), { slot: 'bootloader', policy: QUICK });
    const queued = await becomes(two, 'queued', (view) => view.state === 'queued');
    expect(queued.waitingOn).toContain(`installation ${one.id} is in progress`);
    await says(one, { type: 'installed' });
    await becomes(two, 'delivered', (view) => view.state === 'delivered');
    await says(two, { type: 'installed' });
    expect(await handle(two).result()).toMatchObject({ state: 'installed' });
    expect((await story(two)).slice(0, 3)).toEqual([
      expect.stringContaining(`makeOffer: queued, because Waiting for its turn on the device: installation ${one.id}`),
      'status: turn',
      expect.stringMatching(/^makeOffer: offered/),
    ]);
    await keep(two, 'waited-for-its-turn');
  });

  it('names device, slot and version in the Temporal UI', async () => {
    const one = await requested();
    await becomes(one, 'delivered', (view) => view.state === 'delivered');
    const described = await handle(one).describe();
    expect(await described.staticSummary()).toBe(`${DEVICE_NAME}: firmware 1.0.0`);
    expect(await described.staticDetails()).toBe(
      [
        `* Device: ${DEVICE_NAME} (\`${one.deviceId}\`)`,
        '* Slot: firmware',
        `* Firmware: switch, version 1.0.0 (\`${one.firmwareId}\`)`,
        '* Tenant: default',
      ].join('\n'),
    );
    await says(one, { type: 'installed' });
    await handle(one).result();
  });

  it('ends as Failed with its own type when its device was deleted', async () => {
    const one = await requested({}, { gate: 'hold' });
    await says(one, { type: 'downloaded' });
    // Held at its gate: no timer would ever end its process.
    await becomes(one, 'held', (view) => view.state === 'downloaded' && view.nextActionAt === null);
    await until('its process waits', async () => (await story(one)).length > 0, 20_000);
    await asTenant(pool, 'default', (tx) => deleteDevice(tx, 'default', one.deviceId, true, Date.now()));
    expect(await failure(one)).toMatchObject({ type: 'deleted', message: 'Ended: the device was deleted.' });
  });

  it('that failed starts again under its id, and ends the same way', async () => {
    const one = await requested({ timeouts: { ...QUICK.timeouts, offer: 500 } });
    await becomes(one, 'ended', (view) => view.endedAt !== null);
    await failure(one);
    const first = (await handle(one).describe()).runId;
    const ref = { tenantId: 'default', deviceId: one.deviceId, installationId: one.id, edition: EDITION } as const;
    await engine.start(ref, { summary: 'again', details: '' });
    expect(await failure(one)).toMatchObject({ type: 'timed_out' });
    expect((await handle(one).describe()).runId).not.toBe(first);
    expect(await story(one)).toEqual([
      'makeOffer: already_ended, because Ended as timed_out: the device did not accept the offer in time.',
    ]);
  });

  it('continues in a new run before its history is long', async () => {
    const one = await requested();
    await becomes(one, 'delivered', (view) => view.state === 'delivered');
    const first = (await handle(one).describe()).runId;
    const status = statusOf(await row(one), {}, Date.now());
    await until(
      'a new run',
      async () => {
        await Promise.all(Array.from({ length: 100 }, () => engine.signal(one.id, { because: 'moved', status })));
        return (await handle(one).describe()).runId !== first;
      },
      90_000,
    );
    await says(one, { type: 'installed' });
    expect(await handle(one).result()).toEqual({ state: 'installed', attempt: 1 });
    expect(await story(one)).toContainEqual(expect.stringMatching(/^makeOffer: already_offered/));
  }, 120_000);

  it('starts again under its id when it was terminated, and continues where the row stands', async () => {
    const one = await requested({ timeouts: { ...QUICK.timeouts, offer: 1_500 } });
    await becomes(one, 'delivered', (view) => view.state === 'delivered');
    await handle(one).terminate('a test');
    await until('overdue', async () => (await see(one)).dueAt! < Date.now());
    await until('found by the reconciler', async () => (await markOverdueInstallations(pool, 0, 100)) > 0);
    expect(await becomes(one, 'timed_out', (view) => view.endedAt !== null)).toMatchObject({ state: 'timed_out' });
  });

  it('shows in the Temporal UI the sentence that the API shows, at every step of a device that takes its time', async () => {
    const one = await requested();
    await becomes(one, 'delivered', (view) => view.state === 'delivered');
    const shows = async (sentence: RegExp) => {
      const both = async () => [
        (await handle(one).query<{ currentDetails?: string }>('__temporal_workflow_metadata')).currentDetails,
        (await see(one)).waitingOn,
      ];
      await until(
        'both say the same',
        async () => {
          const [shown, said] = await both();
          return shown === said;
        },
        30_000,
      );
      expect((await both())[0]).toMatch(sentence);
    };
    await shows(/^Waiting for the device, which is offline, to accept the offer, since .+, until .+\.$/);
    await says(one, { type: 'accepted', attempt: 1, seq: 1 });
    await shows(/^Waiting for the device to start the download, since .+, until .+\.$/);
    await says(one, { type: 'downloaded', attempt: 1, seq: 2 });
    await says(one, { type: 'installing', attempt: 1, seq: 3 });
    await shows(/^Waiting for the device to finish the installation, since .+, until .+\.$/);
    await says(one, { type: 'installed', attempt: 1, seq: 4 });
    await handle(one).result();
  }, 90_000);

  it('does not count as a fault of the service when it ends as Failed', () => {
    expect(failures).toEqual([]);
  });

  it('leaves nothing in the outbox when everything ended', async () => {
    await until(
      'empty',
      async () => (await facts.sql(`SELECT 1 FROM outbox WHERE receiver = 'workflow'`)).length === 0,
    );
  });
});
