import { describe, expect, it } from '@jest/globals';
import { NO_COUNTERS } from '../../domain/rollout/facts.js';
import { plural } from '../../domain/plural.js';
import { describe as sentences } from '../../domain/rollout/sentences.js';

describe('A count with its noun', () => {
  it.each([
    [0, 'device', undefined, '0 devices'],
    [1, 'device', undefined, '1 device'],
    [2, 'device', undefined, '2 devices'],
    [1, 'target has', 'targets have', '1 target has'],
    [5, 'target has', 'targets have', '5 targets have'],
  ])('%d, "%s", %s: "%s"', (count, one, many, printed) => {
    expect(plural(count, one, many)).toBe(printed);
  });

  it('is right in the sentences of a rollout', () => {
    expect(sentences.draft(1, null)).toBe('Waiting to be started; it then needs 1 approval.');
    expect(sentences.capacity({ ...NO_COUNTERS, inFlight: 5 }, 5)).toBe('Waiting for capacity: 5 of 5 in flight.');
    expect(sentences.startRate(1, 1, 0)).toBe(
      'Waiting for the start rate: 1 of 1 start per minute used, until 1970-01-01T00:00:00.000Z.',
    );
    expect(sentences.rollingBack(1, 1, 'canary')).toBe(
      'Rolling back: waiting for 1 open installation and for 1 device to start, group "canary" first.',
    );
    expect(sentences.rollingBack(2, 0, null)).toBe('Rolling back: waiting for 2 devices to start.');
    expect(sentences.rollingBack(0, 3, null)).toBe('Rolling back: waiting for 3 open installations.');
  });
});
