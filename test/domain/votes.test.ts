import { describe, expect, it } from '@jest/globals';
import { DomainError } from '../../domain/errors.js';
import { amended } from '../../domain/rollout/amend.js';
import { amendmentOf } from '../../domain/rollout/amendment.js';
import { applyStep, resumed } from '../../domain/rollout/apply.js';
import type { RolloutFacts, Vote } from '../../domain/rollout/facts.js';
import { comparePlans } from '../../domain/rollout/loosening.js';
import { newFacts, newGroup } from '../../domain/rollout/new-facts.js';
import type { Plan } from '../../domain/rollout/plan.js';
import { planNext } from '../../domain/rollout/planner.js';
import { seeded } from '../../domain/rollout/simulation/random.js';
import { approved, isOverride, loosenedBy, whyNotLoosen, type Person } from '../../domain/rollout/votes.js';
import type { Step } from '../../domain/rollout/steps.js';
import { amendedAtRandom, planAtRandom } from '../support/random-plans.js';

const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000);
const CREATOR: Person = { id: 'key:ann', mayApprove: false };
const WRITER: Person = { id: 'key:wim', mayApprove: false };
const APPROVERS: readonly Person[] = ['key:ben', 'key:cat', 'key:dan'].map((id) => ({ id, mayApprove: true }));

/** A rollout in numbers: what was admitted ends at once, some of it badly. */
class Rollout {
  now = 1_900_000_000_000;
  readonly createdBy = CREATOR.id;
  readonly original: Plan;
  /** What began, in its order. */
  readonly did: Step[] = [];
  private it: { facts: RolloutFacts; plan: Plan; version: number; createdBy: string; defaulted: readonly string[] };

  constructor(
    private readonly random: () => number,
    approval: Plan['approval'],
  ) {
    this.original = { ...planAtRandom(random), approval };
    const groups = this.original.groups.map(({ name }) => newGroup(name, 1 + Math.floor(random() * 12)));
    const facts = { ...newFacts(this.now, groups), startRequestedAt: this.now };
    this.it = { facts, plan: this.original, version: 1, createdBy: this.createdBy, defaulted: [] };
  }

  get plan(): Plan {
    return this.it.plan;
  }

  get facts(): RolloutFacts {
    return this.it.facts;
  }

  private attempt(act: () => typeof this.it): void {
    try {
      this.it = act();
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
    }
  }

  amends(by: Person): void {
    this.attempt(() => {
      const amendment = amendmentOf(this.plan, amendedAtRandom(this.plan, this.random));
      return amendment ? amended(this.it, amendment, by, this.now).after : this.it;
    });
  }

  votes(by: Person): void {
    const names = [null, ...this.plan.groups.map((one) => one.name)];
    const name = names[Math.floor(this.random() * names.length)]!;
    this.attempt(() => ({ ...this.it, facts: approved(this.it, by.id, name, this.now) }));
  }

  /** As the command does (store/commands/rollout-commands.ts). */
  resumes(by: Person): void {
    const [pause] = this.facts.pauses;
    if (!pause || pause.reason === 'approval') return;
    this.attempt(() => {
      if (!isOverride(pause.reason) || whyNotLoosen(this.plan, this.createdBy, by, 'resuming')) return this.it;
      const facts = loosenedBy(this.facts, this.it, by.id, 'resuming', this.now);
      return { ...this.it, facts: resumed(facts, this.plan, pause.reason, by.id, this.now) };
    });
  }

  /** The planner, until it waits. */
  settles(): void {
    for (let left = 100; left > 0; left -= 1) {
      const groups = this.facts.groups.map((group) => ({ ...group, ready: group.counters.pending }));
      this.it = { ...this.it, facts: { ...this.facts, groups } };
      const { steps, waitingOn } = planNext(this.facts, this.plan, this.now);
      const [step] = steps;
      if (!step) {
        this.now = Math.max(this.now, Math.min(waitingOn?.until ?? 0, this.now + 3_600_000)) + 60_001;
        return;
      }
      if (step.do === 'end_pending' || step.do === 'stop_open' || step.do === 'prepare_back') return;
      this.expectVotes(step);
      this.did.push(step);
      this.it = { ...this.it, facts: applyStep(this.admitted(step), step, this.now) };
    }
  }

  private admitted(step: Step): RolloutFacts {
    if (step.do !== 'admit') return this.facts;
    return {
      ...this.facts,
      groups: this.facts.groups.map((group) => {
        if (group.name !== step.group) return group;
        const { pending, installed, failed, ...others } = group.counters;
        const bad = Array.from({ length: step.count }, () => this.random()).filter((one) => one < 0.1).length;
        return {
          ...group,
          counters: {
            ...others,
            pending: pending - step.count,
            installed: installed + step.count - bad,
            failed: failed + bad,
          },
        };
      }),
    };
  }

  /** R13: what begins has the votes that the plan asks for, each for what the plan is now. */
  private expectVotes(step: Step): void {
    const { approval } = this.plan;
    if (step.do === 'begin' || step.do === 'open_group' || step.do === 'admit')
      this.expectGood(this.facts.approvals, approval.required);
    if (step.do === 'pass_group') {
      const position = this.plan.groups.findIndex((one) => one.name === step.group);
      this.expectGood(this.facts.groups[position]!.approvals, this.plan.groups[position]!.approval?.required ?? 0);
    }
  }

  private expectGood(votes: readonly Vote[], required: number): void {
    const { loosened } = this.facts;
    expect(votes.length).toBeGreaterThanOrEqual(required);
    expect(new Set(votes.map((vote) => vote.by)).size).toBe(votes.length);
    for (const { by, version } of votes) {
      expect(version).toBeGreaterThanOrEqual(loosened?.version ?? 1);
      if (this.plan.approval.fourEyes) expect([CREATOR.id, ...(loosened?.by ?? [])]).not.toContain(by);
    }
  }
}

/** Plays one rollout: at each turn one of these does something at random. */
function play(seed: number, approval: Plan['approval'], persons: readonly Person[]): Rollout {
  const random = seeded(seed);
  const rollout = new Rollout(random, approval);
  for (let turn = 0; turn < 30; turn += 1) {
    const by = persons[Math.floor(random() * persons.length)]!;
    const dice = random();
    if (dice < 0.4) rollout.amends(by);
    else if (dice < 0.8 && by.mayApprove) rollout.votes(by);
    else rollout.resumes(by);
    rollout.settles();
  }
  return rollout;
}

const installs = ({ did }: Rollout) => did.some((step) => step.do === 'admit');

describe(`Approvals of a plan that is amended (FUZZ_SEED=${SEED})`, () => {
  it('R13 with four eyes, no sequence of amendments by persons who may not approve installs what others have to approve', () => {
    let installed = 0;
    for (let run = 0; run < 300; run += 1) {
      const required = run % 2;
      const rollout = play(SEED + run, { required, fourEyes: true }, [CREATOR, WRITER]);
      expect(comparePlans(rollout.original, rollout.plan, []).loosened).toEqual([]);
      if (required > 0) expect(rollout.did).toEqual([]);
      const asked = rollout.original.groups.findIndex((group) => group.approval !== null);
      const opened = rollout.facts.groups.filter((group) => group.openedAt !== null);
      if (asked >= 0) expect(opened.length).toBeLessThanOrEqual(asked + 1);
      if (installs(rollout)) installed += 1;
    }
    expect(installed).toBeGreaterThan(50);
  });

  it.each([true, false])('R13 what begins has its votes, each for the plan as it is (fourEyes: %s)', (fourEyes) => {
    let [installed, voided] = [0, 0];
    for (let run = 0; run < 300; run += 1) {
      const rollout = play(SEED + run, { required: run % 3, fourEyes }, [CREATOR, WRITER, ...APPROVERS]);
      if (installs(rollout)) installed += 1;
      if (rollout.facts.loosened?.voided != null) voided += 1;
    }
    expect(installed).toBeGreaterThan(50);
    expect(voided).toBeGreaterThan(20);
  });
});
