import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createRolloutActivities, type Tick } from '../../activities/rollout.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { Story } from '../rollout/story.js';
import { createTestDatabase } from '../support/database.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: Pool;

beforeAll(async () => {
  database = await createTestDatabase('rollout activities');
  pool = openPool({ databaseUrl: database.url, name: 'test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

interface Ref {
  readonly tenantId: string;
  readonly rolloutId: string;
}

async function started(): Promise<Ref> {
  const story = await Story.given(pool, { online: 3 });
  await story.creates({ groups: [{ name: 'canary', count: 1 }, { name: 'rest' }] });
  await story.asks({ do: 'start' });
  return { tenantId: 'default', rolloutId: story.rolloutId };
}

/** In the context that a worker gives to an activity. */
const workThrough = (ref: Ref, environment = new MockActivityEnvironment()) =>
  environment.run<[Ref], Tick, (ref: Ref) => Promise<Tick>>(
    (one) => createRolloutActivities({ pool }).workThrough(one),
    ref,
  );

describe('The activities of a rollout', () => {
  it('a tick says what it did, what it decided, and why', async () => {
    const ref = await started();
    const at = await createRolloutActivities({ pool }).tick(ref);
    expect(at.did).toEqual(expect.arrayContaining(['begin', 'open_group canary', 'admit canary']));
    expect(at).toMatchObject({ decision: 'wait', done: false, outcome: null });
    expect(at.because).toBe(at.waitingOn);
    expect(await createRolloutActivities({ pool }).tick(ref)).toMatchObject({ decision: 'wait', did: [] });
  });

  it('a tick leaves the rest to the long activity when its time is over', async () => {
    const ref = await started();
    const short = createRolloutActivities({ pool, tickMs: 0 });
    const first = await short.tick(ref);
    expect(first).toMatchObject({ decision: 'go_on', done: false, waitingOn: 'Running its next steps.' });
    expect(first.did).toHaveLength(1);
  });

  it('the long activity sends a heartbeat with what it did after each step', async () => {
    const ref = await started();
    const environment = new MockActivityEnvironment();
    const heartbeats: { did: string[] }[] = [];
    environment.on('heartbeat', (details: { did: string[] }) => heartbeats.push(details));
    const at = await workThrough(ref, environment);
    expect(at.decision).toBe('wait');
    expect(heartbeats.length).toBeGreaterThan(1);
    expect(heartbeats.at(-1)!.did).toEqual(at.did);
  });

  it('the long activity stops after the present step when it is cancelled, and the next one continues', async () => {
    const ref = await started();
    const environment = new MockActivityEnvironment();
    environment.on('heartbeat', () => environment.cancel());
    const cut = await workThrough(ref, environment);
    expect(cut).toMatchObject({ decision: 'go_on' });
    expect(cut.did).toHaveLength(1);
    const rest = await workThrough(ref);
    expect(rest.decision).toBe('wait');
    expect(rest.did).toContain('admit canary');
  });

  it('names a rollout that was deleted as gone', async () => {
    const ref = { tenantId: 'default', rolloutId: '123e4567-e89b-42d3-a456-426614174000' };
    expect(await createRolloutActivities({ pool }).tick(ref)).toMatchObject({
      decision: 'end',
      because: 'the rollout was deleted',
      outcome: 'deleted',
    });
  });
});
