import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openPool, type Pool } from '../../store/db/pool.js';
import { createTestDatabase } from '../support/database.js';
import { ONE_GROUP, Story } from './story.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('rules at the turn');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

/** A device on which an installation of 3.0.0 executes, with that of a rollout of 2.0.0 behind it. */
async function behind(version: string, plan: Record<string, unknown> = {}) {
  const story = await Story.given(pool, { online: 1 });
  const [device] = story.devices;
  const first = await story.facts.install(device!, await story.facts.firmware('3', version));
  await story.begins(device!, first.id);
  await story.starts({ groups: ONE_GROUP, ...plan });
  const [target] = await story.targets();
  await story.begins(device!, target!.installationId!);
  expect(await story.counters()).toEqual({ all: { queued: 1 } });
  const ends = async () => {
    await story.report([{ ...target!, installationId: first.id }], { type: 'installed' });
    // Its rollout gives it a place, and its process asks for its turn.
    await story.settles();
    await story.begins(device!, target!.installationId!);
  };
  return { story, ends };
}

describe('Rules of admission, when the turn of a queued installation comes', () => {
  it('skip a device that holds newer content by then', async () => {
    const { story, ends } = await behind('3.0.0');
    await ends();
    expect((await story.settles()).outcome).toBe('finished');
    expect((await story.targets())[0]).toMatchObject({
      state: 'skipped',
      because: expect.stringContaining('holds 3.0.0, which is newer than 2.0.0'),
    });
  });

  it('skip a device that names no version where its digest is that of a newer firmware', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.facts.firmware('e', '3.0.0');
    await story.hello(story.devices[0]!, { version: null, sha256: 'e'.repeat(64) });
    await story.starts({ groups: ONE_GROUP });
    expect((await story.targets())[0]).toMatchObject({
      state: 'skipped',
      because: expect.stringContaining('holds 3.0.0, which is newer than 2.0.0'),
    });
  });

  it('reject a device that holds a version without an order to the wanted one', async () => {
    const { story, ends } = await behind('nightly');
    await ends();
    expect((await story.settles()).outcome).toBe('finished');
    expect((await story.targets())[0]).toMatchObject({
      state: 'rejected',
      because: expect.stringContaining('holds nightly, which cannot be compared with 2.0.0'),
    });
  });

  it('let a downgrade through that the plan allows', async () => {
    const { story, ends } = await behind('3.0.0', { allowDowngrade: true });
    await ends();
    expect(await story.counters()).toEqual({ all: { inFlight: 1 } });
  });

  it('let through what is newer than what went first', async () => {
    const { story, ends } = await behind('1.5.0');
    await ends();
    expect(await story.counters()).toEqual({ all: { inFlight: 1 } });
  });

  it('reject where the firmware was taken from the slot meanwhile: no stop rule counts it', async () => {
    const { story, ends } = await behind('1.5.0', {
      stopIf: [{ outcome: 'any', share: 0.1, after: 1, then: 'abort' }],
    });
    await story.disassociates();
    await ends();
    await story.settles();
    expect(await story.counters()).toEqual({ all: { rejected: 1 } });
    expect((await story.now()).facts).toMatchObject({ aborted: null, groups: [{ unattempted: { rejected: 1 } }] });
  });

  it('leave a device alone on its way back that got other content by hand meanwhile', async () => {
    const story = await Story.given(pool, { online: 1 });
    const [device] = story.devices;
    await story.starts({ groups: ONE_GROUP });
    await story.succeed();
    const first = await story.facts.install(device!, await story.facts.firmware('4', '3.0.0'));
    await story.begins(device!, first.id);
    await story.asks({ do: 'rollback', because: null });
    await story.settles();
    const [back] = await story.goingBack();
    await story.begins(device!, back!.installationId!);
    await story.report([{ ...back!, installationId: first.id }], { type: 'installed' });
    await story.begins(device!, back!.installationId!);
    expect((await story.settles()).outcome).toBe('aborted');
    expect((await story.targets())[0]!.back).toMatchObject({
      state: 'failed',
      because: 'its slot holds other content now, which stays',
    });
    expect(await story.counters()).toEqual({ all: { superseded: 1 } });
  });
});
