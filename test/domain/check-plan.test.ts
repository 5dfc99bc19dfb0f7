import { describe, expect, it } from '@jest/globals';
import { checkPlan } from '../../domain/rollout/check-plan.js';
import type { Plan } from '../../domain/rollout/plan.js';
import { LEAST, planOf } from '../support/rollout-plan.js';

const NOW = Date.UTC(2026, 10, 24, 10);

/** Pointers and sentences of the faults. */
function faults(sent: Record<string, unknown>, before?: Plan): [string, string][] {
  return checkPlan(planOf(sent), NOW, before).map(({ pointer, detail }) => [pointer, detail]);
}

const TWO = (first: Record<string, unknown>, last: Record<string, unknown> = {}) => ({
  groups: [
    { name: 'canary', ...first },
    { name: 'rest', ...last },
  ],
});
const gate = (of: Record<string, unknown>) => ({ groups: [{ name: 'all', gate: of }] });

describe('A plan that holds together', () => {
  it.each<[string, Record<string, unknown>]>([
    ['has only what it must have', {}],
    ['names its devices one by one', { targets: { deviceIds: [LEAST.steps[0]!.firmwareId] } }],
    [
      'has percents that come to 100 in decimal fractions',
      {
        groups: [
          { name: 'a', percent: 33.3 },
          { name: 'b', percent: 33.3 },
          { name: 'c', percent: 33.4 },
        ],
      },
    ],
    [
      'has groups by count and filter, and a rest',
      {
        groups: [{ name: 'a', count: 5 }, { name: 'b', filter: 'tag==lab' }, { name: 'c', percent: 50 }, { name: 'd' }],
      },
    ],
    [
      'has a target that just holds its timeouts',
      { timeouts: { offer: 'PT1H', download: 'PT1H', install: 'PT30M', confirm: 'PT15M', target: 'PT2H45M' } },
    ],
    [
      'ramps up to its rate',
      { pace: { startsPerMinute: 50, ramp: { from: 50, factor: 2, every: { succeeded: 10 } } } },
    ],
    [
      'has two rules for one outcome',
      {
        stopIf: [
          { outcome: 'failed', share: 0.05 },
          { outcome: 'failed', share: 0.2, then: 'abort' },
        ],
      },
    ],
    ['begins and ends in the future', { schedule: { startAt: '2026-11-24T10:00:01Z', endAt: '2026-11-24T11:00:00Z' } }],
  ])('%s', (_what, sent) => {
    expect(faults(sent)).toEqual([]);
  });
});

describe('A plan is refused, with the pointer and a sentence,', () => {
  it.each<[string, Record<string, unknown>, string, RegExp]>([
    ['without targets', { targets: {} }, '/targets', /is empty; send a filter/],
    ['with a filter that does not parse', { targets: { filter: 'tag=a' } }, '/targets/filter', /at position 3/],
    ['with a filter of a group that does not parse', TWO({ filter: 'tag=a' }), '/groups/0/filter', /at position 3/],
    [
      'with two groups of one name',
      { groups: [{ name: 'a', percent: 1 }, { name: 'a' }] },
      '/groups/1/name',
      /name of \/groups\/0/,
    ],
    [
      'with percents over 100',
      { groups: [{ name: 'a', percent: 60 }, { name: 'b', percent: 41 }, { name: 'c' }] },
      '/groups/1/percent',
      /to 101; together they are at most 100/,
    ],
    ['with percent and count in one group', TWO({ percent: 1, count: 1 }), '/groups/0/count', /excludes percent/],
    ['with count and filter in one group', TWO({ count: 1, filter: 'tag==lab' }), '/groups/0/filter', /excludes count/],
    ['with a group before the last that takes the rest', TWO({}), '/groups/0', /only the last group takes the rest/],
    [
      'with percents that leave devices in no group',
      TWO({ percent: 1 }, { percent: 98 }),
      '/groups/1',
      /in no group, as the percents come to 99; leave its percent out/,
    ],
    [
      'with a last group by count that devices may yet come to',
      { targets: { filter: 'tag==a', dynamic: true }, ...TWO({ percent: 1 }, { count: 10 }) },
      '/groups/1',
      /leave its count out, and it takes the rest/,
    ],
    [
      'with a last group by filter, and others that are not',
      TWO({ percent: 1 }, { filter: 'tag==lab' }),
      '/groups/1',
      /leave its filter out, and it takes the rest/,
    ],
    [
      'with a failure rate and no confidence',
      gate({ maxFailureRate: 0.05 }),
      '/groups/0/gate/confidence',
      /required with maxFailureRate/,
    ],
    [
      'with a confidence and no failure rate',
      gate({ confidence: 0.95 }),
      '/groups/0/gate/maxFailureRate',
      /required with confidence/,
    ],
    [
      'with a certainty that no test gives',
      gate({ maxFailureRate: 0.05, confidence: 1 }),
      '/groups/0/gate/confidence',
      /between 0 and 1/,
    ],
    [
      'with a failure rate of nothing',
      gate({ maxFailureRate: 0, confidence: 0.95 }),
      '/groups/0/gate/maxFailureRate',
      /between 0 and 1/,
    ],
    [
      'with a ramp that begins above the rate',
      { pace: { startsPerMinute: 10, ramp: { from: 11, factor: 2, every: { succeeded: 1 } } } },
      '/pace/ramp/from',
      /not be above startsPerMinute \(10\)/,
    ],
    [
      'with a back-off that shrinks',
      { retry: { backoff: { first: 'PT2H', max: 'PT1H' } } },
      '/retry/backoff/max',
      /shorter than first \(PT2H\)/,
    ],
    [
      'with a start in the past',
      { schedule: { startAt: '2026-11-24T10:00:00Z' } },
      '/schedule/startAt',
      /in the past: it is 2026-11-24T10:00:00/,
    ],
    ['with an end in the past', { schedule: { endAt: '2026-11-24T09:00:00Z' } }, '/schedule/endAt', /in the past/],
    [
      'that ends before it starts',
      { schedule: { startAt: '2026-12-02T00:00:00Z', endAt: '2026-12-01T00:00:00Z' } },
      '/schedule/endAt',
      /later than startAt/,
    ],
    [
      'that starts in a mistyped year',
      { schedule: { startAt: '2206-12-02T00:00:00Z' } },
      '/schedule/startAt',
      /ten years ahead/,
    ],
    [
      'with a rule twice',
      {
        stopIf: [
          { outcome: 'any', share: 0.2, after: 10 },
          { outcome: 'any', share: 0.2, after: 10 },
        ],
      },
      '/stopIf/1',
      /says what \/stopIf\/0 says/,
    ],
    [
      'with an approval that ends it and never expires',
      { groups: [{ name: 'all', approval: { onExpiry: 'abort' } }] },
      '/groups/0/approval/expiresAfter',
      /required with onExpiry abort/,
    ],
    [
      'with four eyes and nothing to approve',
      { approval: { fourEyes: true } },
      '/approval/fourEyes',
      /needs an approval/,
    ],
  ])('%s', (_what, sent, pointer, sentence) => {
    expect(faults(sent)).toEqual([[pointer, expect.stringMatching(sentence)]]);
  });

  it('for all its faults at once', () => {
    const all = faults({
      targets: { filter: 'tag=a' },
      groups: [
        { name: 'a', percent: 70 },
        { name: 'a', percent: 70, count: 1 },
      ],
      pace: { startsPerMinute: 1, ramp: { from: 2, factor: 2, every: { succeeded: 1 } } },
      schedule: { startAt: '2020-01-01T00:00:00Z' },
      retry: { backoff: { first: 'PT2H', max: 'PT1H' } },
    });
    expect(all.map(([pointer]) => pointer)).toEqual([
      '/targets/filter',
      '/groups/1/name',
      '/groups/1/percent',
      '/groups/1/count',
      '/pace/ramp/from',
      '/schedule/startAt',
      '/retry/backoff/max',
    ]);
  });

  it('but an amendment is not, for times that have passed since they were written', () => {
    const schedule = { startAt: '2026-11-24T08:00:00Z', endAt: '2026-12-01T00:00:00Z' };
    expect(faults({ schedule }, planOf({ schedule }))).toEqual([]);
    expect(faults({ schedule: { ...schedule, endAt: '2026-11-24T09:00:00Z' } }, planOf({ schedule }))).toEqual([
      ['/schedule/endAt', expect.stringMatching(/in the past/)],
    ]);
  });
});
