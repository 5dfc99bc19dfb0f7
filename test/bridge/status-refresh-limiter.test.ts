import { describe, expect, it } from '@jest/globals';
import { StatusRefreshLimiter } from '../../bridge/outbound/status-refresh-limiter.js';
import { installation } from '../domain/fleet-of-one.js';

const HOUR = 3_600_000;
const T = Date.parse('2026-01-01T00:00:00Z');
const rebooting = (id: string, stateSince = T) =>
  installation(id, { state: 'rebooting', executing: true, revision: 1, stateSince, dueAt: T + 1_000 * HOUR });
/** Whether a refresh may be sent; what is sent is remembered, as the sender does. */
function sends(limiter: StatusRefreshLimiter, id: string, now: number, stateSince = T): boolean {
  const one = rebooting(id, stateSince);
  if (limiter.waitUntil(one, now) !== undefined) return false;
  limiter.remember(one, now);
  return true;
}

describe('What is only shown in the Temporal UI', () => {
  it('is sent ten times a second at most, however many sentences change at once', () => {
    const limiter = new StatusRefreshLimiter();
    const sent = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, ms) => sends(limiter, `${from + ms}`, from + ms)).filter(Boolean).length;
    expect(sent(1_000_000, 1_001_000)).toBeLessThanOrEqual(20);
    expect(sent(1_001_000, 1_011_000)).toBeLessThanOrEqual(101);
    expect(sent(1_011_000, 1_012_000)).toBeGreaterThanOrEqual(9);
  });

  it('is saved up for one second and no longer', () => {
    const limiter = new StatusRefreshLimiter();
    const sent = (now: number) => Array.from({ length: 100 }, (_, id) => sends(limiter, `${now}/${id}`, now));
    expect(sent(5_000_000).filter(Boolean)).toHaveLength(10);
    expect(sent(9_000_000).filter(Boolean)).toHaveLength(10);
  });

  it('is sent to one process at growing intervals, half an hour at most: a week of changes is 400 signals', () => {
    const limiter = new StatusRefreshLimiter();
    const at: number[] = [];
    for (let now = T; now < T + 7 * 24 * HOUR; now += 10_000) if (sends(limiter, 'a', now)) at.push(now - T);
    expect(at.slice(0, 6)).toEqual([0, 10_000, 20_000, 30_000, 50_000, 80_000]);
    expect(at.length).toBeLessThan(400);
    expect(Math.max(...at.slice(1).map((time, index) => time - at[index]!))).toBe(HOUR / 2);
  });

  it('is sent soon again once the device has gone a step further', () => {
    const limiter = new StatusRefreshLimiter();
    const stepAt = T + 24 * HOUR;
    expect(sends(limiter, 'a', stepAt - 1_000)).toBe(true);
    expect(sends(limiter, 'a', stepAt + 10_000)).toBe(false);
    expect(sends(limiter, 'a', stepAt + 10_000, stepAt)).toBe(true);
  });

  it('is distinguished from what the process must know: another signal, an earlier deadline', () => {
    const limiter = new StatusRefreshLimiter();
    const one = rebooting('a');
    expect(limiter.isRefresh(one)).toBe(false);
    limiter.remember(one, T);
    expect(limiter.isRefresh(one)).toBe(true);
    expect(limiter.isRefresh({ ...one, state: 'installing', dueAt: one.dueAt! + 1 })).toBe(true);
    expect(limiter.isRefresh({ ...one, dueAt: one.dueAt! - 1 })).toBe(false);
    expect(limiter.isRefresh({ ...one, attempt: 2 })).toBe(false);
    expect(limiter.isRefresh({ ...one, state: 'confirming' })).toBe(false);
    limiter.remember({ ...one, endedAt: T }, T);
    expect(limiter.isRefresh(one)).toBe(false);
  });
});
