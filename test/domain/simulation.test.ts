import { describe, expect, it } from '@jest/globals';
import { simulate, type FleetModel, type Forecast } from '../../domain/rollout/simulate.js';
import { Egress } from '../../domain/rollout/simulation/egress.js';
import { at, quantilesOf, type KindModel } from '../../domain/rollout/simulation/model.js';
import { EventQueue } from '../../domain/rollout/simulation/queue.js';
import { seeded } from '../../domain/rollout/simulation/random.js';
import { simulateOnce } from '../../domain/rollout/simulation/run.js';
import { planOf } from '../support/rollout-plan.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NOW = Date.parse('2026-11-24T10:00:00Z');
const NEVER = { download: 0, install: 0, final: 0, rejected: 0, timeout: 0 };

/** A device that takes a minute to download and forty seconds to install, each time. */
const KIND: KindModel = {
  name: 'switch',
  weight: 1,
  accept: [0],
  download: [60 * SECOND],
  install: [40 * SECOND],
  failures: NEVER,
};
const fleet = (groups: number[], more: Partial<FleetModel> = {}, kind: Partial<KindModel> = {}): FleetModel => ({
  groups,
  kinds: [{ ...KIND, ...kind }],
  held: 0,
  online: 1,
  away: [HOUR],
  skipped: 0,
  refused: 0,
  neverSeen: 0,
  bytes: 6_000_000,
  assumptions: [],
  ...more,
});
const ALL = [{ name: 'all' }];
const forecast = (sent: Record<string, unknown>, model: FleetModel, seed = 1): Forecast =>
  simulate({ plan: planOf({ groups: ALL, stopIf: [], ...sent }), model, seed, now: NOW });
const twice = (ms: number) => ({ p50: ms, p95: ms });

describe('A forecast that can be worked out by hand', () => {
  it('ten devices, two at once, 100 s each: five times 100 s, and the second in which each news reaches the planner', () => {
    expect(forecast({ pace: { maxInFlight: 2 } }, fleet([10]))).toMatchObject({
      devices: 10,
      runs: 200,
      outcomes: { finished: 1 },
      duration: twice(5 * 101 * SECOND),
      peakInFlight: twice(2),
      peakBytesPerSecond: twice(200_000),
      neverAdmitted: twice(0),
      milestones: [
        { share: 0.5, after: twice(302 * SECOND) },
        { share: 0.9, after: twice(504 * SECOND) },
        { share: 0.99, after: twice(504 * SECOND) },
      ],
      groups: [{ name: 'all', size: 10, passes: 1, opens: twice(0), sample: twice(10) }],
    });
  });

  it('two starts a minute: six devices begin at 0, 60.001 and 120.002 s', () => {
    expect(forecast({ pace: { startsPerMinute: 2 } }, fleet([6])).duration).toEqual(
      twice(2 * (MINUTE + 1) + 101 * SECOND),
    );
  });

  it('a ramp doubles the rate once the first device has it', () => {
    const ramp = { from: 1, factor: 2, every: { succeeded: 1 } };
    // At 0, 60.001 s one each; at 101 s the first has it, and the rate is two: one more, which leaves the window of the
    // second at 120.002 s.
    expect(forecast({ pace: { ramp } }, fleet([3])).duration).toEqual(twice(202 * SECOND));
  });

  it('a download that fails each time is tried three times, 5 and 10 minutes after the end of the one before, and counts once', () => {
    const { duration, stopRules, outcomes } = forecast(
      { stopIf: [{ outcome: 'failed', share: 1, after: 1, then: 'pause' }], groups: ALL },
      fleet([1], {}, { failures: { ...NEVER, download: 1 } }),
    );
    expect([duration, stopRules[0]!.chance, outcomes.failed]).toEqual([twice(3 * MINUTE + 15 * MINUTE + SECOND), 1, 1]);
  });

  it('a device that falls silent is cut off by the install timeout; with retries not asked for, for good', () => {
    const made = forecast({ retry: { on: [] } }, fleet([1], {}, { failures: { ...NEVER, timeout: 1 } }));
    expect([made.duration, made.groups[0]!.passes, made.devicesPerHour]).toEqual([
      twice(MINUTE + 30 * MINUTE + SECOND),
      0,
      0,
    ]);
  });

  it('a device that needs longer than the plan allows is cut off, too', () => {
    const made = forecast({ timeouts: { install: 'PT10S', confirm: 'PT10S' }, retry: { maxAttempts: 1 } }, fleet([1]));
    expect([made.duration, made.groups[0]!.passes]).toEqual([twice(81 * SECOND), 0]);
  });

  it('the canary soaks two hours before the rest begins, and an approval is given at once', () => {
    const groups = [{ name: 'canary', count: 1, soak: 'PT2H', approval: { required: 2 } }, { name: 'rest' }];
    const made = forecast({ groups }, fleet([1, 9]));
    expect(made.groups[1]!.opens).toEqual(twice(101 * SECOND + 2 * HOUR));
    expect(made.assumptions).toContain('Approvals are given at once, and no amendment voids them.');
  });

  it('where every device fails, the stop rule pauses it after the tenth, with its sentence', () => {
    const made = forecast(
      { stopIf: undefined, pace: { maxInFlight: 1 } },
      fleet([50], {}, { failures: { ...NEVER, final: 1 } }),
    );
    expect(made).toMatchObject({
      outcomes: { paused: 1, finished: 0 },
      duration: null,
      stopRules: [{ chance: 1 }],
      devicesPerHour: 0,
    });
    expect(made.pauses).toEqual([
      { reason: 'failure_budget', chance: 1, because: expect.stringMatching(/^10 of 10 installations failed/) },
    ]);
  });

  it('one that aborts ends nothing begins any more, and what is open ends', () => {
    const stopIf = [{ outcome: 'failed', share: 0.1, after: 2, then: 'abort' }];
    expect(
      forecast({ stopIf, pace: { maxInFlight: 2 } }, fleet([50], {}, { failures: { ...NEVER, final: 1 } })),
    ).toMatchObject({ outcomes: { aborted: 1 }, duration: twice(101 * SECOND), neverAdmitted: twice(48) });
  });

  it('a sequential gate has the sample that it needs: 74 devices without a failure', () => {
    const gate = { maxFailureRate: 0.05, confidence: 0.95 };
    const made = forecast(
      { groups: [{ name: 'canary', count: 80, gate }, { name: 'rest' }], pace: { maxInFlight: 1 } },
      fleet([80, 20]),
    );
    expect(made.groups[0]).toMatchObject({ passes: 1, sample: twice(74) });
  });

  it('a gate that cannot be decided pauses, and says so', () => {
    const gate = { maxFailureRate: 0.05, confidence: 0.95 };
    const made = forecast({ groups: [{ name: 'canary', count: 30, gate }, { name: 'rest' }] }, fleet([30, 20]));
    expect(made).toMatchObject({
      outcomes: { paused: 1 },
      pauses: [{ reason: 'gate_inconclusive' }],
      groups: [{ passes: 0 }, { opens: null, passed: null }],
    });
  });

  it('devices that were never there are never admitted, and are given up at the deadline of the plan', () => {
    expect(forecast({ pace: { awayAfter: 'P60D' } }, fleet([5], { online: 0, neverSeen: 1 }))).toMatchObject({
      duration: twice(30 * DAY),
      neverAdmitted: twice(5),
      devicesPerHour: 0,
      milestones: [{ after: null }, { after: null }, { after: null }],
    });
  });

  it('a group of which too few are there pauses after a day, and the forecast says so', () => {
    expect(forecast({}, fleet([5], { online: 0, neverSeen: 1 }))).toMatchObject({
      outcomes: { paused: 1 },
      pauses: [{ reason: 'gate_inconclusive', chance: 1, because: expect.stringContaining('5 of 5 targets are away') }],
    });
  });

  it('devices that return during a soak do not restart it', () => {
    const plan = planOf({ groups: [{ name: 'all', soak: 'P1D' }], stopIf: [], pace: { maxInFlight: 1_000 } });
    const { groups, installedAt } = simulateOnce(plan, fleet([300], { online: 0.9, away: [2 * DAY] }), 1, NOW);
    const passed = groups[0]!.passed!;
    expect(installedAt.some((at) => at > DAY && at < passed)).toBe(true);
    expect(passed).toBeGreaterThanOrEqual(2 * DAY);
    expect(passed).toBeLessThan(2 * DAY + HOUR);
  });

  it('half of the devices that have been away for an hour are back within another hour', () => {
    const { installedAt } = simulateOnce(
      planOf({ groups: ALL, pace: { maxInFlight: 20_000, startsPerMinute: 20_000 } }),
      fleet([10_000], { online: 0 }),
      1,
      NOW,
    );
    const within = installedAt.filter((time) => time <= HOUR + 102 * SECOND).length / 10_000;
    expect(Math.abs(within - 0.5)).toBeLessThan(0.03);
  });

  it('a fleet that holds the content already is finished at once', () => {
    expect(forecast({}, fleet([5], { held: 1 }))).toMatchObject({
      duration: twice(0),
      neverAdmitted: twice(0),
      peakBytesPerSecond: twice(0),
    });
  });

  it('an offer to a device that is never heard spends no attempt: it is repeated until the deadline of the target', () => {
    expect(
      forecast({ pace: { offline: 'offer' }, retry: { maxAttempts: 2 } }, fleet([1], { online: 0, neverSeen: 1 })),
    ).toMatchObject({ duration: twice(30 * DAY), groups: [{ passes: 0 }] });
  });

  it('a plan with a time to start begins there', () => {
    const made = forecast({ schedule: { startAt: '2026-11-25T10:00:00Z' } }, fleet([1]));
    expect([made.startsAt, made.duration]).toEqual([NOW + DAY, twice(101 * SECOND)]);
  });

  it('past its end nothing starts: devices that were offline are canceled', () => {
    const made = forecast({ schedule: { endAt: '2026-11-24T10:05:00Z' }, pace: { maxInFlight: 1 } }, fleet([10]));
    expect(made).toMatchObject({ neverAdmitted: twice(7), outcomes: { finished: 1 } });
  });
});

/** A plan and a fleet with a bit of everything, by a seed. */
function anything(seed: number): { plan: ReturnType<typeof planOf>; model: FleetModel } {
  const random = seeded(seed);
  const pick = (from: number, to: number) => from + Math.floor(random() * (to - from + 1));
  const counts = Array.from({ length: pick(1, 4) }, () => pick(1, 60));
  const failures = {
    download: random() * 0.2,
    install: random() * 0.1,
    final: random() * 0.1,
    rejected: random() * 0.05,
    timeout: random() * 0.1,
  };
  const times = () => quantilesOf(Array.from({ length: pick(1, 5) }, () => pick(1, 600) * SECOND));
  return {
    plan: planOf({
      groups: counts.map((count, index) => ({
        name: `g${index}`,
        ...(index < counts.length - 1 ? { count } : {}),
        soak: random() < 0.5 ? 'PT0S' : `PT${pick(1, 60)}M`,
        gate: { minSuccess: random() },
      })),
      pace: {
        maxInFlight: pick(1, 30),
        startsPerMinute: pick(1, 60),
        offline: random() < 0.3 ? 'offer' : 'wait',
        ramp: random() < 0.3 ? { from: 1, factor: 2, every: { succeeded: pick(1, 5) } } : null,
      },
      stopIf:
        random() < 0.5
          ? [{ outcome: 'any', share: random(), after: pick(1, 10), then: random() < 0.5 ? 'pause' : 'abort' }]
          : [],
    }),
    model: {
      groups: counts,
      kinds: [{ ...KIND, accept: times(), download: times(), install: times(), failures }, KIND],
      held: random() * 0.2,
      online: random(),
      away: times(),
      skipped: random() * 0.1,
      refused: random() * 0.1,
      neverSeen: random() * 0.1,
      bytes: 1_000,
      assumptions: [],
    },
  };
}

describe('A forecast', () => {
  it('is the same for the same seed, survives JSON, and another one for another seed', () => {
    const { model } = anything(7);
    const [once, again, other] = [forecast({}, model, 3), forecast({}, model, 3), forecast({}, model, 4)];
    expect(again).toEqual(once);
    expect(JSON.parse(JSON.stringify(once))).toEqual(once);
    expect({ ...other, seed: 3 }).not.toEqual(once);
  });

  it('over 300 plans and fleets: ends, and neither the cap nor the number of devices is ever exceeded', () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const { plan, model } = anything(seed);
      const run = simulateOnce(plan, model, seed, NOW);
      expect([seed, run.peakInFlight <= plan.pace.maxInFlight, run.outcome === 'waiting']).toEqual([seed, true, false]);
      expect(run.installedAt.length + run.neverAdmitted).toBeLessThanOrEqual(
        model.groups.reduce((sum, one) => sum + one, 0),
      );
      expect(run.ended).toBeLessThanOrEqual(plan.groups.length * (30 * DAY + HOUR));
    }
  });

  it('of 100,000 devices takes seconds of one core, not minutes', () => {
    const failures = { download: 0.02, install: 0.01, final: 0.005, rejected: 0.002, timeout: 0.005 };
    const model = fleet(
      [1_000, 10_000, 89_000],
      { online: 0.85, away: [HOUR, 6 * HOUR, DAY], neverSeen: 0.05, held: 0.02 },
      { download: [30, 60, 120, 600].map((s) => s * SECOND), failures },
    );
    const before = process.cpuUsage();
    const made = simulate({ plan: planOf({ pace: { maxInFlight: 500 } }), model, seed: 1, now: NOW });
    const { user, system } = process.cpuUsage(before);
    expect(made.devices).toBe(100_000);
    expect(made.runs).toBeGreaterThanOrEqual(5);
    // About 3 s in a plain process; beside another worker of the test runner, in its module loader, 13 s were seen.
    expect((user + system) / 1_000).toBeLessThan(40_000);
  }, 120_000);
});

describe('The parts of a simulation', () => {
  it('the queue gives out by time, and by number where the time is the same', () => {
    const random = seeded(5);
    const queue = new EventQueue();
    const put = Array.from({ length: 5_000 }, (_, number) => ({ time: Math.floor(random() * 500), number }));
    for (const { time, number } of put) queue.put(time, number);
    const taken = put.map(() => [queue.nextAt, queue.pop()]);
    expect(taken).toEqual(
      [...put].sort((a, b) => a.time - b.time || a.number - b.number).map(({ time, number }) => [time, number]),
    );
    expect(queue.nextAt).toBe(Infinity);
  });

  it.each([
    ['one download', [[0, 10_000, 1_000]], 100],
    [
      'two at once',
      [
        [0, 10_000, 1_000],
        [5_000, 15_000, 1_000],
      ],
      200,
    ],
    [
      'one after the other',
      [
        [0, 10_000, 1_000],
        [10_000, 20_000, 1_000],
      ],
      100,
    ],
    [
      'some within a second',
      [
        [100, 200, 50],
        [300, 400, 70],
      ],
      120,
    ],
  ] as const)('egress: %s', (_name, downloads, peak) => {
    const egress = new Egress();
    for (const [from, to, bytes] of downloads) egress.add(from, to, bytes);
    expect(egress.peak()).toBeCloseTo(peak, 6);
  });

  it('egress over months keeps what was before, in wider buckets', () => {
    const egress = new Egress();
    egress.add(0, 100 * SECOND, 1_000_000);
    egress.add(90 * DAY, 90 * DAY + 1_000_000 * SECOND, 1_000_000);
    expect(egress.peak()).toBeGreaterThan(5_000);
    expect(egress.peak()).toBeLessThanOrEqual(10_001);
  });

  it('quantiles: of few values all of them, of many a hundred and one; between two it interpolates', () => {
    expect(quantilesOf([3, 1, 2])).toEqual([1, 2, 3]);
    const many = quantilesOf(Array.from({ length: 2_001 }, (_, index) => index));
    expect([many.length, many[0], many[50], many[100]]).toEqual([101, 0, 1_000, 2_000]);
    expect([at([10], 0.7), at([0, 10], 0.25), at([0, 10, 40], 0.75)]).toEqual([10, 2.5, 25]);
  });
});
