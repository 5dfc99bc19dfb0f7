import { describe, expect, it } from '@jest/globals';
import { etaOf, etaToKeep, plannedEta } from '../../domain/rollout/eta.js';
import { NO_COUNTERS, type Counters, type GroupFacts, type RolloutFacts } from '../../domain/rollout/facts.js';
import { newFacts, newGroup } from '../../domain/rollout/new-facts.js';
import { planOf } from '../support/rollout-plan.js';

const START = 1_800_000_000_000;
const MINUTE = 60_000;
/** What one device takes. */
const DEVICE = 2 * MINUTE;

function group(counters: Partial<Counters>, also: Partial<GroupFacts> = {}): GroupFacts {
  const all = { ...NO_COUNTERS, ...counters };
  const size = Object.values(all).reduce((sum, one) => sum + one, 0);
  return { ...newGroup('g', size), counters: all, openedAt: START, ready: all.pending, ...also };
}

function facts(groups: GroupFacts[], also: Partial<RolloutFacts> = {}): RolloutFacts {
  return { ...newFacts(START, groups), startRequestedAt: START, startedAt: START, ...also };
}

const PLAN = planOf({ groups: [{ name: 'all' }], pace: { maxInFlight: 100, startsPerMinute: 1_000 } });
const all = PLAN.groups[0]!;
const minutes = (eta: number | null, now = START) => (eta === null ? null : (eta - now) / MINUTE);

describe('The eta of a rollout', () => {
  it.each<[string, number | null, number | null]>([
    [
      'of one that nothing is known of yet but what a device takes: by its places',
      minutes(etaOf(facts([group({ pending: 1_000 })]), PLAN, DEVICE, START)),
      20,
    ],
    [
      'by its starts a minute, where these are what holds it back',
      minutes(
        etaOf(facts([group({ pending: 61 })]), { ...PLAN, pace: { ...PLAN.pace, startsPerMinute: 10 } }, DEVICE, START),
      ),
      8,
    ],
    [
      'with the soak of each group, and one group after the other',
      minutes(
        etaOf(
          facts([group({ pending: 10 }), group({ pending: 10 })]),
          { ...PLAN, groups: [{ ...all, soak: 30 * MINUTE }, all] },
          DEVICE,
          START,
        ),
      ),
      34,
    ],
    [
      'of a draft: as if it were started now',
      minutes(
        etaOf(facts([group({ pending: 1_000 })], { startedAt: null }), PLAN, DEVICE, START + MINUTE),
        START + MINUTE,
      ),
      20,
    ],
    [
      'of one that waits for its time: from then on',
      minutes(
        etaOf(
          facts([group({ pending: 1_000 })], { startedAt: null }),
          { ...PLAN, schedule: { ...PLAN.schedule, startAt: START + 60 * MINUTE } },
          DEVICE,
          START,
        ),
      ),
      80,
    ],
    [
      'of one whose groups are not formed yet: by how large each will be',
      minutes(plannedEta(PLAN, [1_000], DEVICE, START)),
      20,
    ],
    [
      'by the pace so far, where nothing is known of its devices',
      minutes(
        etaOf(facts([group({ installed: 100, pending: 100 })]), PLAN, null, START + 30 * MINUTE),
        START + 30 * MINUTE,
      ),
      30,
    ],
    [
      'by both in equal parts, half way',
      minutes(
        etaOf(facts([group({ installed: 100, pending: 100 })]), PLAN, DEVICE, START + 30 * MINUTE),
        START + 30 * MINUTE,
      ),
      16,
    ],
    [
      'never after the deadline of its targets',
      minutes(
        etaOf(
          facts([group({ pending: 1_000 })]),
          { ...PLAN, timeouts: { ...PLAN.timeouts, target: 5 * MINUTE } },
          DEVICE,
          START,
        ),
      ),
      5,
    ],
    [
      'none while it is paused',
      etaOf(
        facts([group({ pending: 1 })], { pauses: [{ reason: 'operator', since: START, because: '' }] }),
        PLAN,
        DEVICE,
        START,
      ),
      null,
    ],
    [
      'none while it goes back',
      etaOf(facts([group({ installed: 1 })], { rollingBack: { at: START, because: '' } }), PLAN, DEVICE, START),
      null,
    ],
    [
      'none while nothing moves until a device comes online, also where others have ended',
      etaOf(facts([group({ installed: 5, pending: 5 }, { ready: 0 })]), PLAN, DEVICE, START + 30 * MINUTE),
      null,
    ],
    [
      'none either while a group soaks, where no later group waits for that',
      etaOf(
        facts([group({ installed: 5, pending: 5 }, { ready: 0, soakingSince: START })]),
        { ...PLAN, groups: [{ ...all, soak: 30 * MINUTE }] },
        DEVICE,
        START,
      ),
      null,
    ],
    [
      'one where a soak ends and opens a group, although others are away',
      minutes(
        etaOf(
          facts([
            group({ installed: 0, pending: 5 }, { ready: 0, soakingSince: START }),
            group({ pending: 10 }, { openedAt: null, ready: 0 }),
          ]),
          { ...PLAN, groups: [{ ...all, soak: 30 * MINUTE }, all] },
          DEVICE,
          START,
        ),
      ),
      34,
    ],
    [
      'one while something is in flight, or a back-off ends',
      [
        etaOf(facts([group({ inFlight: 1, pending: 5 }, { ready: 0 })]), PLAN, DEVICE, START),
        etaOf(facts([group({ pending: 5 }, { ready: 0, nextRetryAt: START + 1 })]), PLAN, DEVICE, START),
        etaOf(facts([group({ pending: 5 }, { ready: 0 })], { wantPlace: 1 }), PLAN, DEVICE, START),
      ].filter((eta) => eta !== null).length,
      3,
    ],
    ['none once nothing is left', etaOf(facts([group({ installed: 1 })]), PLAN, DEVICE, START), null],
  ])('%s', (_what, found, expected) => {
    expect(found).toBe(expected);
  });

  it('does not change while it moves by less than 5 % of the remaining time', () => {
    const told = START + 100 * MINUTE;
    expect(etaToKeep(told, told + 4 * MINUTE, START)).toBe(told);
    expect(etaToKeep(told, told + 6 * MINUTE, START)).toBe(told + 6 * MINUTE);
    expect(etaToKeep(told, null, START)).toBeNull();
    expect(etaToKeep(null, told, START)).toBe(told);
  });
});
