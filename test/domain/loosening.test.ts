import { describe, expect, it } from '@jest/globals';
import type { GroupFacts } from '../../domain/rollout/facts.js';
import { judgeGate } from '../../domain/rollout/gates.js';
import { comparePlans } from '../../domain/rollout/loosening.js';
import { newFacts, newGroup } from '../../domain/rollout/new-facts.js';
import { rateNow } from '../../domain/rollout/pace.js';
import type { Plan, StopRule } from '../../domain/rollout/plan.js';
import { seeded } from '../../domain/rollout/simulation/random.js';
import { crossedRules, ruleKey } from '../../domain/rollout/stop-rules.js';
import { planOf } from '../support/rollout-plan.js';
import { amendedAtRandom, planAtRandom } from '../support/random-plans.js';

const HOUR = 3_600_000;
const FULL = planOf({
  description: 'all members have a value',
  targets: { filter: 'tag==north', deviceIds: ['123e4567-e89b-12d3-a456-426655440001'], dynamic: false },
  groups: [
    {
      name: 'canary',
      count: 80,
      soak: 'PT1H',
      gate: { minSuccess: 0.9, minSample: 74, maxFailureRate: 0.05, confidence: 0.95 },
      approval: { required: 2, expiresAfter: 'P1D', onExpiry: 'abort' },
    },
    { name: 'rest' },
  ],
  pace: { ramp: { from: 10, factor: 2, every: { succeeded: 100 } } },
  schedule: { startAt: '2030-01-01T00:00:00Z', endAt: '2031-01-01T00:00:00Z', atEnd: 'cancelOpen' },
  approval: { required: 1, fourEyes: true },
});
const RULE: StopRule = { outcome: 'failed', share: 0.1, after: 20, then: 'pause' };
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000);

/** The plan with another value at a path such as `groups.0.soak`. */
function put(plan: Plan, path: string, value: unknown): Plan {
  const copy = structuredClone(plan) as unknown as Record<string, unknown>;
  const keys = path.split('.');
  const last = keys.pop()!;
  let at = copy;
  for (const key of keys) at = at[key] as Record<string, unknown>;
  at[last] = value;
  return copy as unknown as Plan;
}

function leaves(value: unknown, path: readonly string[] = []): string[] {
  if (typeof value !== 'object' || value === null) return [path.join('.')];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]));
}

describe('What an amendment does to the safety of a plan', () => {
  it.each<[string, unknown, 'loosens' | 'tightens' | 'neutral']>([
    ['name', 'other', 'neutral'],
    ['description', null, 'neutral'],
    ['steps.0.firmwareId', '123e4567-e89b-12d3-a456-426655440002', 'loosens'],
    ['targets.filter', 'tag==south', 'loosens'],
    ['targets.deviceIds', [], 'tightens'],
    ['targets.dynamic', true, 'loosens'],
    ['groups', [FULL.groups[1]], 'loosens'],
    ['groups.0.count', 79, 'loosens'],
    ['groups.0.soak', HOUR - 1, 'loosens'],
    ['groups.0.soak', HOUR + 1, 'tightens'],
    ['groups.0.gate.minSuccess', 0.89, 'loosens'],
    ['groups.0.gate.minSuccess', 0.91, 'tightens'],
    ['groups.0.gate.minSample', 73, 'loosens'],
    ['groups.0.gate.minSample', 75, 'tightens'],
    ['groups.0.gate.minSample', 'all', 'loosens'],
    ['groups.1.gate.minSample', 1_000, 'loosens'],
    ['groups.0.gate.maxFailureRate', 0.06, 'loosens'],
    ['groups.0.gate.maxFailureRate', 0.04, 'tightens'],
    ['groups.0.gate.maxFailureRate', null, 'loosens'],
    ['groups.0.gate.confidence', 0.9, 'loosens'],
    ['groups.0.gate.confidence', 0.99, 'tightens'],
    ['groups.0.approval', null, 'loosens'],
    ['groups.0.approval.required', 1, 'loosens'],
    ['groups.0.approval.required', 3, 'tightens'],
    ['groups.0.approval.expiresAfter', null, 'loosens'],
    ['groups.0.approval.onExpiry', 'hold', 'loosens'],
    ['groups.1.approval', { required: 1, expiresAfter: null, onExpiry: 'hold' }, 'tightens'],
    ['pace.maxInFlight', 101, 'loosens'],
    ['pace.maxInFlight', 99, 'tightens'],
    ['pace.startsPerMinute', 1_001, 'loosens'],
    ['pace.ramp', null, 'loosens'],
    ['pace.ramp.from', 11, 'loosens'],
    ['pace.ramp.factor', 1.5, 'tightens'],
    ['pace.ramp.every.succeeded', 50, 'loosens'],
    ['pace.offline', 'offer', 'loosens'],
    ['pace.awayAfter', HOUR, 'loosens'],
    ['stopIf', [], 'loosens'],
    ['schedule.startAt', FULL.schedule.startAt! - 1, 'loosens'],
    ['schedule.startAt', FULL.schedule.startAt! + 1, 'tightens'],
    ['schedule.startAt', null, 'loosens'],
    ['schedule.endAt', null, 'loosens'],
    ['schedule.endAt', FULL.schedule.endAt! - 1, 'tightens'],
    ['schedule.atEnd', 'stopAdmitting', 'loosens'],
    ['retry.maxAttempts', 4, 'loosens'],
    ['retry.backoff.first', 1, 'loosens'],
    ['retry.on', ['install'], 'tightens'],
    ['timeouts.install', 2 * HOUR, 'loosens'],
    ['confirm.soak', HOUR, 'tightens'],
    ['onConflict', 'supersede', 'loosens'],
    ['onConflict', 'reject', 'tightens'],
    ['priority', 1, 'loosens'],
    ['approval.required', 0, 'loosens'],
    ['approval.fourEyes', false, 'loosens'],
    ['allowDowngrade', true, 'loosens'],
  ])('%s to %j %s', (path, value, effect) => {
    const { effect: found, loosened, tightened } = comparePlans(FULL, put(FULL, path, value), []);
    expect(found).toBe(effect);
    const named = path.replace(/^groups\.0/, 'groups.canary').replace(/^groups\.1/, 'groups.rest');
    if (effect !== 'neutral') expect(named.startsWith([...loosened, ...tightened].join())).toBe(true);
  });

  it('from no ramp to one tightens; a gate by a share asks of all for at least as many as up to ten', () => {
    expect(comparePlans(put(FULL, 'pace.ramp', null), FULL, []).effect).toBe('tightens');
    const ten = put(FULL, 'groups.1.gate.minSample', 10);
    expect(comparePlans(ten, FULL, []).effect).toBe('tightens');
    expect(comparePlans(put(FULL, 'groups.1.gate.minSample', 11), FULL, []).effect).toBe('loosens');
  });

  it.each<[string, StopRule[], StopRule[], string[], 'loosens' | 'tightens' | 'neutral']>([
    ['another rule beside', [RULE], [RULE, { ...RULE, outcome: 'rejected' }], [], 'tightens'],
    ['any instead of one', [RULE], [{ ...RULE, outcome: 'any' }], [], 'tightens'],
    ['one instead of any', [{ ...RULE, outcome: 'any' }], [RULE], [], 'loosens'],
    ['a smaller share', [RULE], [{ ...RULE, share: 0.05 }], [], 'tightens'],
    ['a larger share', [RULE], [{ ...RULE, share: 0.2 }], [], 'loosens'],
    ['judged later', [RULE], [{ ...RULE, after: 21 }], [], 'loosens'],
    ['less done', [{ ...RULE, then: 'abort' }], [RULE], [], 'loosens'],
    ['one rule for two: it acts only once', [RULE, { ...RULE, share: 0.2 }], [RULE], [], 'loosens'],
    [
      'two for two, in another order',
      [RULE, { ...RULE, share: 0.2 }],
      [{ ...RULE, share: 0.15 }, RULE],
      [],
      'tightens',
    ],
    ['one that has acted for one that has not', [{ ...RULE, share: 0.2 }], [RULE], [ruleKey(RULE)], 'loosens'],
    ['the same, one of which has acted', [RULE], [RULE], [ruleKey(RULE)], 'neutral'],
  ])('stop rules: %s', (_what, before, after, fired, effect) => {
    expect(comparePlans({ ...FULL, stopIf: before }, { ...FULL, stopIf: after }, fired).effect).toBe(effect);
  });

  it('loosens where anything does, although something is tightened beside it', () => {
    const both = put(put(FULL, 'pace.maxInFlight', 1), 'groups.0.approval', null);
    expect(comparePlans(FULL, both, [])).toEqual({
      effect: 'loosens',
      loosened: ['groups.canary.approval'],
      tightened: ['pace.maxInFlight'],
    });
  });

  it('has a rule for every member: any other value is seen, except in name and description', () => {
    const found = leaves(FULL);
    expect(found.length).toBeGreaterThan(50);
    for (const path of found) {
      const changed = comparePlans(FULL, put(FULL, path, otherThan(path)), []);
      expect([path, changed.effect === 'neutral']).toEqual([path, path === 'name' || path === 'description']);
    }
  });
});

function valueAt(path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], FULL);
}

/** Words of which there are few, by the last key of their path. */
const WORDS: Record<string, string> = {
  onExpiry: 'hold',
  offline: 'offer',
  outcome: 'failed',
  then: 'abort',
  atEnd: 'stopAdmitting',
  onConflict: 'reject',
};

function otherThan(path: string): unknown {
  const value = valueAt(path);
  if (typeof value === 'boolean') return !value;
  return typeof value === 'string' ? (WORDS[path.split('.').at(-1)!] ?? 'x') : 1e9;
}

describe(`An amendment that does not loosen (FUZZ_SEED=${SEED})`, () => {
  const random = seeded(SEED);
  /** Of so many pairs, those that do not loosen. */
  const pairs = Array.from({ length: 2_000 }, () => {
    const before = planAtRandom(random);
    return { before, after: amendedAtRandom(before, random) };
  }).filter(({ before, after }) => comparePlans(before, after, []).effect !== 'loosens');

  it('is no rare thing in what follows', () => expect(pairs.length).toBeGreaterThan(200));

  it('many of them, one after the other, come to no more than one', () => {
    for (let run = 0; run < 150; run += 1) {
      const first = planAtRandom(random);
      let plan = first;
      for (let step = 0; step < 12; step += 1) {
        const next = amendedAtRandom(plan, random);
        if (comparePlans(plan, next, []).effect !== 'loosens') plan = next;
      }
      expect([comparePlans(first, plan, []).loosened, first, plan]).toEqual([[], first, plan]);
    }
  });

  it('passes no group that did not pass before', () => {
    for (const { before, after } of pairs)
      for (let look = 0; look < 3; look += 1)
        for (const [index, group] of before.groups.entries()) {
          const facts = groupAtRandom(group.name, random);
          const passes = (plan: Plan) =>
            ['passed', 'satisfied'].includes(judgeGate(plan.groups[index]!, facts).verdict);
          if (passes(after)) expect([passes(before), group.gate, facts]).toEqual([true, group.gate, facts]);
        }
  });

  it('starts no more a minute, and has no more in flight', () => {
    for (const { before, after } of pairs) {
      const { counters } = groupAtRandom('g', random);
      expect(rateNow(after.pace, counters)).toBeLessThanOrEqual(rateNow(before.pace, counters));
      expect(after.pace.maxInFlight).toBeLessThanOrEqual(before.pace.maxInFlight);
    }
  });

  it('stops wherever it stopped before, and does as much', () => {
    const severity = { pause: 1, abort: 2, rollBack: 3 };
    for (const { before, after } of pairs) {
      const facts = newFacts(0, [groupAtRandom('g', random)]);
      const [was, is] = [before, after].map((plan) => crossedRules(facts, plan).map(({ rule }) => severity[rule.then]));
      expect(is!.length).toBeGreaterThanOrEqual(was!.length);
      expect(Math.max(0, ...is!)).toBeGreaterThanOrEqual(Math.max(0, ...was!));
    }
  });
});

/** A group in the middle of its installations. */
function groupAtRandom(name: string, random: () => number): GroupFacts {
  const up = (to: number) => Math.floor(random() * (to + 1));
  const size = 1 + up(150);
  const installed = up(size);
  const failed = up(Math.min(6, size - installed));
  const rejected = up(Math.min(3, size - installed - failed));
  const pending = size - installed - failed - rejected;
  const group = newGroup(name, size);
  const ended = installed + failed + rejected;
  return {
    ...group,
    counters: { ...group.counters, installed, failed, rejected, pending },
    away: up(pending),
    prefix: { ended, failed: failed + rejected, to: ended },
  };
}
