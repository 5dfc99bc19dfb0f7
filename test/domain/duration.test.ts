import { describe, expect, it } from '@jest/globals';
import { parseDuration, printDuration } from '../../domain/duration.js';

describe('an ISO 8601 duration', () => {
  it.each([
    ['PT0S', 0],
    ['PT10S', 10_000],
    ['PT0.5S', 500],
    ['PT0,25S', 250],
    ['PT90M', 5_400_000],
    ['PT1H30M', 5_400_000],
    ['P7D', 604_800_000],
    ['P1W', 604_800_000],
    ['P1DT12H', 129_600_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each([
    '',
    'P',
    'PT',
    'P1DT',
    '1H',
    'PT1',
    'P1Y',
    'P1M',
    'PT1.5H',
    'pt1s',
    '-PT1S',
    'PT-1S',
    'PT1S ',
    'PT1S\n',
    'P1H',
    'PT1M1H',
    'PT1234567890S',
  ])('"%s" is not a duration', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it.each([
    [0, 'PT0S'],
    [250, 'PT0.25S'],
    [10_000, 'PT10S'],
    [90_000, 'PT90S'],
    [3_600_000, 'PT1H'],
    [129_600_000, 'PT36H'],
    [604_800_000, 'P7D'],
  ])('of %d ms is printed as %s, and parsed back', (ms, text) => {
    expect(printDuration(ms)).toBe(text);
    expect(parseDuration(text)).toBe(ms);
  });
});
