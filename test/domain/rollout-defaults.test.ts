import { describe, expect, it } from '@jest/globals';
import { NO_COUNTERS, type GroupFacts } from '../../domain/rollout/facts.js';
import { judgeGate } from '../../domain/rollout/gates.js';
import { outcomeOf, outcomeSentence } from '../../domain/rollout/outcome.js';
import { FAILURE_KINDS, type FleetModel } from '../../domain/rollout/simulation/model.js';
import { seeded } from '../../domain/rollout/simulation/random.js';
import { simulateOnce } from '../../domain/rollout/simulation/run.js';
import { groupSize } from '../../domain/rollout/group-size.js';
import { newFacts, newGroup } from '../../domain/rollout/new-facts.js';
import { planOf } from '../support/rollout-plan.js';

const SECOND = 1_000;
const NOW = Date.parse('2026-11-24T10:00:00Z');

function group(counters: Partial<GroupFacts['counters']>, also: Partial<GroupFacts> = {}): GroupFacts {
  const all = { ...NO_COUNTERS, ...counters };
  const size = Object.values(all).reduce((sum, count) => sum + count, 0);
  return { ...newGroup('all', size), counters: all, openedAt: NOW, ...also };
}

describe('A default gate', () => {
  const [plan] = planOf({ groups: [{ name: 'all' }] }).groups;
  it.each<[sentence: string, group: GroupFacts, verdict: string]>([
    ['waits for all ten of ten', group({ installed: 9, pending: 1 }), 'wait'],
    ['is satisfied by ten of ten', group({ installed: 10 }), 'satisfied'],
    ['waits for all hundred of a hundred', group({ installed: 99, inFlight: 1 }), 'wait'],
    ['fails when all ended and one in ten went wrong', group({ installed: 9, timedOut: 1 }), 'failed'],
    ['counts what was refused at admission', group({ installed: 9, rejected: 1 }), 'failed'],
    ['does not wait for those that are away', group({ installed: 97, pending: 3 }, { away: 3 }), 'satisfied'],
    ['fails without those that are away', group({ installed: 80, failed: 17, pending: 3 }, { away: 3 }), 'failed'],
    [
      'is inconclusive with nine of twelve, the others away',
      group({ installed: 9, pending: 3 }, { away: 3 }),
      'inconclusive',
    ],
    ['is inconclusive where all are away', group({ pending: 5 }, { away: 5 }), 'inconclusive'],
    ['leaves out what was skipped', group({ installed: 4, skipped: 6 }), 'satisfied'],
    ['passes where all were skipped', group({ skipped: 6 }), 'passed'],
    ['passes where the others held the content', group({ skipped: 6, alreadyInstalled: 2 }), 'passed'],
    ['fails where nothing succeeded and the rest was skipped', group({ skipped: 6, failed: 2 }), 'failed'],
  ])('%s', (...[, facts, verdict]) => {
    expect(judgeGate(plan!, facts).verdict).toBe(verdict);
  });

  it('names those that are away and the ways out', () => {
    expect(judgeGate(plan!, group({ installed: 6, pending: 3 }, { away: 3 })).because).toBe(
      '6 targets have ended; the gate needs 9; 3 of 9 targets are away: amend minSample, or skip them with POST …/groups/all/skip {"away": true}',
    );
  });
});

describe('The outcome of a rollout', () => {
  const ended = (one: GroupFacts) => ({
    ...newFacts(NOW, [one]),
    startRequestedAt: NOW,
    startedAt: NOW,
    finishedAt: NOW,
  });
  it.each<[sentence: string, outcome: string, group: GroupFacts]>([
    ['2 of 31 targets have 2.0.0; 29 rejected it', 'partly', group({ installed: 2, rejected: 29 })],
    ['3 of 3 targets have 2.0.0', 'succeeded', group({ installed: 2, alreadyInstalled: 1 })],
    ['1 of 1 target has 2.0.0; 4 were skipped', 'succeeded', group({ installed: 1, skipped: 4 })],
    ['0 of 3 targets have 2.0.0; 1 failed; 2 timed out', 'failed', group({ failed: 1, timedOut: 2 })],
    [
      '0 of 2 targets have 2.0.0; 1 rejected it; 1 was not admitted',
      'failed',
      group({ rejected: 2 }, { unattempted: { rejected: 1, timedOut: 0 } }),
    ],
    ['2 of 2 targets have 2.0.0; 1 was skipped', 'nothingToDo', group({ alreadyInstalled: 2, skipped: 1 })],
  ])('says "%s": %s', (sentence, outcome, one) => {
    expect([outcomeSentence(ended(one), '2.0.0'), outcomeOf(ended(one))]).toEqual([sentence, outcome]);
    expect(outcomeOf({ ...ended(one), finishedAt: null })).toBeNull();
    expect(outcomeOf({ ...ended(one), rollingBack: { at: NOW, because: 'so' } })).toBe('rolledBack');
    expect(outcomeOf({ ...ended(one), aborted: { at: NOW, because: 'so', cancelOpen: false } })).toBe('canceled');
  });
});

describe('A rollout with all defaults, over 200 seeded fleets of which a share goes wrong in some way', () => {
  const plan = planOf({});
  /** A fleet of up to 300 devices, where up to two in three go wrong, mostly in one way. */
  function fleetOf(seed: number): FleetModel {
    const random = seeded(seed);
    const devices = 1 + Math.floor(random() * random() * 300);
    let left = devices;
    const groups = plan.groups.map((one) => {
      const size = Math.min(left, groupSize(one, devices) ?? left);
      left -= size;
      return size;
    });
    const share = random() * 0.65;
    const kind = FAILURE_KINDS[seed % FAILURE_KINDS.length]!;
    const failures = { download: 0, install: 0, final: 0, rejected: 0, timeout: 0, [kind]: share };
    return {
      groups,
      kinds: [
        {
          name: 'switch',
          weight: 1,
          accept: [0],
          download: [SECOND, 90 * SECOND],
          install: [SECOND, 40 * SECOND],
          failures,
        },
      ],
      held: 0,
      online: 1,
      away: [SECOND],
      skipped: 0,
      refused: 0,
      neverSeen: 0,
      bytes: 1_000,
      assumptions: [],
    };
  }

  it('a stop rule fires in each that comes to its end although more than one in ten failed', () => {
    let bad = 0;
    for (let seed = 1; seed <= 200; seed += 1) {
      const model = fleetOf(seed);
      const devices = model.groups.reduce((sum, one) => sum + one, 0);
      const run = simulateOnce(plan, model, seed, NOW);
      const without = (devices - run.installedAt.length) / devices;
      if (!['finished', 'failed'].includes(run.outcome) || without <= 0.1) continue;
      bad += 1;
      expect([seed, run.fired.length > 0]).toEqual([seed, true]);
    }
    expect(bad).toBeGreaterThan(0);
  });
});
