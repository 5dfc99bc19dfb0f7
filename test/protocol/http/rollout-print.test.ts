import { describe, expect, it } from '@jest/globals';
import { amendmentOf, stillDefaulted } from '../../../domain/rollout/amendment.js';
import { NO_COUNTERS, type GroupFacts, type RolloutFacts } from '../../../domain/rollout/facts.js';
import type { Plan } from '../../../domain/rollout/plan.js';
import { printPlan } from '../../../protocol/http/print-plan.js';
import { newRollout } from '../../../protocol/http/rollout-plan.js';
import { printRollout, rollout, type PrintableRollout } from '../../../protocol/http/rollout.js';
import { ROLLOUT_EXAMPLE } from '../../../protocol/http/rollout-example.js';
import { byName, rolloutPatch } from '../../../protocol/http/rollouts.js';
import { toPlan } from '../../../protocol/http/to-plan.js';
import { newFacts, newGroup } from '../../../domain/rollout/new-facts.js';
import { LEAST, planOf } from '../../support/rollout-plan.js';

const AT = Date.UTC(2026, 10, 24, 10);
const FOR = { workflowUrl: null, caller: { id: 'key:ann', permissions: [] }, now: AT };
const FULL = {
  groups: [
    {
      name: 'canary',
      percent: 1,
      soak: 'PT2H',
      gate: { minSuccess: 0.98, minSample: 20 },
      approval: { required: 2, expiresAfter: 'P3D', onExpiry: 'abort' },
    },
    { name: 'lab', filter: 'tag==lab' },
    { name: 'ten', count: 10 },
    { name: 'rest' },
  ],
  pace: { maxInFlight: 500, ramp: { from: 50, factor: 2, every: { succeeded: 1_000 } } },
  schedule: { startAt: '2026-12-01T00:00:00.000Z', atEnd: 'cancelOpen' },
  confirm: { soak: 'PT10M' },
};

const group = (name: string, more: Partial<GroupFacts> = {}): GroupFacts => ({ ...newGroup(name, 0), ...more });

function view(plan: Plan, facts: Partial<RolloutFacts> = {}): PrintableRollout {
  return {
    id: ROLLOUT_EXAMPLE.id,
    plan,
    defaulted: ['/pace/offline'],
    templateId: null,
    fromTemplate: [],
    version: 3,
    phase: 'paused',
    because: 'Paused.',
    waitingOn: 'Waits.',
    nextActionAt: AT,
    eta: null,
    createdBy: 'key:admin',
    withoutFirmware: false,
    createdAt: AT,
    updatedAt: AT,
    bytes: plan.groups.map(() => 1_000),
    facts: {
      ...newFacts(
        AT,
        plan.groups.map((one) => group(one.name)),
      ),
      startRequestedAt: AT,
      startedAt: AT,
      ...facts,
    },
  };
}

describe('A rollout as it is printed', () => {
  it('fits what is documented of it, and so does the example', () => {
    expect(rollout.safeParse(printRollout(view(planOf(FULL)), FOR)).error).toBeUndefined();
    expect(rollout.safeParse(ROLLOUT_EXAMPLE).error).toBeUndefined();
  });

  it('has the plan as it was sent, which sent again is the same plan', () => {
    const plan = planOf(FULL);
    expect(printPlan(plan)).toMatchObject({
      groups: [FULL.groups[0], FULL.groups[1], FULL.groups[2], { name: 'rest' }],
      schedule: FULL.schedule,
      pace: FULL.pace,
      confirm: FULL.confirm,
    });
    const again = toPlan(newRollout.parse(printPlan(plan)));
    expect(again.plan).toEqual(plan);
  });

  it('does not say of a gate that was never asked that it failed', () => {
    const plan = planOf(FULL);
    const over = { ...NO_COUNTERS, canceled: 20 };
    const [opened, ...rest] = plan.groups.map((one) => group(one.name, { size: 20, counters: over }));
    const groups = [{ ...opened!, openedAt: AT }, ...rest];
    const gates = (facts: Parameters<typeof view>[1]) =>
      printRollout(view(plan, facts), FOR).groups.map(({ gate: { verdict, because } }) => [verdict, because]);
    expect(gates({ groups, aborted: { at: AT, because: 'by ann', cancelOpen: false } })).toEqual([
      ['wait', expect.stringMatching(/^the rollout ended before this gate: 0 of 20 ended targets succeeded/)],
      ...rest.map(() => ['wait', 'the group never opened']),
    ]);
    expect(gates({ groups: rest.map((one) => ({ ...one, counters: NO_COUNTERS })).concat(opened!) }).at(0)).toEqual([
      'wait',
      'the group has not opened',
    ]);
  });

  it('shows of each group its state, counters, gate and approvals', () => {
    const plan = planOf(FULL);
    const canary = group('canary', {
      size: 10,
      counters: { ...NO_COUNTERS, installed: 3, inFlight: 7 },
      openedAt: AT,
      askedAt: AT,
      approvals: [{ by: 'key:eve', at: AT }],
    });
    const pauses = [{ reason: 'gate_failed', since: AT, because: 'too few succeeded', group: 'canary' }] as const;
    const printed = printRollout(
      view(plan, { groups: [canary, ...plan.groups.slice(1).map((one) => group(one.name))], pauses }),
      { ...FOR, workflowUrl: 'http://temporal/x' },
    );
    expect(printed.groups[0]).toMatchObject({
      name: 'canary',
      percent: 1,
      size: 10,
      state: 'awaiting_approval',
      counters: { installed: 3, inFlight: 7, bytes: 1_000 },
      gate: {
        minSample: 20,
        verdict: 'wait',
        because: expect.stringContaining('3 targets have ended; the gate needs 10'),
        bound: null,
      },
      approval: {
        required: 2,
        expiresAfter: 'P3D',
        askedAt: '2026-11-24T10:00:00.000Z',
        given: [{ by: 'key:eve', at: '2026-11-24T10:00:00.000Z' }],
      },
    });
    expect(printed).toMatchObject({
      defaults: ['/pace/offline'],
      version: 3,
      counters: { installed: 3, inFlight: 7, bytes: 4_000 },
      workflowUrl: 'http://temporal/x',
      pauses: [{ reason: 'gate_failed', since: '2026-11-24T10:00:00.000Z', group: 'canary' }],
    });
  });
});

describe('An amendment', () => {
  const plan = planOf(FULL);
  const merged = (patch: unknown) => byName(printPlan(plan), rolloutPatch.parse(patch));

  it('of a group is merged into the group of its name', () => {
    const { patch, faults } = merged({ groups: [{ name: 'lab', soak: 'PT1H', gate: { minSample: 2 } }] });
    expect(faults).toEqual([]);
    expect((patch as { groups: unknown[] }).groups).toEqual(
      printPlan(plan).groups.map((one) =>
        one.name === 'lab' ? { ...one, soak: 'PT1H', gate: { ...one.gate, minSample: 2 } } : one,
      ),
    );
  });

  it('of a group that is not there, or twice, is refused', () => {
    expect(
      merged({ groups: [{ name: 'lab' }, { name: 'nobody' }, { name: 'lab' }] }).faults.map((fault) => fault.pointer),
    ).toEqual(['/groups/1/name', '/groups/2/name']);
  });

  it('is what differs, and nothing where nothing does', () => {
    expect(amendmentOf(plan, planOf(FULL))).toBeUndefined();
    const slower = planOf({
      ...FULL,
      description: 'slower',
      pace: { ...FULL.pace, maxInFlight: 5 },
      groups: FULL.groups.map((one) => (one.name === 'ten' ? { ...one, soak: 'PT1H' } : one)),
    });
    expect(amendmentOf(plan, slower)).toEqual({
      description: 'slower',
      pace: slower.pace,
      groups: [{ name: 'ten', soak: 3_600_000 }],
    });
  });

  it('takes what it changes out of the defaults', () => {
    const { plan: before, defaulted } = toPlan(newRollout.parse(LEAST));
    const after: Plan = {
      ...before,
      pace: { ...before.pace, maxInFlight: 5 },
      groups: before.groups.map((one, index) => (index === 1 ? { ...one, soak: 1 } : one)),
    };
    const left = stillDefaulted(defaulted, before, after);
    expect(defaulted.filter((pointer) => !left.includes(pointer))).toEqual(['/groups', '/pace/maxInFlight']);
  });
});
