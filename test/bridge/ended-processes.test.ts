import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import type { ProcessStatus } from '../../domain/installation/process-status.js';
import type { InstallationView } from '../../store/commands/create-installation.js';
import { EDITION, installationWorkflowId } from '../../workflows/messages.js';
import { Story } from '../rollout/story.js';
import { until } from '../support/until.js';
import { storyOf } from '../workflows/read-history.js';
import { BridgeUnderTest } from './bridge-under-test.js';

const bridge = new BridgeUnderTest('ended-processes');
let client: Client;
beforeAll(async () => {
  await bridge.start();
  client = new Client({
    connection: await Connection.connect({ address: process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']! }),
  });
}, 60_000);
afterAll(async () => {
  await client.connection.close();
  await bridge.end();
}, 60_000);

const handle = (one: InstallationView) => client.workflow.getHandle(installationWorkflowId(one.id));
/** Its deadline is hours away. */
async function offered(): Promise<InstallationView> {
  const one = await bridge.installing(await bridge.facts.device());
  return bridge.becomes(one, 'delivered', 60_000);
}
/** Says that it has ended, and how: the row says otherwise. */
const forged: ProcessStatus = { stage: 'ended', state: 'installed', attempt: 1, until: null, waitingOn: 'Ended.' };
async function concludes(one: InstallationView): Promise<void> {
  const device = await bridge.device(one.deviceId);
  await device.status(await device.desired(), 'installed');
  await bridge.becomes(one, 'installed');
  expect(await handle(one).result()).toEqual({ state: 'installed', attempt: 1 });
}
const runsAgain = (id: string, first: string) =>
  until(
    'its process runs again',
    async () => {
      const { status, runId } = await client.workflow.getHandle(id).describe();
      return status.name === 'RUNNING' && runId !== first;
    },
    60_000,
  );

describe('The process of an open installation', () => {
  it('does not end by a forged signal: it looks at the row, and continues where that stands', async () => {
    const one = await offered();
    await handle(one).signal('status', { because: 'ended', status: forged });
    await until('it has looked', async () => (await storyOf(handle(one))).some((line) => /^lookAtRow/.test(line)));
    await until('it goes on', async () => (await storyOf(handle(one))).length === 4);
    expect(await storyOf(handle(one))).toEqual([
      expect.stringMatching(/^makeOffer: offered/),
      'status: ended',
      expect.stringMatching(/^lookAtRow: not_ended, because Waiting for the device/),
      expect.stringMatching(/^makeOffer: already_offered/),
    ]);
    expect(await bridge.see(one)).toMatchObject({ state: 'delivered', endedAt: null });
    await concludes(one);
  }, 120_000);

  it.each([
    ['nothing', []],
    ['null', [null]],
    ['no status', [{ because: 'ended' }]],
    ['a word instead of a time', [{ because: 'due', status: { ...forged, stage: 'outcome', until: 'soon' } }]],
    ['a time that no timer has', [{ because: 'due', status: { ...forged, stage: 'outcome', until: 1e300 } }]],
  ])(
    'passes over a signal that carries %s',
    async (_, said) => {
      const one = await offered();
      await handle(one).signal('status', ...(said as [unknown]));
      await concludes(one);
      expect((await handle(one).fetchHistory()).events?.some((event) => event.workflowTaskFailedEventAttributes)).toBe(
        false,
      );
    },
    120_000,
  );

  it('is started again within a minute when it was terminated', async () => {
    const one = await offered();
    const { runId } = await handle(one).describe();
    await handle(one).terminate('by another local user');
    await runsAgain(installationWorkflowId(one.id), runId);
    await concludes(one);
  }, 120_000);

  it('is started again within a minute when it was made to end', async () => {
    const one = await offered();
    await handle(one).terminate('to have it begun as by a bridge of before');
    const ref = { tenantId: 'default', deviceId: one.deviceId, installationId: one.id, edition: EDITION };
    const before = await client.workflow.start('installation', {
      workflowId: installationWorkflowId(one.id),
      taskQueue: bridge.taskQueue,
      args: [ref],
    });
    // A process of before believes the signal.
    await before.signal('status', { because: 'ended', status: forged });
    await client.workflow.getHandle(before.workflowId, before.firstExecutionRunId).result();
    expect(await bridge.see(one)).toMatchObject({ state: 'delivered', endedAt: null });
    await runsAgain(before.workflowId, before.firstExecutionRunId);
    await concludes(one);
  }, 120_000);
});

describe('The process of an open rollout', () => {
  it('is started again within a minute when it was terminated', async () => {
    const story = await Story.given(bridge.pool, { online: 1 });
    await story.creates({ groups: [{ name: 'all' }] });
    const id = `rollout-${story.rolloutId}`;
    await until('its process runs', async () => (await story.now()).processStarted, 60_000);
    const { runId } = await client.workflow.getHandle(id).describe();
    await client.workflow.getHandle(id).terminate('by another local user');
    await runsAgain(id, runId);
  }, 120_000);
});
