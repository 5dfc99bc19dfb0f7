import { eventOfStep } from '../domain/webhook/event-names.js';
import { applyStep } from '../domain/rollout/apply.js';
import type { Step, StepKind } from '../domain/rollout/steps.js';
import { writeHistory } from '../store/history/history.js';
import type { Tx } from '../store/db/pool.js';
import { admit, givePlaces } from '../store/commands/admit.js';
import { admitRollback, giveUpRollback, prepareRollback, stopRollback } from '../store/commands/admit-rollback.js';
import { saveRollout, type StoredRollout } from '../store/rollouts/rows.js';
import { stopOpen } from '../store/commands/stop-open.js';
import { sweepPage } from '../store/commands/sweep.js';
import { askHeld, concludeHeld, endPending, materialisePage } from '../store/rollouts/targets.js';

/** What a step needs to be done: the rollout as it was observed, under its lock. */
export interface StepContext {
  readonly tx: Tx;
  readonly rollout: StoredRollout;
  readonly now: number;
}

/** What a step did beyond the facts, for the history; undefined = nothing worth reading about. */
type StepReport = Record<string, unknown> | undefined;

type Executors = { [K in StepKind]: (step: Extract<Step, { do: K }>, context: StepContext) => Promise<StepReport> };

/** A step whose whole effect is on the facts. */
const ON_FACTS = async (step: Step): Promise<StepReport> => {
  return Object.fromEntries(Object.entries(step).filter(([member]) => member !== 'do'));
};

function positionOf({ facts }: StoredRollout, name: string): number {
  return facts.groups.findIndex((group) => group.name === name);
}

/** A new kind of step does not compile without its executor. Pages of the same step are one line of history each. */
const EXECUTORS: Executors = {
  materialise: async (_, { tx, rollout, now }) => {
    await materialisePage(tx, rollout, now);
    return undefined;
  },
  begin: ON_FACTS,
  fire_rule: ON_FACTS,
  open_group: async (step, { tx, rollout }) => {
    await askHeld(tx, rollout, positionOf(rollout, step.group));
    return { group: step.group };
  },
  conclude_held: async ({ group }, { tx, rollout, now }) => {
    const targets = await concludeHeld(tx, rollout, positionOf(rollout, group), now);
    return targets > 0 ? { group, targets } : undefined;
  },
  soak: ON_FACTS,
  ask_approval: ON_FACTS,
  pass_group: ON_FACTS,
  fail_group: ON_FACTS,
  admit: async ({ group, count }, { tx, rollout, now }) => {
    const position = rollout.facts.groups.findIndex((one) => one.name === group);
    const done = await admit(tx, rollout, position, count, now);
    return { group, ...done };
  },
  give_places: async ({ count }, { tx, rollout, now }) => ({ targets: await givePlaces(tx, rollout, count, now) }),
  sweep: async (_, { tx, rollout, now }) => {
    const { joined, left } = await sweepPage(tx, rollout, now);
    return joined + left > 0 ? { joined, left } : undefined;
  },
  prepare_back: async (_, { tx, rollout }) => ({ targets: await prepareRollback(tx, rollout) }),
  admit_back: async ({ group, count }, { tx, rollout, now }) => {
    const position = rollout.facts.groups.findIndex((one) => one.name === group);
    return { group, ...(await admitRollback(tx, rollout, position, count, now)) };
  },
  give_up_back: async ({ because }, { tx, rollout }) => ({
    because,
    targets: await giveUpRollback(tx, rollout, because),
  }),
  stop_back: async ({ because }, { tx, rollout, now }) => ({
    because,
    installations: await stopRollback(tx, rollout, because, now),
  }),
  rolled_back: ON_FACTS,
  end: ON_FACTS,
  end_pending: async ({ groups, as, because }, { tx, rollout, now }) => ({
    ...(groups ? { groups } : {}),
    as,
    because,
    targets: await endPending(tx, rollout, groups, as, because, now),
  }),
  stop_open: async ({ groups, only, as, because }, { tx, rollout, now }) => ({
    ...(groups ? { groups } : {}),
    as,
    because,
    installations: await stopOpen(tx, rollout, groups, only, as, because, now),
  }),
  abort: ON_FACTS,
  finish: ON_FACTS,
  close: ON_FACTS,
};

/**
 * Executes a step in the caller's transaction: what it does to targets, what it makes of the facts, and one entry of
 * history with what the planner saw, what it decided, and under which version of the plan.
 */
export async function execute(step: Step, context: StepContext): Promise<void> {
  const { tx, rollout, now } = context;
  const done = await (EXECUTORS[step.do] as (step: Step, context: StepContext) => Promise<StepReport>)(step, context);
  const facts = applyStep(rollout.facts, step, now);
  if (facts !== rollout.facts) await saveRollout(tx, rollout, { ...rollout, facts }, now);
  if (done && step.do !== 'materialise')
    await writeHistory(tx, [
      {
        tenantId: rollout.tenantId,
        rolloutId: rollout.id,
        at: now,
        event: eventOfStep(step.do),
        data: { by: 'planner', version: rollout.version, ...done, saw: observedCounters(rollout) },
      },
    ]);
}

/** What the planner saw, as short as it can be: the counters of the groups that are open. */
function observedCounters({ facts }: StoredRollout): Record<string, unknown> {
  return Object.fromEntries(
    facts.groups
      .filter((group) => group.openedAt !== null)
      .map((group) => [
        group.name,
        Object.fromEntries(Object.entries(group.counters).filter(([, count]) => count > 0)),
      ]),
  );
}
