import { describe, expect, it } from '@jest/globals';
import { seededRandom } from '../../agent/simulator/random.js';
import { logGamma, logIncompleteBeta } from '../../domain/statistics/beta.js';
import { failureRateBounds, judgeRate, sampleNeeded } from '../../domain/statistics/confidence.js';
import { longestEndedPrefix, type Outcome } from '../../domain/statistics/prefix.js';

/**
 * Fixed: a chance of 4 % measured 2,000 times exceeds 5 % now and then, and no change of the code is to blame for it.
 */
const SEED = 20_261_124;
const RUNS = 2_000;

type Verdict = ReturnType<typeof judgeRate>;

/** One gate, with its verdicts remembered: the simulations look millions of times, at few different counts. */
function gate(maxFailureRate: number, confidence: number): (failed: number, ended: number) => Verdict {
  const known: Verdict[][] = [];
  return (failed, ended) => ((known[ended] ??= [])[failed] ??= judgeRate(failed, ended, maxFailureRate, confidence));
}

/** Devices of a true failure rate, looked at after each, until the gate decides or the group is exhausted. */
function decide(
  judge: ReturnType<typeof gate>,
  trueRate: number,
  size: number,
  random: () => number,
): { verdict: Verdict; after: number } {
  let failed = 0;
  for (let ended = 1; ended <= size; ended += 1) {
    if (random() < trueRate) failed += 1;
    const verdict = judge(failed, ended);
    if (verdict !== 'wait') return { verdict, after: ended };
  }
  return { verdict: 'wait', after: size };
}

/** The same without chance: the probability of each count of failures, with what was decided taken out. */
function exactly(judge: ReturnType<typeof gate>, trueRate: number, size: number): { pass: number; fail: number } {
  const open = new Float64Array(size + 2);
  open[0] = 1;
  const decided = { pass: 0, fail: 0 };
  for (let ended = 1; ended <= size; ended += 1) {
    for (let failed = ended; failed >= 0; failed -= 1) {
      const probability = open[failed]! * (1 - trueRate) + (failed === 0 ? 0 : open[failed - 1]! * trueRate);
      // All that is dropped is less than 1e-12 together.
      const verdict = probability < 1e-18 ? 'wait' : judge(failed, ended);
      open[failed] = verdict === 'wait' ? probability : 0;
      if (verdict !== 'wait') decided[verdict] += probability;
    }
  }
  return decided;
}

describe('a gate that is looked at after every device', () => {
  it.each([
    [0.01, 0.95, 1_000],
    [0.05, 0.95, 1_000],
    [0.2, 0.95, 500],
    [0.5, 0.95, 300],
    [0.05, 0.8, 500],
  ])(
    `of %d at confidence %d, over ${RUNS} runs at the boundary with groups of %d, passes falsely and fails falsely no more often than it may (seed ${SEED})`,
    (rate, confidence, size) => {
      const judge = gate(rate, confidence);
      const random = seededRandom(SEED, `gate ${rate} ${confidence}`);
      const count = { pass: 0, fail: 0, wait: 0 };
      for (let run = 0; run < RUNS; run += 1) count[decide(judge, rate, size, random).verdict] += 1;
      expect(count.pass / RUNS).toBeLessThanOrEqual(1 - confidence);
      expect(count.fail / RUNS).toBeLessThanOrEqual(1 - confidence);
      // Not by never deciding: at confidence 0.95 about one run in twenty-five does, on each side.
      expect(count.pass + count.fail).toBeGreaterThan(RUNS * (1 - confidence) * 0.5);
    },
  );

  it.each([
    [0.01, 0.95],
    [0.05, 0.95],
    [0.05, 0.8],
    [0.05, 0.99],
  ])('of %d at confidence %d: the same without chance, over 1,000 devices at the boundary', (rate, confidence) => {
    const { pass, fail } = exactly(gate(rate, confidence), rate, 1_000);
    expect(pass).toBeLessThanOrEqual(1 - confidence);
    expect(fail).toBeLessThanOrEqual(1 - confidence);
  });

  it('passes worse firmware still less often than at the boundary, and fails better firmware still less often', () => {
    const judge = gate(0.05, 0.95);
    expect(exactly(judge, 0.06, 1_000).pass).toBeLessThan(exactly(judge, 0.05, 1_000).pass);
    expect(exactly(judge, 0.04, 1_000).fail).toBeLessThan(exactly(judge, 0.05, 1_000).fail);
  });

  it.each([
    ['that never fails', 0, 'pass', 74, 74],
    ['with a fifth of the allowed rate', 0.01, 'pass', 115, 160],
    ['with twice the allowed rate', 0.1, 'fail', 200, 260],
    ['with six times the allowed rate', 0.3, 'fail', 8, 18],
  ] as const)(
    'of 5 %%: firmware %s (%d) gets its "%s" after a mean of %d to %d devices',
    (_, trueRate, verdict, least, most) => {
      const random = seededRandom(SEED, `speed ${trueRate}`);
      const judge = gate(0.05, 0.95);
      const runs = Array.from({ length: 500 }, () => decide(judge, trueRate, 5_000, random));
      const mean = runs.reduce((sum, run) => sum + run.after, 0) / runs.length;
      expect(runs.filter((run) => run.verdict === verdict).length).toBeGreaterThan(490);
      expect(mean).toBeGreaterThanOrEqual(least);
      expect(mean).toBeLessThanOrEqual(most);
    },
  );
});

describe('the bounds of a failure rate', () => {
  // Reference: the integrals and their roots with 30 digits (mpmath).
  it.each([
    [0, 5, 0.95, 0, 0.5198306742],
    [0, 59, 0.95, 0, 0.06201222922],
    [0, 74, 0.95, 0, 0.04979019449],
    [0, 299, 0.95, 0, 0.01258291996],
    [1, 1, 0.95, 0.01930405118, 1],
    [3, 3, 0.95, 0.2405721542, 1],
    [1, 100, 0.95, 0.00002222466589, 0.06465293311],
    [5, 100, 0.95, 0.0080693895, 0.1374829171],
    [50, 1000, 0.95, 0.02955237744, 0.07470134861],
    [5, 100, 0.99, 0.005555895226, 0.1590928141],
    [10, 20, 0.8, 0.2631476948, 0.7585754627],
  ])('after %d failures in %d at confidence %d are %d and %d', (failed, ended, confidence, lower, upper) => {
    const bounds = failureRateBounds(failed, ended, confidence);
    expect(bounds.lower).toBeCloseTo(lower, 9);
    expect(bounds.upper).toBeCloseTo(upper, 9);
  });

  it('know nothing before the first device has ended', () => {
    expect(failureRateBounds(0, 0, 0.95)).toEqual({ lower: 0, upper: 1 });
    expect(judgeRate(0, 0, 0.05, 0.95)).toBe('wait');
  });

  it.each([
    [5, 0.05 ** (1 / 5)],
    [59, 0.05 ** (1 / 59)],
    [299, 0.05 ** (1 / 299)],
  ])(
    'with no failure in %d devices are wider than when one looks only once, and by less than a third',
    (ended, share) => {
      const once = 1 - share;
      const { upper } = failureRateBounds(0, ended, 0.95);
      expect(upper).toBeGreaterThan(once);
      expect(upper).toBeLessThan((once * 4) / 3);
    },
  );

  it('hold what was seen, lie within 0 and 1, and close in on it as devices come', () => {
    for (const share of [0, 0.01, 0.3, 1]) {
      const widths = [100, 1_000, 10_000, 100_000, 1_000_000].map((ended) => {
        const { lower, upper } = failureRateBounds(share * ended, ended, 0.95);
        expect(lower).toBeGreaterThanOrEqual(0);
        expect(upper).toBeLessThanOrEqual(1);
        expect(lower).toBeLessThanOrEqual(share);
        expect(upper).toBeGreaterThanOrEqual(share);
        return upper - lower;
      });
      expect(widths).toEqual([...widths].sort((a, b) => b - a));
    }
  });

  it('say what the gate says: below the allowed rate it passes, above it fails', () => {
    const random = seededRandom(SEED, 'agree');
    for (let run = 0; run < 1_000; run += 1) {
      const ended = Math.floor(10 ** (random() * 4.5));
      const failed = Math.min(ended, Math.floor(ended * random() ** 3 * 1.05));
      const rate = random() ** 2;
      const confidence = [0.5, 0.8, 0.95, 0.99, 0.999][Math.floor(random() * 5)]!;
      const { lower, upper } = failureRateBounds(failed, ended, confidence);
      if (Math.abs(rate - lower) < 1e-9 || Math.abs(rate - upper) < 1e-9) continue;
      expect([failed, ended, rate, confidence, judgeRate(failed, ended, rate, confidence)]).toEqual([
        failed,
        ended,
        rate,
        confidence,
        upper < rate ? 'pass' : lower > rate ? 'fail' : 'wait',
      ]);
    }
  });

  it('are computed in about a millisecond, also for a million devices', () => {
    for (const [failed, ended] of [
      [0, 1_000_000],
      [50_000, 1_000_000],
      [500_000, 1_000_000],
      [40, 1_000],
    ] as const) {
      const times = Array.from({ length: 15 }, () => {
        const start = performance.now();
        failureRateBounds(failed, ended, 0.95);
        judgeRate(failed, ended, 0.05, 0.95);
        return performance.now() - start;
      });
      // The fastest of some, with room for a machine that is busy with other things: it is about 0.3 ms on an idle one.
      expect(Math.min(...times)).toBeLessThan(10);
    }
  });

  it.each([
    [-1, 5, 0.95],
    [6, 5, 0.95],
    [0.5, 5, 0.95],
    [0, NaN, 0.95],
    [0, 5, 0],
    [0, 5, 1],
    [0, 5, NaN],
  ])('of %d in %d at confidence %d do not exist', (failed, ended, confidence) => {
    expect(() => failureRateBounds(failed, ended, confidence)).toThrow(RangeError);
    expect(() => judgeRate(failed, ended, 0.05, confidence)).toThrow(RangeError);
  });
});

describe('the smallest group that can pass its gate', () => {
  it.each([
    [0.01, 0.95, 377],
    [0.02, 0.95, 188],
    [0.05, 0.95, 74],
    [0.1, 0.95, 36],
    [0.2, 0.95, 17],
    [0.5, 0.95, 6],
    [0.05, 0.8, 42],
    [0.05, 0.99, 109],
  ])(
    'of %d at confidence %d has %d devices: it passes with no failure, and one less does not',
    (rate, confidence, needed) => {
      expect(sampleNeeded(rate, confidence)).toBe(needed);
      expect(judgeRate(0, needed, rate, confidence)).toBe('pass');
      expect(judgeRate(0, needed - 1, rate, confidence)).toBe('wait');
    },
  );

  it('is one where every rate is allowed, and absent where no failure is', () => {
    expect(sampleNeeded(1, 0.95)).toBe(1);
    expect(sampleNeeded(0, 0.95)).toBe(Infinity);
    // Beyond what numbers of a computer can count one by one, the search would not end.
    for (const rate of [1e-9, 1e-16, 1e-20, 1e-300, Number.MIN_VALUE]) expect(sampleNeeded(rate, 0.95)).toBe(Infinity);
    expect(judgeRate(0, 1_000_000, 0, 0.95)).toBe('wait');
    expect(judgeRate(1, 1_000_000, 0, 0.95)).toBe('fail');
  });

  it('is found for the smallest rates in use', () => {
    expect(sampleNeeded(1e-6, 0.999)).toBeGreaterThan(1e6);
  });
});

describe('what the sequential test looks at', () => {
  it.each<[string, Outcome[], number, number]>([
    ['nothing while the first is open', ['open', 'succeeded', 'failed'], 0, 0],
    ['all until the first that is open', ['succeeded', 'failed', 'open', 'failed'], 2, 1],
    ['all when all have ended', ['failed', 'failed'], 2, 2],
    ['nothing of nothing', [], 0, 0],
  ])('is %s', (_, outcomes, ended, failed) => {
    expect(longestEndedPrefix(outcomes)).toEqual({ ended, failed });
  });

  it('is the prefix, because failures are slow and successes fast: judged by those that ended, firmware that hangs on every fifth device passes a gate of 5 %', () => {
    const random = seededRandom(SEED, 'slow failures');
    const judge = gate(0.05, 0.95);
    // A device that works reports after a minute; one that hangs ends at its deadline, after an hour. One is admitted
    // each second.
    const devices = Array.from({ length: 600 }, (_, admittedAt) =>
      random() < 0.2
        ? { endsAt: admittedAt + 3_600, outcome: 'failed' as const }
        : { endsAt: admittedAt + 60, outcome: 'succeeded' as const },
    );
    const look = (now: number) =>
      devices
        .filter((_, admittedAt) => admittedAt <= now)
        .map((device): Outcome => (device.endsAt <= now ? device.outcome : 'open'));

    const naive = Array.from({ length: 4_300 }, (_, now) => {
      const ended = look(now).filter((outcome) => outcome !== 'open');
      return judge(ended.filter((outcome) => outcome === 'failed').length, ended.length);
    });
    const prefix = Array.from({ length: 4_300 }, (_, now) => {
      const { failed, ended } = longestEndedPrefix(look(now));
      return judge(failed, ended);
    });
    expect(naive.find((verdict) => verdict !== 'wait')).toBe('pass');
    expect(prefix.find((verdict) => verdict !== 'wait')).toBe('fail');
    expect(prefix).not.toContain('pass');
  });
});

describe('the functions below', () => {
  it.each([
    [0.1, 2.2527126517342059],
    [0.5, 0.5723649429247001],
    [1, 0],
    [1.5, -0.12078223763524522],
    [2, 0],
    [3.7, 1.4280723266653881],
    [10, 12.80182748008147],
    [100.5, 361.43554046777762],
    [12_345.678, 103_959.91990554606],
    [1e6, 12_815_504.569147612],
    [1e7, 151_180_949.36947391],
  ])('ln Γ(%d) = %d', (x, value) => {
    expect(Math.abs(logGamma(x) - value)).toBeLessThan(Math.max(1, Math.abs(value)) * 2e-14);
  });

  it.each([
    [0.05, 0.5, 75, -1.5903476224076611],
    [0.05, 10.5, 191, -42.191422405365751],
    [0.2, 10.5, 191, -41.46492966172955],
    [0.5, 0.5, 1, 0.34657359027997265],
    [0.01, 100.5, 9_901, -564.41299480646299],
    [0.0101, 100.5, 9_901, -564.3351802136653],
    [0.3, 3.5, 1, -5.466667783636144],
    [0.06, 50_000.5, 950_001, -198_521.25781046947],
    [0.049, 50_000.5, 950_001, -198_534.413108434],
    [1e-9, 0.5, 1_001, -9.6684860712465493],
    [0.999, 5.5, 1, -1.7102508440731347],
  ])('ln of the incomplete beta function at %d of (%d, %d) = %d', (x, a, b, value) => {
    expect(Math.abs(logIncompleteBeta(x, a, b) - value)).toBeLessThan(
      Math.max(1, Math.abs(value)) * 1e-12 + 1e-8 * Number(a + b > 1e5),
    );
  });
});
