import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, Connection, WorkflowFailedError } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { NativeConnection, Worker } from '@temporalio/worker';
import { openTemporal } from '../../adapters/engine/temporal.js';
import type { Engine } from '../../adapters/engine/port.js';
import { sendProcesses } from '../../bridge/outbound/send-processes.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { markOverdueRollouts } from '../../store/rollouts/to-send.js';
import type { RolloutView } from '../../store/rollouts/view.js';
import { createLog } from '../../runtime/log.js';
import { createActivities } from '../../activities/index.js';
import { createRolloutActivities, type Tick } from '../../activities/rollout.js';
import type { RolloutRef } from '../../workflows/messages.js';
import { createOrchestrator } from '../../adapters/engine/worker.js';
import { Story } from '../rollout/story.js';
import { until } from '../support/all-in-one.js';
import { createTestDatabase } from '../support/database.js';

const TASK_QUEUE = `rollout-process-${process.pid}`;
const ONE_GROUP = [{ name: 'all' }];
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
let engine: Engine;
let client: Client;
/** Whether a tick leaves all but its first step to the long activity. */
let isTickShort = false;
let orchestrator: { worker: Worker; connection: NativeConnection };
let running: Promise<void>;
let sender: Promise<void>;
let ending = false;

beforeAll(async () => {
  const connection = { address: process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']! };
  database = await createTestDatabase('rollout process');
  pool = openPool({ databaseUrl: database.url, name: 'test', max: 20 });
  engine = openTemporal({ connection, namespace: 'default', taskQueue: TASK_QUEUE });
  client = new Client({ connection: await Connection.connect(connection) });
  const [activities, short] = [createActivities({ pool, now: Date.now }), createRolloutActivities({ pool, tickMs: 0 })];
  orchestrator = await createOrchestrator({
    connection,
    namespace: 'default',
    activities: { ...activities, tick: (ref: RolloutRef) => (isTickShort ? short : activities).tick(ref) },
    log: createLog('test', 'error'),
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

const handle = (story: Story) => client.workflow.getHandle(`rollout-${story.rolloutId}`);
const becomes = (story: Story, what: string, is: (view: RolloutView) => boolean) =>
  until(
    what,
    async () => {
      const view = await story.now();
      return is(view) ? view : undefined;
    },
    20_000,
  );
const inFlight = (story: Story, count: number) =>
  until(`${count} in flight`, async () => (await story.inFlight()).length === count, 20_000);
/** As in test/workflows/installation.test.ts. `2`: ticks that say what they did and decided. */
async function keep(story: Story, name: string): Promise<void> {
  if (process.env['RECORD_HISTORIES'] === '1')
    writeFileSync(`test/histories/${name}-2.json`, `${historyToJSON(await handle(story).fetchHistory())}\n`);
}

describe('The process of a rollout', () => {
  it('waits for its start, opens group after group as reports come in, and ends with the last of them', async () => {
    const story = await Story.given(pool, { online: 4 });
    await story.creates({ groups: [{ name: 'canary', percent: 25 }, { name: 'rest' }] });
    await becomes(story, 'told of', (view) => view.processStarted && view.waitingOn === 'Waiting to be started.');
    await story.asks({ do: 'start' });
    await inFlight(story, 1);
    await story.succeed();
    await inFlight(story, 3);
    await story.succeed();
    await becomes(story, 'finished', (view) => view.phase === 'finished');
    expect(await handle(story).result()).toEqual({ outcome: 'finished' });
    await keep(story, 'rollout-finished');
  }, 60_000);

  it('pauses at the failure budget, and continues when it is resumed', async () => {
    const story = await Story.given(pool, { online: 6 });
    await story.creates({
      groups: ONE_GROUP,
      pace: { maxInFlight: 2 },
      stopIf: [{ outcome: 'failed', share: 0.5, after: 2, then: 'pause' }],
    });
    await story.asks({ do: 'start' });
    await inFlight(story, 2);
    await story.fail();
    const paused = await becomes(
      story,
      'paused',
      (view) => view.phase === 'paused' && view.waitingOn?.startsWith('Paused') === true,
    );
    const described = await until('the sentence in the Temporal UI', async () => {
      const metadata = await client.workflowService.queryWorkflow({
        namespace: 'default',
        execution: { workflowId: handle(story).workflowId },
        query: { queryType: '__temporal_workflow_metadata' },
      });
      const said = JSON.parse(new TextDecoder().decode(metadata.queryResult!.payloads![0]!.data)) as {
        currentDetails?: string;
      };
      return said.currentDetails?.startsWith('Paused') ? said.currentDetails : undefined;
    });
    expect(described).toBe(paused.waitingOn);
    await story.asks({ do: 'resume', reason: null });
    await inFlight(story, 2);
    await story.asks({ do: 'abort', cancelOpen: true, because: null });
    await becomes(story, 'closed', (view) => view.facts.closedAt !== null);
    const failed = await handle(story)
      .result()
      .catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(WorkflowFailedError);
    expect((failed as WorkflowFailedError).cause).toMatchObject({
      type: 'aborted',
      message: 'Ended: aborted.',
      details: [{ outcome: 'aborted' }],
    });
    expect((await handle(story).describe()).status.name).toBe('FAILED');
    await keep(story, 'rollout-paused-and-aborted');
  }, 60_000);

  it('waits for a soak and a back-off by timers of the engine', async () => {
    const story = await Story.given(pool, { online: 2 });
    await story.creates({
      groups: [{ name: 'canary', percent: 50, soak: 'PT1.5S' }, { name: 'rest' }],
      stopIf: [],
      retry: { maxAttempts: 2, backoff: { first: 'PT1.2S' } },
    });
    await story.asks({ do: 'start' });
    await inFlight(story, 1);
    await story.fail(1, { code: 'DOWNLOAD_FAILED', message: 'the link broke' });
    await inFlight(story, 1);
    await story.succeed();
    await inFlight(story, 1);
    await story.succeed();
    await becomes(story, 'finished', (view) => view.phase === 'finished');
    expect((await story.counters())['canary']).toEqual({ installed: 1 });
    await keep(story, 'rollout-soaked-and-retried');
  }, 60_000);

  it('that was terminated is started again under its id by the reconciler, and a retry of a finished one starts it as well', async () => {
    const story = await Story.given(pool, { online: 2 });
    await story.creates({ groups: [{ name: 'canary', percent: 50, soak: 'PT1S' }, { name: 'rest' }], stopIf: [] });
    await story.asks({ do: 'start' });
    await inFlight(story, 1);
    await story.succeed();
    await becomes(
      story,
      'soaking',
      (view) => view.facts.groups[0]!.soakingSince !== null && view.nextActionAt !== null,
    );
    await handle(story).terminate();
    await until('the next group', async () => {
      await markOverdueRollouts(pool, 300, 100);
      return (await story.inFlight()).length === 1;
    });
    await story.fail();
    await becomes(story, 'finished', (view) => view.phase === 'finished');
    await story.asks({ do: 'retry', outcomes: ['failed'] });
    await inFlight(story, 1);
    await story.succeed();
    await becomes(story, 'finished again', (view) => view.phase === 'finished');
  }, 60_000);

  it('leaves what takes longer than a tick to an activity that says how far it has come', async () => {
    isTickShort = true;
    try {
      const story = await Story.given(pool, { online: 2 });
      await story.creates({ groups: ONE_GROUP });
      await story.asks({ do: 'start' });
      await inFlight(story, 2);
      await story.succeed();
      await becomes(story, 'finished', (view) => view.phase === 'finished');
      expect(await handle(story).result()).toEqual({ outcome: 'finished' });
      const called = ((await handle(story).fetchHistory()).events ?? []).flatMap(
        (event) => event.activityTaskScheduledEventAttributes?.activityType?.name ?? [],
      );
      expect(new Set(called)).toEqual(new Set(['workThrough']));
      await keep(story, 'rollout-worked-through');
    } finally {
      isTickShort = false;
    }
  }, 60_000);

  it('names the rollout in the Temporal UI, and says what each tick did and decided', async () => {
    const story = await Story.given(pool, { online: 2 });
    await story.creates({ groups: ONE_GROUP });
    await story.asks({ do: 'start' });
    await inFlight(story, 2);
    const described = await handle(story).describe();
    expect(await described.staticSummary()).toBe('Rollout story');
    expect(await described.staticDetails()).toContain(story.rolloutId);
    await story.succeed();
    await becomes(story, 'finished', (view) => view.phase === 'finished');
    await handle(story).result();
    const ticks = ((await handle(story).fetchHistory()).events ?? []).flatMap((event) => {
      const data = event.markerRecordedEventAttributes?.details?.['result']?.payloads?.[0]?.data;
      return data ? [JSON.parse(new TextDecoder().decode(data)) as Tick] : [];
    });
    expect(ticks.flatMap(({ did }) => did)).toEqual(
      expect.arrayContaining(['admit all × 2', 'pass_group all', 'finish']),
    );
    expect(ticks.at(-1)).toMatchObject({ decision: 'end', because: 'Ended: finished.' });
  }, 60_000);

  it('continues in a new run before its history is long', async () => {
    const story = await Story.given(pool, { offline: 1 });
    await story.creates({ groups: ONE_GROUP });
    await story.asks({ do: 'start' });
    await becomes(story, 'waiting', (view) => view.waitingOn === 'Waiting for 1 device to come online.');
    const first = (await handle(story).describe()).runId;
    const ref = { tenantId: 'default', rolloutId: story.rolloutId };
    const length = async () => (await handle(story).describe()).historyLength;
    await until(
      'a new run',
      async () => {
        for (let pokes = 0; pokes < 20; pokes += 1) {
          await engine.poke(ref, { summary: 'again', details: '' });
          await new Promise((resolve) => setImmediate(resolve));
        }
        return (await handle(story).describe()).runId !== first;
      },
      160_000,
    );
    expect(await length()).toBeLessThan(2_000);
    await story.comesOnline(story.devices[0]!);
    await inFlight(story, 1);
  }, 180_000);
});
