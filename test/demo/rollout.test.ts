import { describe, expect, it } from '@jest/globals';
import { readArguments } from '../../demo/arguments.js';
import { partsOf } from '../../demo/rollout/rollout-fleet.js';
import { besideEachOther, forecastSentence, type Forecast } from '../../demo/rollout/forecast.js';
import { RolloutPicture, rolloutPicture } from '../../demo/rollout/picture.js';
import {
  isAtRest,
  type GroupResource,
  type RolloutResource,
  type TargetResource,
} from '../../demo/rollout/resource.js';
import {
  backSentences,
  faultsOfCanary,
  faultsOfRollBack,
  faultsOfRollout,
  reasonOf,
  summaryOf,
  type Checked,
} from '../../demo/rollout/verdict.js';
import type { ProfileName } from '../../agent/simulator/profiles.js';
import { NO_COUNTERS, type Counters } from '../../domain/rollout/facts.js';
import { ROLLOUT_EXAMPLE } from '../../protocol/http/rollout-example.js';

const at = (seconds: number) => new Date(1_800_000_000_000 + seconds * 1_000).toISOString();
const plain = (line: string) => line.replaceAll(/\u001b\[\d+m/g, '');

function group(
  name: string,
  size: number,
  counters: Partial<Counters>,
  also: Partial<GroupResource> = {},
): GroupResource {
  const [example] = (ROLLOUT_EXAMPLE as unknown as RolloutResource).groups;
  const ended = Object.entries(counters)
    .filter(([state]) => state !== 'inFlight' && state !== 'queued')
    .reduce((sum, [, count]) => sum + count, 0);
  return {
    ...example!,
    name,
    size,
    counters: {
      ...NO_COUNTERS,
      pending: size - ended - (counters.inFlight ?? 0) - (counters.queued ?? 0),
      ...counters,
      bytes: 0,
    },
    state: 'running',
    openedAt: at(1),
    passedAt: null,
    failedAt: null,
    gate: { ...example!.gate, because: `${ended} of ${size} ended targets succeeded; 90 % required` },
    ...also,
  };
}

function rollout(groups: GroupResource[], also: Partial<RolloutResource> = {}): RolloutResource {
  const counters = Object.fromEntries(
    Object.keys(groups[0]!.counters).map((key) => [
      key,
      groups.reduce((sum, one) => sum + one.counters[key as keyof Counters], 0),
    ]),
  ) as RolloutResource['counters'];
  return {
    ...(ROLLOUT_EXAMPLE as unknown as RolloutResource),
    name: 'lamp 2.0.0',
    groups,
    counters,
    phase: 'running',
    because: `Running since ${at(1)}.`,
    waitingOn: 'Waiting for 6 installations in flight.',
    pauses: [],
    startedAt: at(1),
    finishedAt: null,
    abortedAt: null,
    ...also,
  };
}

const RUNNING = rollout([
  group('canary', 10, { installed: 9, failed: 1 }, { state: 'passed', passedAt: at(6) }),
  group('early', 40, { installed: 20, failed: 1, timedOut: 1, inFlight: 5, queued: 1 }),
  group('rest', 150, {}, { state: 'pending', openedAt: null }),
]);
const STOPPED = rollout(
  [
    group('canary', 2, { failed: 2 }, { state: 'failed', failedAt: at(4) }),
    group('rest', 2, {}, { state: 'pending', openedAt: null }),
  ],
  {
    phase: 'paused',
    because: 'Paused: 2 of 2 installations failed; the rollout pauses at 20 % (failure_budget).',
    pauses: [
      { reason: 'gate_failed', since: at(4), because: 'group "canary" failed' },
      {
        reason: 'failure_budget',
        since: at(3),
        because: '2 of 2 installations failed; the rollout pauses at 20 % (checked after 1 installation)',
      },
    ],
  },
);

function checked(
  id: string,
  groupName: string,
  profile: ProfileName,
  state: TargetResource['state'],
  also: Partial<Checked> = {},
): Checked {
  const was = state !== 'pending';
  return {
    device: { id, name: `lamp ${id}`, group: groupName, profile },
    target: { deviceId: id, group: groupName, state, attempt: was ? 1 : 0 },
    isNew: state === 'installed',
    isOld: state !== 'installed',
    wasTouched: was,
    installations: was ? 1 : 0,
    ...also,
  };
}

describe('the rollout of the demo', () => {
  it('draws per group its state, a bar, its counters and what its gate says, and below what the rollout waits for, in 80 columns', () => {
    const lines = rolloutPicture(RUNNING, 12_345, 80).map(plain);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
    expect(lines[0]!.trim().split(/ {2,}/)).toEqual(['of', 'pending', 'in flight', 'installed', 'failed']);
    expect(lines[1]).toMatch(/^canary {2}passed {3}#{17}x{2} +10 +0 +0 +9 +1$/);
    expect(lines[3]).toMatch(/^early {3}running {2}#+x>+\.+ +40 +12 +6 +20 +2$/);
    expect(lines[4]).toBe('        22 of 40 ended targets succeeded; 90 % required');
    expect(lines[5]).toMatch(/^rest {4}pending {2}\.+ +150 +150 +0 +0 +0$/);
    expect(lines.slice(-2)).toEqual(['running, 12.3 s', 'Waiting for 6 installations in flight.']);
  });

  it('keeps within a terminal that is narrower than its bar', () => {
    for (const line of rolloutPicture(RUNNING, 1_000, 62)) expect(plain(line).length).toBeLessThanOrEqual(62);
  });

  it('prints changes only, one line each, when the output is no terminal, and why a group passed', () => {
    const picture = new RolloutPicture(process.stdout, 0);
    expect(picture.changes(RUNNING)).toHaveLength(4);
    expect(picture.changes(RUNNING)).toEqual([]);
    const [first] = new RolloutPicture(process.stdout, 0).changes(RUNNING);
    expect(first).toBe(
      'canary  passed   pending 0, in flight 0, installed 9, failed 1: 10 of 10 ended targets succeeded; 90 % required',
    );
    const next = { ...RUNNING, groups: [RUNNING.groups[0]!, RUNNING.groups[1]!, group('rest', 150, { inFlight: 3 })] };
    expect(picture.changes(next)).toEqual(['rest    running  pending 147, in flight 3, installed 0, failed 0']);
  });

  it('is over when it has ended, or is paused and nothing is open', () => {
    expect(isAtRest(RUNNING)).toBe(false);
    expect(isAtRest({ ...RUNNING, phase: 'paused' })).toBe(false);
    expect(isAtRest(STOPPED)).toBe(true);
  });

  it('gives each group the same faults each time, and a bad version to every device, or to some of the canary', () => {
    const targets = Array.from({ length: 60 }, (_, index) => ({
      deviceId: `d-${index}`,
      group: index < 10 ? 'canary' : 'rest',
    }));
    const parts = [...partsOf(targets, 'good').values()];
    expect(parts.filter(({ group: name, profile }) => name === 'canary' && profile !== 'good')).toEqual([]);
    expect(parts.filter(({ profile }) => profile === 'rollback')).toHaveLength(3);
    expect(new Set([...partsOf(targets, 'bootsNowhere').values()].map(({ profile }) => profile))).toEqual(
      new Set(['rollback']),
    );
    const some = [...partsOf(targets, 'bootsOnSome').values()]
      .filter(({ group: name }) => name === 'canary')
      .map(({ profile }) => profile);
    expect(some).toEqual([...Array<ProfileName>(4).fill('rollback'), ...Array<ProfileName>(6).fill('good')]);
  });

  it('is good when it finished, every device ended as its profile says, and its disk says the same', () => {
    const finished = { ...RUNNING, phase: 'finished' as const };
    const good = [checked('a', 'canary', 'good', 'installed'), checked('b', 'rest', 'rollback', 'failed')];
    expect(faultsOfRollout(finished, good)).toEqual([]);
    expect(faultsOfRollout(RUNNING, good)).toEqual(['the rollout should have finished, and is running']);
    expect(faultsOfRollout(finished, [checked('a', 'canary', 'good', 'failed')])).toEqual([
      'device a (good) should have ended as installed, and is failed',
    ]);
    expect(faultsOfRollout(finished, [checked('a', 'canary', 'good', 'installed', { isNew: false })])).toEqual([
      'the service says that device a is installed, but its slot holds the old one',
    ]);
  });

  const canary = [checked('a', 'canary', 'rollback', 'failed'), checked('b', 'canary', 'rollback', 'failed')];
  const rest = [checked('c', 'rest', 'rollback', 'pending'), checked('d', 'rest', 'rollback', 'pending')];

  it('has stopped a bad version when exactly the canary tried it, once each, and no other device received it', () => {
    expect(faultsOfCanary(STOPPED, [...canary, ...rest])).toEqual([]);
  });

  it.each<[string, Checked[], RolloutResource]>([
    [
      'a device outside of the canary has an installation',
      [...canary, checked('c', 'rest', 'rollback', 'pending', { installations: 1 }), rest[1]!],
      STOPPED,
    ],
    [
      'a device outside of the canary had it in its slot once',
      [...canary, checked('c', 'rest', 'rollback', 'pending', { wasTouched: true }), rest[1]!],
      STOPPED,
    ],
    [
      'a device of the canary was not asked',
      [canary[0]!, checked('b', 'canary', 'rollback', 'pending'), ...rest],
      STOPPED,
    ],
    [
      'a device of the canary tried it twice',
      [canary[0]!, checked('b', 'canary', 'rollback', 'failed', { installations: 2 }), ...rest],
      STOPPED,
    ],
    [
      'a device holds the bad version',
      [canary[0]!, checked('b', 'canary', 'rollback', 'failed', { isNew: true }), ...rest],
      STOPPED,
    ],
    [
      'something else than the failure budget paused it',
      [...canary, ...rest],
      { ...STOPPED, pauses: [STOPPED.pauses[0]!] },
    ],
    ['it goes on', [...canary, ...rest], { ...STOPPED, phase: 'running' }],
  ])('has not stopped a bad version where %s', (_what, all, one) => {
    expect(faultsOfCanary(one, all)).toHaveLength(1);
  });

  const RULE = '1 of 3 installations failed; the rollout rolls back at 20 % (checked after 3 installations)';
  const onItsWay = { pending: 1, queued: 0, inFlight: 0, rolledBack: 1, failed: 0 };
  const back = (rollBack: GroupResource['rollBack'], also: Partial<RolloutResource>) =>
    rollout(
      [
        group('canary', 3, { installed: 2, failed: 1 }, { rollBack }),
        group(
          'rest',
          2,
          { canceled: 2 },
          {
            state: 'pending',
            openedAt: null,
            rollBack: { pending: 0, queued: 0, inFlight: 0, rolledBack: 0, failed: 0 },
          },
        ),
      ],
      also,
    );
  const ROLLING_BACK = back(onItsWay, { phase: 'rolling_back', because: `Rolling back since ${at(3)}: ${RULE}.` });
  const ROLLED_BACK = back(
    { ...onItsWay, pending: 0, rolledBack: 2 },
    {
      phase: 'aborted',
      because: `Aborted at ${at(6)}: rolled back: ${RULE}; 2 devices hold their earlier content again.`,
      abortedAt: at(6),
    },
  );
  const brought = (id: string, also: Partial<Checked> = {}): Checked => {
    const one = checked(id, 'canary', 'good', 'installed', { isNew: false, isOld: true, installations: 2, ...also });
    return { ...one, target: { ...one.target, rollBack: { state: one.isOld ? 'rolledBack' : 'failed' } } };
  };
  const returned = [brought('a'), brought('b'), checked('c', 'canary', 'rollback', 'failed')];
  const left = [
    checked('d', 'rest', 'good', 'canceled', { wasTouched: false, installations: 0 }),
    checked('e', 'rest', 'good', 'canceled', { wasTouched: false, installations: 0 }),
  ];

  it('shows during a roll back how many updated devices hold their earlier content again', () => {
    const picture = rolloutPicture(ROLLING_BACK, 4_000, 80).map(plain);
    expect(picture[2]).toBe('        1 of 2 updated devices hold their earlier content again');
    expect(picture.at(-2)).toBe('rolling_back, 4.0 s');
    expect(isAtRest(ROLLING_BACK)).toBe(false);
    const changes = new RolloutPicture(process.stdout, 0).changes(ROLLING_BACK);
    expect(changes[0]).toBe(
      'canary  running  pending 0, in flight 0, installed 2, failed 1: 1 of 2 updated devices hold their earlier content again',
    );
    expect(changes.at(-1)).toBe(`rolling_back: Rolling back since ${at(3)}: ${RULE}.`);
  });

  it('has rolled back when every device of the canary holds its earlier content and no other device received the version', () => {
    expect(isAtRest(ROLLED_BACK)).toBe(true);
    expect(faultsOfRollBack(ROLLED_BACK, [...returned, ...left])).toEqual([]);
    expect(summaryOf(ROLLED_BACK)[0]).toBe(
      '"lamp 2.0.0": aborted 5.0 s after its start; 0 of 5 devices hold the new version, 1 failed or refused it, 2 were not asked.',
    );
    expect(backSentences([...returned, ...left], 'lamp 1.0.0')).toEqual([
      'Brought back to lamp 1.0.0 by an installation of their own: lamp a, lamp b.',
      'Booted back into lamp 1.0.0 by themselves: lamp c.',
      'All 3 devices of the canary hold lamp 1.0.0 again; the other 2 held it all the time, and have no installation.',
    ]);
  });

  it.each<[string, Checked[], RolloutResource]>([
    [
      'a device does not hold its earlier content',
      [brought('a', { isOld: false }), ...returned.slice(1), ...left],
      ROLLED_BACK,
    ],
    [
      'the service says nothing of the way back of a device that installed it',
      [checked('a', 'canary', 'good', 'installed', { isNew: false, isOld: true }), ...returned.slice(1), ...left],
      ROLLED_BACK,
    ],
    [
      'a device of the canary was not asked',
      [
        ...returned.slice(0, 2),
        checked('c', 'canary', 'good', 'canceled', { wasTouched: false, installations: 0 }),
        ...left,
      ],
      ROLLED_BACK,
    ],
    [
      'a device outside of the canary had it in its slot once',
      [...returned, left[0]!, checked('e', 'rest', 'good', 'canceled', { installations: 0 })],
      ROLLED_BACK,
    ],
    ['nothing had to be brought back', [checked('c', 'canary', 'rollback', 'failed'), ...left], ROLLED_BACK],
    ['it is still on its way', [...returned, ...left], ROLLING_BACK],
  ])('has not gone back where %s', (_what, all, one) => {
    expect(faultsOfRollBack(one, all)).toHaveLength(1);
  });

  it('is summed up in sentences: how long it took, per group, and the first thing that stopped it', () => {
    expect(reasonOf(STOPPED)).toBe(
      '2 of 2 installations failed; the rollout pauses at 20 % (checked after 1 installation).',
    );
    expect(summaryOf(STOPPED)).toEqual([
      '"lamp 2.0.0": paused 2.0 s after its start; 0 of 4 devices hold the new version, 2 failed or refused it, 2 were not asked.',
      '  canary: 0 of 2 installed, 2 failed; failed 3.0 s after it began: 2 of 2 ended targets succeeded; 90 % required.',
      '  rest: never begun; none of its 2 devices was touched.',
      'Why it stopped: 2 of 2 installations failed; the rollout pauses at 20 % (checked after 1 installation).',
    ]);
  });

  const FORECAST = {
    runs: 200,
    duration: { p50: 'PT21S', p95: 'PT1M' },
    outcomes: { finished: 0.98 },
    peakInFlight: { p50: 40, p95: 40 },
    stopRules: [{ chance: 0.02 }],
  } as unknown as Forecast;

  it('has a forecast in one sentence, which is printed beside the result', () => {
    expect(forecastSentence(FORECAST, { pilots: Array(12) })).toBe(
      'The forecast, from what 12 other lamps took for an earlier version: it takes 21 s, and no more than 60 s in 95 % of 200 runs; up to 40 are in flight at once; the stop rule acts in 2 % of the runs.',
    );
    expect(besideEachOther(FORECAST, { ...RUNNING, phase: 'finished', finishedAt: at(24.5) }, 39)).toEqual([
      '                  forecast                 real',
      '  duration        21 s (95 %: 60 s)        23.5 s',
      '  finishes        in 98 % of the runs      yes',
      '  most in flight  40                       39',
      '  stop rule       acts in 2 % of the runs  did not act',
    ]);
    expect(besideEachOther({ ...FORECAST, duration: null }, STOPPED, 2).slice(1)).toEqual([
      '  duration        endless                  2.0 s, then paused',
      '  finishes        in 98 % of the runs      no',
      '  most in flight  40                       2',
      '  stop rule       acts in 2 % of the runs  acted',
      'A forecast takes a version to be as good as those before; hence the canary.',
    ]);
  });

  it('is selected by flags, and prints its usage for unknown flags', () => {
    expect(readArguments([])).toEqual({ keep: false, seed: 1, withInstallations: true, version: 'good' });
    expect(readArguments(['--rollout-only', '--seed', '7'])).toEqual({
      keep: false,
      seed: 7,
      withInstallations: false,
      version: 'good',
    });
    expect(readArguments(['--bad-firmware', '--keep'])).toEqual({
      keep: true,
      seed: 1,
      withInstallations: false,
      version: 'bootsNowhere',
    });
    expect(readArguments(['--bad-firmware', '--roll-back'])).toEqual({
      keep: false,
      seed: 1,
      withInstallations: false,
      version: 'bootsOnSome',
    });
    expect(() => readArguments(['--roll-back'])).toThrow('--roll-back goes with --bad-firmware');
    expect(() => readArguments(['--bad'])).toThrow('npm run demo [-- --rollout-only]');
  });
});
