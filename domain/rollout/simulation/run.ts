import { defined } from '../../defined.js';
import { applyStep, withGroup } from '../apply.js';
import { endedOf, succeededOf, sumOf, type PauseReason, type Vote } from '../facts.js';
import { newFacts, newGroup } from '../new-facts.js';
import type { Plan } from '../plan.js';
import { planNext } from '../planner.js';
import type { Step, StepKind } from '../steps.js';
import { SimulatedFleet, type Observed } from './fleet.js';
import { at, type FleetModel } from './model.js';
import { seeded } from './random.js';

/** How one simulated rollout went. Times are milliseconds from its start on. */
export interface Run {
  /**
   * `failed`: it ended, and no device has the content. `paused`: it would wait for a person. `rolledBack`: it
   * would turn back, and what that takes is not simulated. `waiting`: nothing would ever happen to it again.
   */
  readonly outcome: 'finished' | 'failed' | 'aborted' | 'rolledBack' | 'paused' | 'waiting';
  readonly because: string | null;
  /** What it would wait at, where it is paused: `rule` is the key of a stop rule. */
  readonly pause: { readonly reason: PauseReason; readonly group: string | null; readonly rule: string | null } | null;
  readonly ended: number;
  readonly installedAt: readonly number[];
  readonly peakInFlight: number;
  readonly peakBytesPerSecond: number;
  readonly neverAdmitted: number;
  /** Keys of the stop rules that acted (stop-rules.ts). */
  readonly fired: readonly string[];
  /** What each group came to; null = that did not happen. */
  readonly groups: readonly {
    readonly opened: number | null;
    readonly passed: number | null;
    readonly failed: number | null;
    readonly sample: number;
  }[];
  /** How often the planner was asked: what the run cost. */
  readonly looks: number;
}

/**
 * News reach the planner of a real rollout so late, together with what came meanwhile ("poked at most once a second").
 */
const POKE_MS = 1_000;
/**
 * Where an installation takes long, news are gathered for a hundredth of that: a place under the cap stays free half as
 * long on the average, which makes a rollout half a percent longer than it is, and a run over 100,000 devices half as
 * dear.
 */
const POKE_SHARE = 0.01;
/**
 * A rollout of a million devices takes some two million; one that asks for ever more is a fault of the planner, and is
 * told as one.
 */
const MOST_LOOKS = 20_000_000;

type Executors = { [K in StepKind]: (step: Extract<Step, { do: K }>, run: Running) => void };

const ON_FACTS = (): void => undefined;

/**
 * What a step does to the fleet; what it makes of the facts is `applyStep`'s. A new kind of step does not compile
 * without its line.
 */
const EXECUTORS: Executors = {
  materialise: ON_FACTS,
  begin: ON_FACTS,
  fire_rule: ON_FACTS,
  open_group: ON_FACTS,
  // Those that hold it are known from the beginning.
  conclude_held: ON_FACTS,
  soak: ON_FACTS,
  ask_approval: ON_FACTS,
  pass_group: (step, run) => run.judged(step.group),
  fail_group: (step, run) => run.judged(step.group),
  admit: ({ group, count }, { fleet, plan }) =>
    fleet.admit(
      plan.groups.findIndex((one) => one.name === group),
      count,
    ),
  // No other installation is open on a simulated device: none is queued.
  give_places: ON_FACTS,
  end: ON_FACTS,
  end_pending: ({ as, groups }, { fleet }) => fleet.endPending(as, groups),
  stop_open: ({ only, as, groups }, { fleet }) => fleet.stopOpen(only, as, groups),
  abort: ON_FACTS,
  // A plan is simulated without devices that join later, and only up to where it would turn back.
  sweep: ON_FACTS,
  prepare_back: ON_FACTS,
  admit_back: ON_FACTS,
  give_up_back: ON_FACTS,
  stop_back: ON_FACTS,
  rolled_back: ON_FACTS,
  finish: ON_FACTS,
  close: ON_FACTS,
};

class Running {
  now: number;
  facts: Observed;
  looks = 0;
  readonly fleet: SimulatedFleet;
  private readonly poke: number;
  readonly samples: (number | undefined)[] = [];

  constructor(
    readonly plan: Plan,
    model: FleetModel,
    seed: number,
    readonly start: number,
  ) {
    this.now = start;
    this.poke = Math.max(POKE_MS, Math.round(POKE_SHARE * shortest(model)));
    this.fleet = new SimulatedFleet(plan, model, seeded(seed), start);
    const groups = plan.groups.map(({ name }, index) => {
      // Shared with the fleet, so that they are always true.
      const observed = this.fleet.groupFacts(index);
      return { ...newGroup(name, observed.size), ...observed };
    });
    this.facts = {
      ...newFacts(start, []),
      groups,
      startRequestedAt: start,
      approvals: votes(plan.approval.required, start),
    };
  }

  /**
   * Looks, and does what the planner says, until there is nothing to do. @returns until when it waits (null = for
   * news), or how it ended.
   */
  look(): { until: number | null } | { outcome: Run['outcome'] } {
    for (; this.looks < MOST_LOOKS; this.looks += 1) {
      this.fleet.observe(this.facts, this.now);
      const {
        steps: [step],
        waitingOn,
        outcome,
      } = planNext(this.facts, this.plan, this.now);
      if (outcome !== null) return { outcome: outcome === 'finished' && this.isInVain() ? 'failed' : outcome };
      if (this.facts.rollingBack) return { outcome: 'rolledBack' };
      if (!step) return this.waits(defined(waitingOn, 'a plan without steps waits for something (R4)').until);
      (EXECUTORS[step.do] as (step: Step, run: Running) => void)(step, this);
      this.facts = applyStep(this.facts, step, this.now);
      if (step.do === 'ask_approval') this.approve(step.group);
    }
    throw new Error(`the planner was asked ${MOST_LOOKS} times, and the rollout has not ended`);
  }

  private waits(until: number | null): { until: number | null } | { outcome: 'paused' } {
    this.looks += 1;
    return this.facts.pauses.length > 0 ? { outcome: 'paused' } : { until };
  }

  /** Runs the fleet until the planner must look. @returns false where it never must. */
  live(until: number | null): boolean {
    // A time that has passed changes nothing any more.
    let due = until !== null && until > this.now ? until : Infinity;
    while (this.fleet.nextAt <= due) {
      const time = this.fleet.nextAt;
      const happened = this.fleet.step();
      if (happened !== 'nothing') due = Math.min(due, happened === 'due' ? time : time + this.poke);
    }
    if (due < Infinity) this.now = Math.max(due, this.now);
    return due < Infinity;
  }

  /** It ended, and none of its devices has the content. */
  private isInVain(): boolean {
    const counters = sumOf(this.facts.groups);
    return endedOf(counters) > 0 && succeededOf(counters) === 0;
  }

  judged(group: string): void {
    const index = this.plan.groups.findIndex((one) => one.name === group);
    this.samples[index] = this.fleet.sampleOf(index);
  }

  private approve(group: string): void {
    const approval = this.plan.groups.find((one) => one.name === group)?.approval;
    this.facts = withGroup(this.facts, group, { approvals: votes(approval?.required ?? 0, this.now) });
  }
}

/** One rollout by this plan over such a fleet, from `start` (epoch milliseconds) on. The same seed gives the same. */
export function simulateOnce(plan: Plan, model: FleetModel, seed: number, start: number): Run {
  const run = new Running(plan, model, seed, start);
  for (;;) {
    const looked = run.look();
    if ('outcome' in looked) return result(run, looked.outcome);
    if (!run.live(looked.until)) return result(run, 'waiting');
  }
}

function result({ fleet, facts, samples, looks, now }: Running, outcome: Run['outcome']): Run {
  const begun = facts.startedAt ?? facts.createdAt;
  const after = (time: number): number => time - begun;
  const since = (time: number | null): number | null => (time === null ? null : after(time));
  const pause = facts.pauses[0];
  return {
    outcome,
    because:
      outcome === 'paused' ? (pause?.because ?? null) : (facts.rollingBack?.because ?? facts.aborted?.because ?? null),
    pause:
      outcome === 'paused' && pause
        ? {
            reason: pause.reason,
            group: pause.group ?? null,
            rule: pause.reason === 'failure_budget' ? (facts.fired.at(-1) ?? null) : null,
          }
        : null,
    ended: after(outcome === 'paused' && pause ? pause.since : now),
    installedAt: fleet.installedAt.map(after),
    peakInFlight: fleet.peakInFlight,
    peakBytesPerSecond: fleet.egress.peak(),
    neverAdmitted: fleet.neverAdmitted(),
    fired: facts.fired,
    looks,
    groups: facts.groups.map((group, index) => ({
      opened: since(group.openedAt),
      passed: since(group.passedAt),
      failed: since(group.failedAt),
      sample: samples[index] ?? fleet.sampleOf(index),
    })),
  };
}

/** What an installation takes on the quickest kind of device, as likely as not. */
function shortest({ kinds }: FleetModel): number {
  return Math.min(...kinds.map((kind) => at(kind.accept, 0.5) + at(kind.download, 0.5) + at(kind.install, 0.5)));
}

/** Approvals come at once, which forecasts name as an assumption. */
function votes(count: number, now: number): Vote[] {
  return Array.from({ length: count }, (_, index) => ({ by: `person ${index + 1}`, at: now }));
}
