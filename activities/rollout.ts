import { defined } from '../domain/defined.js';
import { Context } from '@temporalio/activity';
import { planNext } from '../domain/rollout/planner.js';
import type { Planned, Step, StepKind } from '../domain/rollout/steps.js';
import { wakeSender } from '../store/outbox/outbox.js';
import { databaseNow } from '../store/db/clock.js';
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
  /**
   * `wait`: for the time or for news. `go_on`: there is more to do than one tick takes. `end`: the rollout has ended.
   */
  readonly decision: 'wait' | 'go_on' | 'end';
  /** One sentence for people. */
  readonly because: string;
  /** The steps that were taken, in their order; pages of one kind are counted. */
  readonly did: readonly string[];
  /** The rollout has ended, and its process with it. */
  readonly done: boolean;
  readonly outcome: 'finished' | 'aborted' | 'deleted' | null;
  /** One sentence for the Temporal UI, the same as the API's `waitingOn`. */
  readonly waitingOn: string;
  /** Epoch milliseconds at which to tick again; null = only a poke moves it. */
  readonly until: number | null;
  /** Epoch milliseconds by the clock that `until` is of, when this was said; absent in histories of before. */
  readonly saidAt?: number;
}

/** What drives one rollout. Both may run twice: each step is decided anew from what is stored. */
export interface RolloutActivities {
  /**
   * Observe, plan, execute the first step, and again until there is nothing to do; each step is one transaction. It is
   * local to its workflow task, and so must be short: after two seconds it leaves the rest to `workThrough`.
   */
  tick(ref: Ref): Promise<Tick>;
  /** The same for as long as it takes, half a minute at a time, with a heartbeat after each step. */
  workThrough(ref: Ref): Promise<Tick>;
}

/** The clock is the database's, so none is given. */
export interface RolloutDependencies {
  readonly pool: Pool;
  /** How long a tick may go on, in milliseconds; absent = two seconds. Tests make it short. */
  readonly tickMs?: number;
}

/** A workflow task that takes more than 5 s is reported as slow, and lost after 10 s: a step may take a second more. */
const TICK_MS = 2_000;
/**
 * Long enough that what is left of a snapshot of 100,000 devices is a few entries of history, and people see it move.
 */
const WORK_MS = 30_000;
/** A rollout that waits for news looks for itself at least so often: a poke that was lost costs no more. */
const LOOK_AGAIN_MS = 5 * 60_000;

/** Steps after which processes of installations are to be told something, at once. */
const WAKING: ReadonlySet<StepKind> = new Set(['admit', 'give_places', 'stop_open', 'admit_back', 'stop_back']);

/** What was decided, without what was done on the way to it. */
type Decision = Omit<Tick, 'did'>;

/** Takes the lock of the rollout for each step and gives it back: people's commands come between. */
export function createRolloutActivities({ pool, tickMs = TICK_MS }: RolloutDependencies): RolloutActivities {
  /** One look, and at most one step. @returns the step, or what is to be done where there is no step. */
  const look = ({ tenantId, rolloutId }: Ref): Promise<Step | Decision> =>
    asService(pool, async (tx) => {
      const locked = await lockRollout(tx, tenantId, rolloutId);
      if (!locked) return GONE;
      const { now } = locked;
      const rollout = await observe(tx, locked.rollout, now);
      const planned = planNext(rollout.facts, rollout.plan, now);
      const [first] = planned.steps;
      if (first) {
        await execute(first, { tx, rollout, now });
        if (WAKING.has(first.do)) await wakeSender(tx);
        return first;
      }
      const decision = decisionOf(planned, now, rollout.facts.startedAt !== null);
      await writeRolloutStatus(
        tx,
        rollout,
        {
          waitingOn: decision.done ? null : decision.waitingOn,
          dueAt: decision.until,
          actsAt: planned.waitingOn?.actsAt ?? null,
        },
        now,
      );
      return decision;
    });

  async function steps(ref: Ref, mayGoOn: () => boolean, hasDone: (did: readonly string[]) => void): Promise<Tick> {
    const done: Step[] = [];
    do {
      const next = await look(ref);
      if ('decision' in next) return { ...next, did: namesOf(done) };
      done.push(next);
      hasDone(namesOf(done));
    } while (mayGoOn());
    return { ...GOES_ON, did: namesOf(done), until: databaseNow() };
  }

  return {
    tick(ref) {
      const end = performance.now() + tickMs;
      return steps(
        ref,
        () => performance.now() < end,
        () => undefined,
      );
    },

    workThrough(ref) {
      const context = Context.current();
      const end = performance.now() + WORK_MS;
      return steps(
        ref,
        // Told to stop (its worker ends, or its process was terminated): what is done is done, another one goes on.
        () => performance.now() < end && !context.cancellationSignal.aborted,
        (did) => context.heartbeat({ did }),
      );
    },
  };
}

const GONE: Decision = {
  decision: 'end',
  because: 'the rollout was deleted',
  done: true,
  outcome: 'deleted',
  waitingOn: '',
  until: null,
};
const GOES_ON: Omit<Decision, 'until'> = {
  decision: 'go_on',
  because: 'there is more to do than one tick takes',
  done: false,
  outcome: null,
  waitingOn: 'Running its next steps.',
};

function decisionOf({ outcome, waitingOn }: Planned, now: number, running: boolean): Decision {
  if (outcome !== null) {
    const sentence = `Ended: ${outcome}.`;
    return { decision: 'end', because: sentence, done: true, outcome, waitingOn: sentence, until: null };
  }
  const { sentence, until } = defined(waitingOn, 'a plan without a step says what it waits for (R4)');
  return {
    decision: 'wait',
    because: sentence,
    done: false,
    outcome: null,
    waitingOn: sentence,
    saidAt: now,
    until: running ? Math.min(until ?? Infinity, now + LOOK_AGAIN_MS) : until,
  };
}

/** More would be a page of its own in the Temporal UI. */
const MOST_NAMES = 20;

/** For people who read the history of a process: the whole of each step is in the rollout's own history. */
function namesOf(steps: readonly Step[]): string[] {
  const pages = new Map<string, number>();
  for (const step of steps) {
    const name = 'group' in step ? `${step.do} ${step.group}` : step.do;
    pages.set(name, (pages.get(name) ?? 0) + ('count' in step ? step.count : 1));
  }
  const names = [...pages].map(([name, count]) => (count === 1 ? name : `${name} × ${count}`));
  return names.length <= MOST_NAMES
    ? names
    : [...names.slice(0, MOST_NAMES - 1), `and ${names.length - MOST_NAMES + 1} more`];
}
