import { describe, expect, it } from '@jest/globals';
import { defined } from '../../domain/defined.js';
import { paired } from '../../domain/pairs.js';
import { onlyStep } from '../../domain/rollout/plan.js';

describe('defined', () => {
  it.each([0, '', false, Number.NaN])('returns %p: only null and undefined are missing', (value) => {
    expect(defined(value, 'unused')).toBe(value);
  });

  it.each([null, undefined])('throws the reason for %p', (value) => {
    expect(() => defined(value, 'count() answers one row')).toThrow(/^count\(\) answers one row$/);
  });
});

describe('the only step of a plan', () => {
  const step = { slot: 'firmware', firmwareId: '123e4567-e89b-12d3-a456-426655440000' };

  it('is the step', () => {
    expect(onlyStep({ steps: [step] })).toBe(step);
  });

  it.each([
    ['no step', []],
    ['two steps', [step, step]],
  ])('throws for %s', (_, steps) => {
    expect(() => onlyStep({ steps })).toThrow(`a plan has one step, and this one has ${steps.length}`);
  });
});

describe('lists in pairs', () => {
  it('are the values with their counterparts, in order', () => {
    expect(paired(['a', 'b'], [1, undefined])).toEqual([
      ['a', 1],
      ['b', undefined],
    ]);
  });

  it.each([[[1]], [[1, 2, 3]]])('throw where the other list is %p', (others) => {
    expect(() => paired(['a', 'b'], others)).toThrow(`2 values have ${others.length} counterparts`);
  });
});
