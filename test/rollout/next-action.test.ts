import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { holdLease, releaseLease } from '../../store/db/leases.js';
import { readInstallation } from '../../store/commands/create-installation.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';
import { defined } from '../../domain/defined.js';
import { createTestDatabase } from '../support/database.js';
import { Story } from './story.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;
const orchestrator = randomUUID();
beforeAll(async () => {
  database = await createTestDatabase('rollout next action');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterEach(() => releaseLease(pool, 'orchestrator', orchestrator));
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const DAY = 24 * 3_600_000;
const TARGETS = 30 * DAY;
const PLAN = { groups: [{ name: 'all' }], pace: { maxInFlight: 1 } };
/** An orchestrator answers for as long as the test takes. */
const answers = () => holdLease(pool, 'orchestrator', orchestrator, DAY);

describe('The next action of a rollout', () => {
  it('is not the next look of its process, while it runs and while it is paused', async () => {
    await answers();
    const story = await Story.given(pool, { online: 3 });
    await story.starts(PLAN);
    const tick = await story.settles();
    const { facts, nextActionAt } = await story.now();
    expect(nextActionAt).toBe(facts.groups[0]!.openedAt! + TARGETS);
    expect(tick.until).toBeLessThan(nextActionAt!);
    await story.asks({ do: 'pause', because: null });
    expect((await story.now()).nextActionAt).toBeNull();
    await story.settles();
    expect((await story.now()).nextActionAt).toBe(facts.groups[0]!.openedAt! + TARGETS);
  });

  it('is unknown while the orchestrator that was there does not answer, and its sentence says so', async () => {
    await answers();
    const story = await Story.given(pool, { online: 3 });
    await story.starts(PLAN);
    await story.settles();
    const before = await story.now();
    expect(before.waitingOn).toBe('Waiting for capacity: 1 of 1 in flight.');
    await releaseLease(pool, 'orchestrator', orchestrator); // as when it is frozen for longer than its lease
    const frozen = await story.now();
    expect(frozen.waitingOn).toBe(
      'Waiting for capacity: 1 of 1 in flight; no orchestrator answers: nothing moves, and no deadline is judged, until one does.',
    );
    expect(frozen.nextActionAt).toBeNull();
    const open = defined(
      (await story.targets()).find((one) => one.installationId !== null && one.installationId !== undefined),
      'one is in flight',
    );
    const see = () =>
      asTenant(pool, 'default', async (tx) =>
        defined(
          await readInstallation(tx, 'default', open.deviceId, defined(open.installationId, 'it has one')),
          'it is there',
        ),
      );
    expect(await see()).toMatchObject({
      nextActionAt: null,
      waitingOn: expect.stringMatching(/; no orchestrator answers: .* until one does\.$/),
    });
    await answers();
    expect((await story.now()).waitingOn).toBe(before.waitingOn);
    expect((await see()).waitingOn).not.toContain('orchestrator');
  });

  it('does not exist for a draft, which waits for a person also while no orchestrator answers', async () => {
    await answers();
    const story = await Story.given(pool, { online: 1 });
    await story.creates(PLAN);
    await story.settles();
    await releaseLease(pool, 'orchestrator', orchestrator);
    expect(await story.now()).toMatchObject({ waitingOn: 'Waiting to be started.', nextActionAt: null });
  });
});
