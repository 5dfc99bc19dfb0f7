import { planNext } from '../domain/rollout/planner.js';
import type { Planned } from '../domain/rollout/steps.js';
import { wakeSender } from '../store/outbox/outbox.js';
import type { Pool } from '../store/db/pool.js';
import { lockRollout, observe } from '../store/commands/observe.js';
import { writeRolloutStatus } from '../store/rollouts/rows.js';
import { asService } from '../store/db/transaction.js';
import { execute } from './rollout-steps.js';

/** Names one rollout (workflows/messages.ts). */
interface Ref {
  readonly tenantId: string;
  readonly rolloutId: string;
}

/** What a tick came to. It stands in workflow histories: members may be added, never renamed. */
export interface Tick {
  /** The rollout has ended, and its process with it. */
  readonly done: boolean;
  readonly outcome: 'finished' | 'aborted' | 'deleted' | null;
  /** One sentence for the Temporal UI, the same as the API's `waitingOn`. */
  readonly waitingOn: string;
  /** Epoch milliseconds at which to tick again; null = only a poke moves it. */
  readonly until: number | null;
}

export interface RolloutActivities {
  /** Observe, plan, execute the first step, and again until there is nothing to do; each step is one transaction. */
  tick(ref: Ref): Promise<Tick>;
}

/**
 * A tick that finds more and more to do comes back to its workflow, so that the engine sees it progress. Well below the
 * activity's deadline.
 */
const TICK_MS = 5_000;

/** A rollout that waits for news looks for itself at least so often: a poke that was lost costs no more. */
const LOOK_AGAIN_MS = 5 * 60_000;

export function createRolloutActivities({ pool }: { readonly pool: Pool }): RolloutActivities {
  /** One look, and at most one step. @returns undefined while there is more to do. */
  const step = ({ tenantId, rolloutId }: Ref): Promise<Tick | undefined> =>
    asService(pool, async (tx) => {
      const locked = await lockRollout(tx, tenantId, rolloutId);
      if (!locked) return GONE;
      const { now } = locked;
      const rollout = await observe(tx, locked.rollout, now);
      const planned = planNext(rollout.facts, rollout.plan, now);
      const [first] = planned.steps;
      if (first) {
        await execute(first, { tx, rollout, now });
        if (first.do === 'admit' || first.do === 'stop_open' || first.do === 'admit_back') await wakeSender(tx);
        return undefined;
      }
      const tick = tickOf(planned, now, rollout.facts.startedAt !== null);
      await writeRolloutStatus(tx, rollout, tick.done ? null : tick.waitingOn, tick.until, now);
      return tick;
    });

  return {
    async tick(ref) {
      for (const end = Date.now() + TICK_MS; Date.now() < end;) {
        const tick = await step(ref);
        if (tick) return tick;
      }
      return { done: false, outcome: null, waitingOn: 'Running its next steps.', until: Date.now() };
    },
  };
}

const GONE: Tick = { done: true, outcome: 'deleted', waitingOn: '', until: null };

function tickOf({ outcome, waitingOn }: Planned, now: number, running: boolean): Tick {
  if (outcome !== null) return { done: true, outcome, waitingOn: `Ended: ${outcome}.`, until: null };
  const until = waitingOn!.until;
  return {
    done: false,
    outcome: null,
    waitingOn: waitingOn!.sentence,
    until: running ? Math.min(until ?? Infinity, now + LOOK_AGAIN_MS) : until,
  };
}
