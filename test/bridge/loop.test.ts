import { afterEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { setTimeout as sleep } from 'node:timers/promises';
import { Loop } from '../../bridge/rounds/loop.js';
import { spacingAfter } from '../../bridge/rounds/spacing.js';
import { until } from '../support/until.js';

const NEVER = 3_600_000;
const log = pino({ level: 'silent' });
let loop: Loop | undefined;
afterEach(() => loop?.end());

/** Begins of rounds, performance.now(). */
function rounds(work: () => Promise<boolean>, apartMs: number): number[] {
  const begun: number[] = [];
  loop = new Loop('a sender', () => (begun.push(performance.now()), work()), NEVER, log, apartMs);
  return begun;
}
const gaps = (begun: readonly number[]) => begun.slice(1).map((at, index) => at - begun[index]!);

describe('The rounds of a sender', () => {
  it('start when it is woken, long before its next poll', async () => {
    const begun = rounds(async () => false, 50);
    await until('the first', () => begun.length === 1);
    loop!.wake();
    await until('the second', () => begun.length === 2, 2_000);
  });

  it('keep their minimum distance, however often it is woken', async () => {
    const begun = rounds(async () => true, 50);
    const waking = setInterval(() => loop!.wake(), 1);
    await until('five of them', () => begun.length >= 5).finally(() => clearInterval(waking));
    // A timer of Node may fire a millisecond early.
    expect(Math.min(...gaps(begun))).toBeGreaterThanOrEqual(48);
  });

  it('start further apart where they take long, so that batches grow', async () => {
    const begun = rounds(() => sleep(30, true), 50);
    await until('four of them', () => begun.length >= 4);
    expect(Math.min(...gaps(begun))).toBeGreaterThanOrEqual(4 * 29 - 2);
  });
});

describe('apartAfter', () => {
  it.each([
    ['a quiet machine', 2, 50],
    ['a busy one', 30, 120],
    ['the busiest', 5_000, 200],
  ])('%s: a round of %d ms is followed by the next %d ms after its begin', (_, took, apart) =>
    expect(spacingAfter(took, 50)).toBe(apart),
  );
});
