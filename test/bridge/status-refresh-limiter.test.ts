import { describe, expect, it } from '@jest/globals';
import { StatusRefreshLimiter } from '../../bridge/outbound/status-refresh-limiter.js';

describe('What is only shown in the Temporal UI', () => {
  it('is sent ten times a second at most, however many sentences change at once', () => {
    const refreshLimiter = new StatusRefreshLimiter();
    const sent = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, ms) => refreshLimiter.take(from + ms)).filter(Boolean).length;
    expect(sent(1_000_000, 1_001_000)).toBeLessThanOrEqual(20);
    expect(sent(1_001_000, 1_011_000)).toBeLessThanOrEqual(101);
    expect(sent(1_011_000, 1_012_000)).toBeGreaterThanOrEqual(9);
  });

  it('is saved up for one second and no longer', () => {
    const refreshLimiter = new StatusRefreshLimiter();
    expect(Array.from({ length: 100 }, () => refreshLimiter.take(5_000_000)).filter(Boolean)).toHaveLength(10);
    expect(Array.from({ length: 100 }, () => refreshLimiter.take(9_000_000)).filter(Boolean)).toHaveLength(10);
  });
});
