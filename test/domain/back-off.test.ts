import { describe, expect, it } from '@jest/globals';
import { backOff } from '../../domain/back-off.js';

const BOUNDS = { firstMs: 100, maxMs: 2_000 };

describe('Back-off', () => {
  it.each<[string, number, number]>([
    ['begins with the first pause', 1, 100],
    ['doubles', 2, 200],
    ['doubles again', 5, 1_600],
    ['ends at the longest pause', 6, 2_000],
    ['stays there, whatever the count', 5_000, 2_000],
    ['takes no failure for the first', 0, 100],
  ])('%s', (_, failures, ms) => expect(backOff(failures, BOUNDS)).toBe(ms));

  it('grows by another factor where one is given', () => {
    expect([1, 2, 3, 4].map((failures) => backOff(failures, { ...BOUNDS, factor: 3 }))).toEqual([100, 300, 900, 2_000]);
    expect(backOff(9, { ...BOUNDS, factor: 1 })).toBe(100);
  });

  it('leaves half of the pause to chance', () => {
    expect([0, 0.5, 1].map((chance) => backOff(2, BOUNDS, chance))).toEqual([100, 150, 200]);
  });
});
