import { describe, expect, it } from '@jest/globals';
import { NO_PROGRESS_MS } from '../../domain/rollout/deadlines.js';
import { etaOf } from '../../domain/rollout/eta.js';
import {
  NO_COUNTERS,
  NO_ROLLBACK_COUNTERS,
  type Counters,
  type GroupFacts,
  type RolloutFacts,
} from '../../domain/rollout/facts.js';
import { derivePhase, PHASES, type Phase } from '../../domain/rollout/phase.js';
import type { Plan } from '../../domain/rollout/plan.js';
import { planNext } from '../../domain/rollout/planner.js';
import { newFacts, newGroup } from '../../domain/rollout/new-facts.js';
import { planOf } from '../support/rollout-plan.js';

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const START = NOW - 10 * MINUTE;
const PLAN = planOf({ groups: [{ name: 'all' }], pace: { maxInFlight: 2, startsPerMinute: 100 } });
const only = PLAN.groups[0]!;
/** When the targets of a group that is open time out: it is an action in each of these. */
const TARGETS_END = START + PLAN.timeouts.target;
/** When a rollout ends that stands still since its start. */
const STANDSTILL_ENDS = START + NO_PROGRESS_MS;

function group(counters: Partial<Counters>, also: Partial<GroupFacts> = {}): GroupFacts {
  const all = { ...NO_COUNTERS, ...counters };
  const size = Object.values(all).reduce((sum, one) => sum + one, 0);
  return { ...newGroup('all', size), counters: all, openedAt: START, ...also };
}

function facts(groups: GroupFacts[], also: Partial<RolloutFacts> = {}): RolloutFacts {
  return { ...newFacts(START, groups), startRequestedAt: START, startedAt: START, ...also };
}

const pause = (reason: 'operator' | 'failure_budget') => ({ reason, since: START, because: 'stop' });
const approval = { required: 1, expiresAfter: null, onExpiry: 'hold' as const };
const approvedBefore: Plan = { ...PLAN, approval: { ...PLAN.approval, required: 1 } };
const soaked: Plan = { ...PLAN, groups: [{ ...only, soak: DAY }] };
const waits = { pending: 5, installed: 5 };
const done = { installed: 10 };
const at = (time: number) => new Date(time).toISOString();

interface Row {
  readonly facts: RolloutFacts;
  readonly plan?: Plan;
  readonly phase: Phase;
  /** When something happens by time alone. */
  readonly actsAt: number | null;
  readonly eta: boolean;
  readonly says: RegExp;
}

const ROWS: Record<string, Row> = {
  'a draft waits for a person; its eta is that of a start': {
    facts: facts([group(waits, { openedAt: null })], { startRequestedAt: null, startedAt: null }),
    phase: 'draft',
    actsAt: null,
    eta: true,
    says: /^Waiting to be started\.$/,
  },
  'an approval that its start needs': {
    facts: facts([group(waits, { openedAt: null })], { startedAt: null }),
    plan: approvedBefore,
    phase: 'awaiting_approval',
    actsAt: null,
    eta: false,
    says: /^Waiting for 1 approval, since /,
  },
  'the time of its start': {
    facts: facts([group(waits, { openedAt: null })], { startedAt: null }),
    plan: { ...PLAN, schedule: { ...PLAN.schedule, startAt: NOW + DAY } },
    phase: 'scheduled',
    actsAt: NOW + DAY,
    eta: true,
    says: new RegExp(`^Waiting for the start time, ${at(NOW + DAY)}`),
  },
  'its places': {
    facts: facts([group({ pending: 3, inFlight: 2 }, { ready: 3, nextRetryAt: NOW + MINUTE })]),
    phase: 'running',
    // A back-off that ends while all places are taken lets nothing begin.
    actsAt: TARGETS_END,
    eta: true,
    says: /^Waiting for capacity: 2 of 2 in flight\.$/,
  },
  'the rate of starts': {
    facts: facts([group({ pending: 3, inFlight: 1 }, { ready: 3 })], {
      starts: { lastMinute: 100, oldestLeavesAt: NOW + 30_000 },
    }),
    phase: 'running',
    actsAt: NOW + 30_000,
    eta: true,
    says: new RegExp(`until ${at(NOW + 30_000)}`),
  },
  'the rate of starts, while no device is there': {
    facts: facts([group({ pending: 3, inFlight: 1 })], { starts: { lastMinute: 100, oldestLeavesAt: NOW + 30_000 } }),
    phase: 'running',
    actsAt: TARGETS_END,
    eta: true,
    says: /^Waiting for the start rate/,
  },
  'devices that are offline': {
    facts: facts([group({ pending: 3, inFlight: 1 })]),
    phase: 'running',
    actsAt: TARGETS_END,
    eta: true,
    says: /^Waiting for 3 devices to come online; 1 in flight\.$/,
  },
  'a back-off': {
    facts: facts([group({ pending: 1 }, { nextRetryAt: NOW + MINUTE, retrying: 1 })]),
    phase: 'running',
    actsAt: NOW + MINUTE,
    eta: true,
    says: new RegExp(`^Waiting for the next retry at ${at(NOW + MINUTE)}\\.$`),
  },
  'a back-off, and devices that are offline': {
    facts: facts([group({ pending: 3, inFlight: 1 }, { nextRetryAt: NOW + MINUTE, retrying: 1 })]),
    phase: 'running',
    actsAt: NOW + MINUTE,
    eta: true,
    says: new RegExp(
      `^Waiting for 2 devices to come online, or for the next retry at ${at(NOW + MINUTE)}; 1 in flight\\.$`,
    ),
  },
  'more back-offs than are counted': {
    facts: facts([group({ pending: 3_000 }, { nextRetryAt: NOW + MINUTE, retrying: null })]),
    phase: 'running',
    actsAt: NOW + MINUTE,
    eta: true,
    says: new RegExp(`^Waiting for the next retry at ${at(NOW + MINUTE)}\\.$`),
  },
  'devices that are offline, of a group of which some were skipped and some are away': {
    facts: facts([group({ pending: 3, skipped: 2, installed: 1 }, { passedAt: NOW, away: 3 })]),
    phase: 'running',
    actsAt: TARGETS_END,
    eta: false,
    says: /^Waiting for 3 devices to come online; 3 of 4 targets of group "all" are away\.$/,
  },
  'installations in flight': {
    facts: facts([group({ inFlight: 2, installed: 3 })]),
    phase: 'running',
    actsAt: TARGETS_END,
    eta: true,
    says: /^Waiting for 2 installations in flight/,
  },
  'a soak': {
    facts: facts([group(done, { soakingSince: START }), group({ pending: 3 }, { openedAt: null })]),
    plan: { ...soaked, groups: [...soaked.groups, { ...only, name: 'rest' }] },
    phase: 'running',
    actsAt: START + DAY,
    eta: true,
    says: /^Waiting for the soak of group "all"/,
  },
  'a soak, with devices that are offline': {
    facts: facts([
      group({ installed: 98, pending: 2 }, { soakingSince: START, away: 2 }),
      group({ pending: 3 }, { openedAt: null }),
    ]),
    plan: { ...soaked, groups: [...soaked.groups, { ...only, name: 'rest' }] },
    phase: 'running',
    actsAt: START + DAY,
    eta: true,
    says: new RegExp(`^Waiting for the soak of group "all", since ${at(START)}; 2 devices are not online\\.$`),
  },
  'an approval, with a device that is offline and one in a back-off': {
    facts: facts([
      group({ installed: 98, pending: 2 }, { askedAt: START, away: 2, nextRetryAt: NOW + MINUTE, retrying: 1 }),
    ]),
    plan: { ...PLAN, groups: [{ ...only, approval }] },
    phase: 'awaiting_approval',
    actsAt: NOW + MINUTE,
    eta: false,
    says: new RegExp(`^Waiting for approval of group "all", since ${at(START)}; 1 device is not online\\.$`),
  },
  'an approval, in a rollout that takes in devices for ever': {
    facts: facts([group(done, { askedAt: START })], { sweptAt: NOW }),
    plan: { ...PLAN, targets: { ...PLAN.targets, dynamic: true }, groups: [{ ...only, approval }] },
    phase: 'awaiting_approval',
    actsAt: null,
    eta: false,
    says: /^Waiting for approval of group "all"/,
  },
  'the end of the plan': {
    facts: facts([group({ inFlight: 2 })]),
    plan: { ...PLAN, schedule: { ...PLAN.schedule, endAt: NOW + MINUTE } },
    phase: 'running',
    actsAt: NOW + MINUTE,
    eta: true,
    says: /in flight/,
  },
  'an approval of a group': {
    facts: facts([group(done, { askedAt: START }), group({ pending: 3 }, { openedAt: null })]),
    plan: {
      ...PLAN,
      groups: [
        { ...only, approval },
        { ...only, name: 'rest' },
      ],
    },
    phase: 'awaiting_approval',
    actsAt: STANDSTILL_ENDS,
    eta: false,
    says: /^Waiting for approval of group "all"/,
  },
  'an approval of a group that expires': {
    facts: facts([group(done, { askedAt: START }), group({ pending: 3 }, { openedAt: null })]),
    plan: {
      ...PLAN,
      groups: [
        { ...only, approval: { ...approval, expiresAfter: DAY } },
        { ...only, name: 'rest' },
      ],
    },
    phase: 'awaiting_approval',
    actsAt: START + DAY,
    eta: false,
    says: /^Waiting for approval of group "all"/,
  },
  'installations, with an approval of a later group to come': {
    facts: facts([group({ inFlight: 2 }), group({ pending: 3 }, { openedAt: null })]),
    plan: { ...PLAN, groups: [only, { ...only, name: 'rest', approval }] },
    phase: 'running',
    actsAt: TARGETS_END,
    eta: false,
    says: /in flight/,
  },
  'a person who paused it': {
    facts: facts([group({ pending: 3, inFlight: 1 }, { ready: 2, nextRetryAt: NOW + MINUTE })], {
      pauses: [pause('operator')],
    }),
    phase: 'paused',
    actsAt: TARGETS_END,
    eta: false,
    says: /^Paused: stop \(operator, since .*; 1 open installation continues\.$/,
  },
  'a person, after a stop rule, in a soak': {
    facts: facts([group(done, { soakingSince: START }), group({ pending: 3 }, { openedAt: null })], {
      pauses: [pause('failure_budget')],
    }),
    plan: { ...soaked, groups: [...soaked.groups, { ...only, name: 'rest' }] },
    phase: 'paused',
    actsAt: STANDSTILL_ENDS + DAY,
    eta: false,
    says: /^Paused: stop \(failure_budget/,
  },
  'a person who paused one that takes in devices for ever': {
    facts: facts([group({ pending: 3 })], { pauses: [pause('operator')], sweptAt: NOW }),
    plan: { ...PLAN, targets: { ...PLAN.targets, dynamic: true } },
    phase: 'paused',
    // A sweep is a look, and no action.
    actsAt: null,
    eta: false,
    says: /^Paused/,
  },
  'devices that match later': {
    facts: facts([group(done, { passedAt: NOW })], { sweptAt: NOW }),
    plan: { ...PLAN, targets: { ...PLAN.targets, dynamic: true } },
    phase: 'running',
    actsAt: null,
    eta: false,
    says: /^Waiting for devices that match later/,
  },
  'the end of what is open, once aborted': {
    facts: facts([group({ inFlight: 2 })], { aborted: { at: START, because: 'stop', cancelOpen: false } }),
    phase: 'aborted',
    actsAt: null,
    eta: false,
    says: /^Aborting: waiting for 2 open installations to end\.$/,
  },
  'devices that go back': {
    facts: facts([group(done, { back: { ...NO_ROLLBACK_COUNTERS, pending: 2 } })], {
      rollingBack: { at: START, because: 'stop' },
    }),
    phase: 'rolling_back',
    actsAt: START + PLAN.timeouts.target,
    eta: false,
    says: /^Rolling back: waiting for 2 devices to start/,
  },
  'nothing: it has finished': {
    facts: facts([group(done, { passedAt: NOW })], { finishedAt: NOW }),
    phase: 'finished',
    actsAt: null,
    eta: false,
    says: /^$/,
  },
};

describe('What a rollout waits for', () => {
  it.each(Object.entries(ROWS))('%s', (_title, row) => {
    const { facts: known, plan = PLAN } = row;
    const { steps, waitingOn } = planNext(known, plan, NOW);
    expect(steps).toEqual([]);
    expect(derivePhase(known, plan).phase).toBe(row.phase);
    expect(waitingOn?.actsAt ?? null).toBe(row.actsAt);
    expect(waitingOn?.sentence ?? '').toMatch(row.says);
    expect(etaOf(known, plan, MINUTE, NOW) !== null).toBe(row.eta);
    // It looks again in time for what happens by time alone.
    if (waitingOn?.actsAt != null) expect(waitingOn.until).toBeLessThanOrEqual(waitingOn.actsAt);
  });

  it('is in the table for every phase', () => {
    expect([...new Set(Object.values(ROWS).map(({ phase }) => phase))].sort()).toEqual([...PHASES].sort());
  });
});
