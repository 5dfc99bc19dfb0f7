import { describe, expect, it } from '@jest/globals';
import { newId } from '../../store/db/ids.js';

describe('Ids of installations', () => {
  it('sort in the order in which they were made, also within one tick of the clock, and are UUIDs of version 7', () => {
    const ids = Array.from({ length: 20_000 }, () => newId(1_800_000_000_000));
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id))).toBe(
      true,
    );
  });

  it('sort in that order also where the clock is set back', () => {
    const ids = [1_900_000_000_000, 1_899_999_999_000, 1_899_000_000_000, 1_900_000_000_001].map((now) => newId(now));
    expect([...ids].sort()).toEqual(ids);
  });
});
