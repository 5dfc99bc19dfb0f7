import { describe, expect, it } from '@jest/globals';
import { ShowPace } from '../../bridge/outbound/status-refresh-limiter.js';

describe('What is only shown in the Temporal UI', () => {
  it('is sent ten times a second at most, however many sentences change at once', () => {
    const pace = new ShowPace();
    const sent = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, ms) => pace.take(from + ms)).filter(Boolean).length;
    expect(sent(1_000_000, 1_001_000)).toBeLessThanOrEqual(20);
    expect(sent(1_001_000, 1_011_000)).toBeLessThanOrEqual(101);
    expect(sent(1_011_000, 1_012_000)).toBeGreaterThanOrEqual(9);
  });

  it('is saved up for one second and no longer', () => {
    const pace = new ShowPace();
    expect(Array.from({ length: 100 }, () => pace.take(5_000_000)).filter(Boolean)).toHaveLength(10);
    expect(Array.from({ length: 100 }, () => pace.take(9_000_000)).filter(Boolean)).toHaveLength(10);
  });
});
