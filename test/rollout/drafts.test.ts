import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Engine } from '../../adapters/engine/port.js';
import { pokeRollouts } from '../../bridge/outbound/poke-rollouts.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';
import { deleteRollout } from '../../store/commands/delete-rollout.js';
import { retireFirmware } from '../../store/commands/retire-firmware.js';
import { readDeviceNow } from '../../store/installations/timeline.js';
import { listRolloutEvents } from '../../store/rollouts/lists.js';
import { createTestDatabase } from '../support/database.js';
import { ONE_GROUP, Story } from './story.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('drafts');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const deletes = (story: Story) =>
  asTenant(pool, 'default', (tx) => deleteRollout(tx, 'default', story.rolloutId, 'key:ann', Date.now()));
const retires = (story: Story) =>
  asTenant(pool, 'default', (tx) => retireFirmware(tx, 'default', story.firmware, { force: false }, Date.now()));
const pending = async (story: Story) =>
  (await asTenant(pool, 'default', (tx) => readDeviceNow(tx, 'default', story.devices[0]!))).flatMap(
    (slot) => slot.pending,
  );

describe('A draft', () => {
  it('does not keep its firmware from being deleted, and says so when it is started', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.creates({ groups: ONE_GROUP });
    await story.settles();
    expect((await story.now()).waitingOn).toBe('Waiting to be started.');
    await retires(story);
    expect(await story.now()).toMatchObject({
      phase: 'draft',
      eta: null,
      waitingOn:
        'Waiting for a person: its firmware was deleted since it was drafted; delete the draft and create another rollout.',
    });
    await expect(story.asks({ do: 'start' })).rejects.toMatchObject({
      code: 'ROLLOUT_STATE',
      message: expect.stringContaining('was deleted since this rollout was drafted'),
    });
  });

  it('that is started does', async () => {
    const story = await Story.given(pool, { offline: 1 });
    await story.starts({ groups: ONE_GROUP });
    await expect(retires(story)).rejects.toMatchObject({ code: 'FIRMWARE_IN_USE' });
  });

  it('stands in no timeline until it is started', async () => {
    const story = await Story.given(pool, { offline: 1 });
    await story.creates({ groups: ONE_GROUP });
    expect(await pending(story)).toEqual([]);
    await story.asks({ do: 'start' });
    expect(await pending(story)).toMatchObject([{ rollout: 'story', content: '2.0.0' }]);
  });

  it('is renamed', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.creates({ groups: ONE_GROUP });
    await story.asks({ do: 'amend', amendment: { name: 'other' } });
    expect(await story.now()).toMatchObject({ plan: { name: 'other' }, version: 2 });
    expect(await story.facts.sql(`SELECT name FROM rollouts WHERE id = $1`, [story.rolloutId])).toEqual([
      { name: 'other' },
    ]);
  });

  it('is deleted: its history stays, and its process ends', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.creates({ groups: ONE_GROUP });
    await deletes(story);
    expect(await story.now()).toBeUndefined();
    const events = await asTenant(pool, 'default', (tx) =>
      listRolloutEvents(tx, 'default', story.rolloutId, { pageSize: 10 }),
    );
    expect(events.items.map((one) => one.event)).toEqual(['created', 'deleted']);
    const [claimed] = await story.facts.sql<{ subject: string }>(`SELECT * FROM outbox WHERE subject = $1`, [
      story.rolloutId,
    ]);
    expect(claimed).toBeDefined();
    const poked: string[] = [];
    const engine = { poke: (ref: { rolloutId: string }) => Promise.resolve(void poked.push(ref.rolloutId)) };
    const mark = { receiver: 'workflow' as const, tenantId: 'default', subject: story.rolloutId, detail: 'rollout' };
    await pokeRollouts(
      pool,
      engine as unknown as Engine,
      [{ ...mark, generation: 1 } as unknown as Parameters<typeof pokeRollouts>[2][number]],
      Date.now,
    );
    expect(poked).toEqual([story.rolloutId]);
    expect((await story.settles()).outcome).toBe('deleted');
  });
});

describe('A rollout', () => {
  it('that runs is not deleted, and one that has ended is', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.starts({ groups: ONE_GROUP });
    await expect(deletes(story)).rejects.toMatchObject({
      code: 'ROLLOUT_STATE',
      message: expect.stringContaining('abort it'),
    });
    await story.asks({ do: 'abort', because: null, cancelOpen: false });
    const [target] = await story.targets();
    await story.begins(target!.deviceId, target!.installationId!);
    await story.report([target!], { type: 'accepted' });
    await story.settles();
    await expect(deletes(story)).rejects.toMatchObject({
      message: expect.stringMatching(/1 installation has not ended/),
    });
    await story.report([target!], { type: 'installed' });
    await story.settles();
    await deletes(story);
    // What it installed stays, and so does what came by it.
    expect(await story.facts.sql(`SELECT state FROM installations WHERE rollout_id = $1`, [story.rolloutId])).toEqual([
      { state: 'installed' },
    ]);
  });

  it('R8 that is paused twice for other reasons says both, and resumes at once', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.starts({ groups: ONE_GROUP });
    for (const because of ['the vendor called', 'a storm', 'a storm'])
      await story.asks({ do: 'pause', because }, 'key:bob');
    const { facts, because } = await story.now();
    expect([facts.pauses.length, because]).toEqual([1, 'Paused: the vendor called; a storm (operator).']);
    expect(await story.told('pause')).toEqual(['pause', 'pause']);
    expect((await story.asks({ do: 'resume', reason: 'operator' })).facts.pauses).toEqual([]);
  });

  it('has every reason to pause in its history: also those with a "; ", and those for which its sentence has no room', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.starts({ groups: ONE_GROUP });
    const say = async (because: string) => story.asks({ do: 'pause', because }, 'key:bob');
    for (const because of ['a storm; no one is there', 'a storm; no one is there', 'a storm']) await say(because);
    expect((await story.now()).because).toBe('Paused: a storm; no one is there (operator).');
    expect(await story.told('pause')).toEqual(['pause']);
    await say('x'.repeat(990));
    await say('it burns');
    const told = await story.facts.sql<{ data: { because: string } }>(
      `SELECT data FROM history WHERE rollout_id = $1 AND event = 'pause' ORDER BY entry`,
      [story.rolloutId],
    );
    expect(told.map(({ data }) => data.because)).toEqual(['a storm; no one is there', 'x'.repeat(990), 'it burns']);
  });

  it('that two stop rules pause says what both found', async () => {
    const story = await Story.given(pool, { online: 4 });
    await story.starts({
      groups: ONE_GROUP,
      stopIf: [
        { outcome: 'failed', share: 0.1, after: 1, then: 'pause' },
        { outcome: 'any', share: 0.5, after: 2, then: 'pause' },
      ],
    });
    await story.fail(1);
    await story.settles();
    await story.fail(1);
    await story.settles();
    const [pause] = (await story.now()).facts.pauses;
    expect(pause!.because).toMatch(/^1 of 1 installation failed; .*; 2 of 2 installations failed, were rejected or/);
  });
});
