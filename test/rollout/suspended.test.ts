import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { changeTenant } from '../../store/commands/tenants.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asService } from '../../store/db/transaction.js';
import { record } from '../../store/record.js';
import type { TargetView } from '../../store/rollouts/view.js';
import { createTestDatabase } from '../support/database.js';
import { until } from '../support/until.js';
import { expectCountersOfTargets, ONE_GROUP, Story } from './story.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await createTestDatabase('suspended tenants');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

/** The stories are about the first tenant, which the API never suspends. */
const suspend = () => pool.query(`UPDATE tenants SET state = 'suspended' WHERE id = 'default'`);
const resume = () => asService(pool, (tx) => changeTenant(tx, 'default', { state: 'active' }));
beforeEach(async () => void (await resume()));

const SUSPENDED = /^Waiting for the tenant, which is suspended, to be active again/;
const stateOf = async (story: Story, id: string) => {
  const [row] = await story.facts.sql(`SELECT state, executing, place FROM installations WHERE id = $1`, [id]);
  return row;
};
const marks = async (story: Story, subject: string): Promise<unknown[]> =>
  (
    await story.facts.sql(`SELECT detail FROM outbox WHERE receiver = 'workflow' AND subject = $1 ORDER BY 1`, [
      subject,
    ])
  ).map((row) => row['detail']);
const ended = (deviceId: string, installationId: string): [TargetView] => [{ deviceId, installationId } as TargetView];

describe('While its tenant is suspended, a rollout', () => {
  it('admits no device, keeps results, says what it waits for, and continues once the tenant is active', async () => {
    const story = await Story.given(pool, { online: 3 });
    await story.starts({ groups: ONE_GROUP, pace: { maxInFlight: 1 }, stopIf: [] });
    await suspend();
    await story.succeed();
    const at = await story.settles();
    expect(at.waitingOn).toMatch(SUSPENDED);
    expect((await story.now()).waitingOn).toMatch(SUSPENDED);
    expect(await story.counters()).toEqual({ all: { installed: 1, pending: 2 } });
    await story.facts.sql('DELETE FROM outbox');
    await resume();
    expect(await marks(story, story.rolloutId)).toEqual(['rollout']);
    await story.settles();
    expect(await story.counters()).toEqual({ all: { installed: 1, inFlight: 1, pending: 1 } });
    await expectCountersOfTargets(pool);
  });

  it('R14 does not begin, opens no group, and gives no place to what is queued', async () => {
    const story = await Story.given(pool, { online: 2 });
    await story.creates({ groups: [{ name: 'one', count: 1 }, { name: 'rest' }] });
    await suspend();
    await story.asks({ do: 'start' });
    expect((await story.settles()).waitingOn).toMatch(SUSPENDED);
    expect((await story.now()).facts.startedAt).toBeNull();
    await resume();
    await story.settles();
    await suspend();
    await story.succeed();
    expect((await story.settles()).waitingOn).toMatch(SUSPENDED);
    expect((await story.now()).facts.groups.map((group) => group.openedAt !== null)).toEqual([true, false]);
  });

  it('rolls nothing back', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.starts({ groups: ONE_GROUP });
    await story.succeed();
    await story.asks({ do: 'rollback' } as Parameters<Story['asks']>[0]);
    await suspend();
    expect((await story.settles()).waitingOn).toMatch(SUSPENDED);
    expect(await story.goingBack()).toEqual([]);
    await resume();
    await story.settles();
    expect(await story.goingBack()).toHaveLength(1);
  });
});

describe('While its tenant is suspended, an installation', () => {
  /** One executes on the device, and two more wait behind it. */
  async function line() {
    const story = await Story.given(pool, { online: 1 });
    const device = story.devices[0]!;
    const install = async (content: string, version: string) =>
      (await story.facts.install(device, await story.facts.firmware(content, version))).id;
    const first = await install('1', '1.1.0');
    await story.begins(device, first);
    const second = await install('2', '1.2.0');
    await story.begins(device, second);
    const third = await install('3', '1.3.0');
    return { story, device, first, second, third };
  }

  it('I18 that was offered continues to its end, and none gets the turn after it', async () => {
    const { story, device, first, second, third } = await line();
    await suspend();
    await story.report(ended(device, first), { type: 'installed' });
    expect(await stateOf(story, first)).toMatchObject({ state: 'installed' });
    for (const id of [second, third]) {
      await story.begins(device, id);
      expect(await stateOf(story, id)).toEqual({ state: 'queued', executing: false, place: 'has' });
    }
    await story.facts.sql('DELETE FROM outbox');
    await resume();
    for (const id of [first, second, third])
      expect([id, await marks(story, id)]).toEqual([id, id === first ? [] : ['ask again']]);
    // Whichever asks first, the order is that of the line.
    await story.begins(device, third);
    expect(await stateOf(story, second)).toMatchObject({ state: 'delivered', executing: true });
    expect(await stateOf(story, third)).toMatchObject({ state: 'queued', executing: false });
  });

  it('that had its turn, and was not offered yet, gives the turn back', async () => {
    const { story, device, first, second } = await line();
    await story.report(ended(device, first), { type: 'installed' });
    expect(await stateOf(story, second)).toMatchObject({ state: 'queued', executing: true });
    await suspend();
    await story.begins(device, second);
    expect(await stateOf(story, second)).toMatchObject({ state: 'queued', executing: false });
    await resume();
    await story.begins(device, second);
    expect(await stateOf(story, second)).toMatchObject({ state: 'delivered', executing: true });
  });

  it('of a rollout takes no place, and asks for one when the tenant is active', async () => {
    const story = await Story.given(pool, { online: 1 });
    await story.creates({ groups: ONE_GROUP });
    await story.asks({ do: 'start' });
    await story.settles();
    const [target] = await story.targets();
    await suspend();
    await story.begins(target!.deviceId, target!.installationId!);
    expect(await story.counters()).toEqual({ all: { queued: 1 } });
    await resume();
    await story.begins(target!.deviceId, target!.installationId!);
    await story.settles();
    await story.begins(target!.deviceId, target!.installationId!);
    expect(await stateOf(story, target!.installationId!)).toMatchObject({ state: 'delivered', place: 'has' });
    expect(await story.counters()).toEqual({ all: { inFlight: 1 } });
    await expectCountersOfTargets(pool);
  });

  it('that is left waiting at the moment of the change is asked again too', async () => {
    const story = await Story.given(pool, { online: 1 });
    const device = story.devices[0]!;
    const { id } = await story.facts.install(device, await story.facts.firmware('4', '1.4.0'));
    await suspend();
    let commits = (): void => undefined;
    const mayCommit = new Promise<void>((resolve) => (commits = resolve));
    let hasDecided = (): void => undefined;
    const decided = new Promise<void>((resolve) => (hasDecided = resolve));
    const from = { kind: 'process' as const };
    const begin = { tenantId: 'default', deviceId: device, from, kind: 'event' as const, installationId: id };
    const leaves = asService(pool, async (tx) => {
      await record(tx, [{ ...begin, event: { type: 'begin' } }], Date.now());
      hasDecided();
      await mayCommit;
    });
    await decided;
    const resumes = resume();
    await until('the change waits', async () => {
      const waiting = await story.facts.sql(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`);
      return waiting.length > 0;
    });
    commits();
    await Promise.all([leaves, resumes]);
    expect(await marks(story, id)).toContain('ask again');
  });
});
