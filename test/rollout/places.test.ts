import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openPool, type Pool } from '../../store/db/pool.js';
import type { TargetView } from '../../store/rollouts/view.js';
import { createTestDatabase } from '../support/database.js';
import { expectCountersOfTargets, ONE_GROUP, Story } from './story.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('places under the cap');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const CAP_OF_ONE = { groups: ONE_GROUP, pace: { maxInFlight: 1 }, stopIf: [] };

/** An installation by hand executes on the device, and stays at its gate until it is reported to have ended. */
async function holdsUp(story: Story, device: string, slot = 'firmware') {
  const by = await story.facts.install(device, await story.facts.firmware('9', '1.1.0'), { gate: 'hold', slot });
  await story.begins(device, by.id);
  const target = { deviceId: device, installationId: by.id } as TargetView;
  return {
    ends: () => story.report([target], { type: 'failed', error: { code: 'INCOMPATIBLE', message: 'wrong board' } }),
  };
}

/** The processes of what is open ask for their turn, and each look of the rollout follows. */
const processes = async (story: Story) => {
  const open = await story.targets({ state: ['queued', 'inFlight'] });
  for (const one of [...open, ...(await story.goingBack())]) await story.begins(one.deviceId, one.installationId!);
  await story.settles();
};
/** A rollout of one group with a cap of one, and its targets in the order of their turn. */
const inOrder = async (story: Story) => {
  await story.creates(CAP_OF_ONE);
  const devices = (await story.targets()).map((one) => one.deviceId);
  const starts = async () => {
    await story.asks({ do: 'start' });
    await story.settles();
    await processes(story);
  };
  return { devices, starts };
};
const offered = async (story: Story) =>
  (
    await story.facts.sql(
      `SELECT 1 FROM installations WHERE rollout_id = $1 AND revision IS NOT NULL AND ended_at IS NULL`,
      [story.rolloutId],
    )
  ).length;

describe('A target that is queued behind another installation', () => {
  it('takes no place of the cap: the others go on, and the sentence names it', async () => {
    const story = await Story.given(pool, { online: 4 });
    const { devices, starts } = await inOrder(story);
    await holdsUp(story, devices[0]!);
    await holdsUp(story, devices[1]!, 'bootloader');
    await starts();
    for (let ended = 0; ended < 2; ended += 1) {
      await story.succeed();
      await story.settles();
      await processes(story);
    }
    expect(await story.counters()).toEqual({ all: { installed: 2, queued: 2 } });
    expect((await story.settles()).waitingOn).toMatch(
      /^Waiting for 2 installations queued behind others on their devices/,
    );
  });

  it('takes one at its turn, or waits for one: the cap holds', async () => {
    const story = await Story.given(pool, { online: 2 });
    const { devices, starts } = await inOrder(story);
    const first = await holdsUp(story, devices[0]!);
    await starts();
    expect(await story.counters()).toEqual({ all: { queued: 1, inFlight: 1 } });
    await processes(story);
    await first.ends();
    await processes(story);
    expect([await story.counters(), await offered(story)]).toEqual([{ all: { queued: 1, inFlight: 1 } }, 1]);
    await story.succeed();
    await story.settles();
    await processes(story);
    expect([await story.counters(), await offered(story)]).toEqual([{ all: { installed: 1, inFlight: 1 } }, 1]);
    await story.succeed();
    expect((await story.settles()).outcome).toBe('finished');
  });

  it('holds up no other installation of its device while it waits for a place', async () => {
    const story = await Story.given(pool, { online: 2 });
    const { devices, starts } = await inOrder(story);
    const first = await holdsUp(story, devices[0]!);
    await starts();
    await first.ends();
    const byHand = await holdsUp(story, devices[0]!, 'configuration');
    await story.succeed();
    await story.settles();
    // A place is there, and the turn is not: it is given back at once.
    expect(await story.counters()).toEqual({ all: { installed: 1, queued: 1 } });
    await byHand.ends();
    await story.settles();
    expect(await story.counters()).toEqual({ all: { installed: 1, inFlight: 1 } });
  });

  it('is not offered while the rollout is paused, and is when it is resumed', async () => {
    const story = await Story.given(pool, { online: 1 });
    const first = await holdsUp(story, story.devices[0]!);
    await story.starts(CAP_OF_ONE);
    await story.asks({ do: 'pause', because: null });
    await first.ends();
    await story.settles();
    await processes(story);
    expect([await story.counters(), await offered(story)]).toEqual([{ all: { queued: 1 } }, 0]);
    await story.asks({ do: 'resume', reason: null });
    await story.settles();
    await processes(story);
    expect(await offered(story)).toBe(1);
  });

  it('R12 ends at once where the rollout is aborted', async () => {
    const story = await Story.given(pool, { online: 1 });
    await holdsUp(story, story.devices[0]!);
    await story.starts(CAP_OF_ONE);
    await story.asks({ do: 'abort', because: null, cancelOpen: false });
    expect((await story.settles()).outcome).toBe('aborted');
    expect(await story.counters()).toEqual({ all: { canceled: 1 } });
  });

  it('takes none on the way back either, and is given up where that takes too long', async () => {
    const story = await Story.given(pool, { online: 3 });
    await story.starts({
      groups: ONE_GROUP,
      timeouts: { target: 'PT1H', offer: 'PT1M', download: 'PT1M', install: 'PT1M' },
    });
    await story.succeed();
    const held = [];
    for (const device of story.devices.slice(0, 2)) held.push(await holdsUp(story, device, 'bootloader'));
    await story.facts.sql(`UPDATE rollouts SET plan = jsonb_set(plan, '{pace,maxInFlight}', '1') WHERE id = $1`, [
      story.rolloutId,
    ]);
    await story.asks({ do: 'rollback', because: null });
    await story.settles();
    await processes(story);
    const states = async () => (await story.targets()).map((one) => one.back!.state).sort();
    // Where the one that can move comes first, the others are admitted once it has its place no more.
    expect((await states()).filter((state) => state === 'inFlight')).toEqual(['inFlight']);
    for (const one of (await story.goingBack()).filter(({ back }) => back!.state === 'inFlight'))
      await story.report([one], { type: 'installed' });
    await story.settles();
    await processes(story);
    expect(await states()).toEqual(['done', 'queued', 'queued']);
    await held[0]!.ends();
    await story.settles();
    expect(await states()).toEqual(['done', 'inFlight', 'queued']);
    for (const one of (await story.goingBack()).filter(({ back }) => back!.state === 'inFlight'))
      await story.report([one], { type: 'installed' });
    await story.facts.sql(
      `UPDATE rollouts SET rolling_back = jsonb_set(rolling_back, '{at}', to_jsonb((rolling_back->>'at')::bigint - 3600001)) WHERE id = $1`,
      [story.rolloutId],
    );
    expect((await story.settles()).outcome).toBe('aborted');
    expect(await states()).toEqual(['done', 'done', 'failed']);
  });
});

describe('A device that does not take its offer', () => {
  /** Whose turn it was, in order, where `ignores` never accepts; it ends after so many offers. */
  async function turns(heard: boolean, most: number) {
    const story = await Story.given(pool, { online: 3 });
    await story.starts({ ...CAP_OF_ONE, retry: { maxAttempts: 2 } });
    const order: [who: 'silent' | 'other', attempt: number][] = [];
    const [first] = await story.inFlight();
    for (; order.length < most; await story.settles()) {
      const [target] = await story.inFlight();
      if (!target) break;
      const isSilent = target.deviceId === first!.deviceId;
      order.push([isSilent ? 'silent' : 'other', target.attempt]);
      await story.begins(target.deviceId, target.installationId!);
      if (!isSilent) await story.succeed();
      else {
        if (heard) await story.isHeard(target.deviceId);
        await story.offerLapses(target);
      }
    }
    return { story, order };
  }

  it('goes behind those that had no try', async () => {
    const { story, order } = await turns(true, 10);
    expect(order).toEqual([
      ['silent', 1],
      ['other', 1],
      ['other', 1],
      ['silent', 2],
    ]);
    expect(await story.counters()).toEqual({ all: { installed: 2, timedOut: 1 } });
  });

  it('spends no attempt where nothing was heard of it', async () => {
    const { story, order } = await turns(false, 8);
    expect(order.slice(0, 3).map(([who]) => who)).toEqual(['silent', 'other', 'other']);
    expect(order.slice(3)).toEqual(Array.from({ length: 5 }, () => ['silent', 1]));
    expect((await story.targets({ state: ['inFlight'] }))[0]).toMatchObject({ attempt: 1 });
  });

  it('is heard also within ten seconds of what it said before', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.starts(CAP_OF_ONE);
    const [target] = await story.inFlight();
    await story.isHeard(target!.deviceId);
    await story.begins(target!.deviceId, target!.installationId!);
    await story.isHeard(target!.deviceId);
    await story.offerLapses(target!);
    expect((await story.targets())[0]).toMatchObject({
      state: 'pending',
      attempt: 1,
      because: 'attempt 1: the offer was not accepted in time and was withdrawn',
    });
  });

  it('goes behind those of a later group, too', async () => {
    const story = await Story.given(pool, { online: 4 });
    const gate = { minSuccess: 0.5, minSample: 1 };
    await story.starts({ ...CAP_OF_ONE, groups: [{ name: 'a', count: 2, gate }, { name: 'b' }] });
    const [silent] = await story.inFlight();
    await story.begins(silent!.deviceId, silent!.installationId!);
    await story.isHeard(silent!.deviceId);
    await story.offerLapses(silent!);
    const groups: (string | null)[] = [];
    for (let turn = 0; turn < 4; turn += 1) {
      await story.settles();
      groups.push(...(await story.inFlight()).map((one) => `${one.group}${one.attempt}`));
      await processes(story);
      await story.succeed();
    }
    expect(groups).toEqual(['a1', 'b1', 'b1', 'a2']);
  });
});

describe('After places were given', () => {
  it('R5 the counters say what the targets are', () => expectCountersOfTargets(pool));
});
