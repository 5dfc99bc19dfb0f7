import type { Plan, StopRule } from '../../domain/rollout/plan.js';
import { planOf } from './rollout-plan.js';

/** 0 ≤ x < 1, seeded. */
type Random = () => number;

function oneOf<T>(random: Random, list: readonly T[]): T {
  return list[Math.floor(random() * list.length)]!;
}

function rulesAtRandom(random: Random): StopRule[] {
  const rules = Array.from({ length: Math.floor(random() * 4) }, (): StopRule => ({
    outcome: oneOf(random, ['failed', 'rejected', 'any'] as const),
    share: oneOf(random, [0.05, 0.1, 0.2]),
    after: oneOf(random, [1, 10, 20]),
    then: oneOf(random, ['pause', 'abort', 'rollBack'] as const),
  }));
  return rules.filter(
    (rule, index) => rules.findIndex((one) => JSON.stringify(one) === JSON.stringify(rule)) === index,
  );
}

/** Values come from few, so that many plans can be compared. */
const CHANGES: readonly ((plan: Plan, random: Random) => Plan)[] = [
  (plan, random) => ({ ...plan, stopIf: rulesAtRandom(random) }),
  (plan) => ({ ...plan, name: `${plan.name.slice(0, 20)}x` }),
  (plan, random) => pace(plan, { maxInFlight: oneOf(random, [1, 10, 100]) }),
  (plan, random) => pace(plan, { startsPerMinute: oneOf(random, [5, 50, 500]) }),
  (plan, random) => pace(plan, { offline: oneOf(random, ['wait', 'offer'] as const) }),
  (plan, random) => pace(plan, { awayAfter: oneOf(random, [1_000, 60_000, 86_400_000]) }),
  (plan, random) =>
    pace(plan, {
      ramp: oneOf(random, [
        null,
        { from: 1, factor: 2, every: { succeeded: 10 } },
        { from: 5, factor: 2, every: { succeeded: 5 } },
        { from: 5, factor: 3, every: { succeeded: 10 } },
      ]),
    }),
  (plan, random) => group(plan, random, { soak: oneOf(random, [0, 1_000, 3_600_000]) }),
  (plan, random) =>
    group(plan, random, {
      approval: oneOf(random, [
        null,
        { required: 1, expiresAfter: null, onExpiry: 'hold' },
        { required: 1, expiresAfter: 86_400_000, onExpiry: 'abort' },
        { required: 2, expiresAfter: null, onExpiry: 'hold' },
      ] as const),
    }),
  (plan, random) => {
    const tested = random() < 0.3;
    return group(plan, random, {
      gate: {
        minSuccess: oneOf(random, [0, 0.5, 0.95, 1]),
        minSample: oneOf(random, [1, 10, 40, 'all'] as const),
        maxFailureRate: tested ? oneOf(random, [0.05, 0.2]) : null,
        confidence: tested ? oneOf(random, [0.8, 0.95]) : null,
      },
    });
  },
  (plan, random) => ({
    ...plan,
    schedule: {
      ...plan.schedule,
      endAt: oneOf(random, [null, 2e12, 3e12]),
      atEnd: oneOf(random, ['stopAdmitting', 'cancelOpen'] as const),
    },
  }),
];

function pace(plan: Plan, change: Partial<Plan['pace']>): Plan {
  return { ...plan, pace: { ...plan.pace, ...change } };
}

function group(plan: Plan, random: Random, change: Partial<Plan['groups'][number]>): Plan {
  const index = Math.floor(random() * plan.groups.length);
  return { ...plan, groups: plan.groups.map((one, at) => (at === index ? { ...one, ...change } : one)) };
}

/** One that a `PATCH` could make of another: up to three members differ. */
export function amendedAtRandom(plan: Plan, random: Random): Plan {
  let next = plan;
  for (let left = 1 + Math.floor(random() * 3); left > 0; left -= 1) next = oneOf(random, CHANGES)(next, random);
  return next;
}

/** A plan of three groups, of which every member that a `PATCH` may change has one of a few values. */
export function planAtRandom(random: Random): Plan {
  const groups = [{ name: 'canary', count: 1 }, { name: 'early', percent: 10 }, { name: 'rest' }];
  let plan = planOf({ groups });
  for (let left = 12; left > 0; left -= 1) plan = amendedAtRandom(plan, random);
  return plan;
}
