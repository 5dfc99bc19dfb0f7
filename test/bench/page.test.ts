import { describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readArguments } from '../../bench/arguments.js';
import { isMet, type Figure } from '../../bench/part.js';
import { readProofs } from '../../bench/proofs.js';
import { printReport } from '../../bench/report.js';
import { readResults, type Result } from '../../bench/result.js';
import { percentile, rounded } from '../../bench/statistics.js';

const RESULT: Result = {
  name: 'startup',
  title: 'Start-up',
  date: '2026-11-24T10:00:00.000Z',
  commit: 'abc1234',
  scale: 0.5,
  full: false,
  seconds: 12,
  machine: { cores: 2, cpu: 'a CPU', memoryGib: 24, kernel: '6.1', node: 'v20.20.2' },
  load: { before: 0.1, after: 1.5, others: 0.25 },
  figures: [
    {
      name: 'first start',
      value: 4.567,
      unit: 's',
      beside: { name: 'two servers', value: 2 },
      target: { of: 'value', is: 'at most', value: 10 },
    },
    {
      name: 'installed',
      value: 12,
      unit: '/s',
      beside: { name: 'bare', value: 60 },
      target: { of: 'ratio', is: 'at least', value: 0.6 },
    },
  ],
  method: ['By a stopwatch.'],
  notes: ['It rained.'],
};

describe('The page of the bench', () => {
  it('docs/performance.md is what the results in bench/results/ say', () => {
    expect(readFileSync('docs/performance.md', 'utf8')).toBe(
      printReport(readResults('bench/results'), readProofs('bench/results')),
    );
  });

  it('shows each figure with its ceiling, missed targets, machine and load', () => {
    const page = printReport([RESULT]);
    expect(page).toContain('| first start | 4.57 s | two servers: 2 s | 2.28 | met: at most 10 s |');
    expect(page).toContain('| installed | 12 /s | bare: 60 /s | 0.20 | **missed**: at least 0.6 of it |');
    expect(page).toContain('2026-11-24, commit abc1234, **at a scale of 0.5**, 12 s. 2 cores (a CPU), 24 GiB');
    expect(page).toContain(
      '**other work on the machine had 25 % of its CPU**: neither rates nor ratios are what a quiet machine gives',
    );
    expect(page).toContain('* It rained.');
  });

  it('says how the longer runs that kill things ended, and what runs them again', () => {
    const page = printReport(
      [],
      [
        {
          file: 'crash.txt',
          command: 'npm run test:crash -- --kills 200',
          origin: '2026-11-24, commit abc1234',
          outcome: '200 kills, and nothing was lost',
        },
      ],
    );
    expect(page).toContain(
      '| `npm run test:crash -- --kills 200` | 200 kills, and nothing was lost | 2026-11-24, commit abc1234 | [crash.txt](../bench/results/crash.txt) |',
    );
  });

  it('does not guess what a file means that does not begin with its command', () => {
    const folder = mkdtempSync(join(tmpdir(), 'slipway-proofs-'));
    try {
      writeFileSync(join(folder, 'crash.txt'), '200 kills\n');
      expect(() => readProofs(folder)).toThrow('begins with a line "$ command"');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('A figure', () => {
  const figure = (value: number, beside: number | undefined, target: Figure['target']): Figure => ({
    name: 'x',
    value,
    unit: 'ms',
    ...(beside === undefined ? {} : { beside: { name: 'y', value: beside } }),
    ...(target ? { target } : {}),
  });

  it.each([
    ['meets a lower bound of its value', figure(3_000, undefined, { of: 'value', is: 'at least', value: 3_000 }), true],
    ['misses an upper bound of its value', figure(151, undefined, { of: 'value', is: 'at most', value: 150 }), false],
    ['meets a ratio to its ceiling', figure(6, 10, { of: 'ratio', is: 'at least', value: 0.6 }), true],
    ['cannot meet a ratio to nothing', figure(6, undefined, { of: 'ratio', is: 'at least', value: 0.6 }), undefined],
    ['without a target meets none', figure(6, 10, undefined), undefined],
  ] as const)('%s', (_sentence, one, met) => {
    expect(isMet(one)).toBe(met);
  });

  it.each([
    [0.5, 2],
    [0.95, 4],
    [1, 4],
    [0, 1],
  ])('is taken at the share %d of the sorted values', (share, expected) => {
    expect(percentile([4, 1, 3, 2], share)).toBe(expected);
  });

  it('is no percentile of nothing', () => {
    expect(() => percentile([], 0.5)).toThrow('there is nothing');
  });

  it('claims three digits', () => {
    expect([12_345, 0.012345, 0, 7].map(rounded)).toEqual([12_300, 0.0123, 0, 7]);
  });
});

describe('The arguments of the bench', () => {
  it('name parts in any order; they run in the order of the page', () => {
    expect(readArguments(['--only', 'startup,reports', '--scale', '0.1'])).toMatchObject({
      parts: ['reports', 'startup'],
      scale: 0.1,
    });
  });

  it.each([
    [['--only', 'nothing'], 'there is no part "nothing"'],
    [['--scale', '2'], '--scale is over 0 and at most 1'],
    [['--only'], '--only needs a value'],
    [['--quick'], '"--quick" is not known'],
  ])('%j are refused with a sentence that says what can be written', (given, sentence) => {
    expect(() => readArguments(given)).toThrow(sentence);
    expect(() => readArguments(given)).toThrow('npm run bench');
  });
});
