import { describe, expect, it } from '@jest/globals';
import { orderOfVersions, type VersionOrder } from '../../domain/artifact/order.js';
import { compareVersions } from '../../domain/artifact/versions.js';

/** How the second stands to the first. */
const TABLE: readonly [held: string, next: string, is: VersionOrder][] = [
  ['1.0.0', '2.0.0', 'newer'],
  ['2.0.0', '1.9.9', 'older'],
  ['1.4', 'v1.4.0', 'same'],
  ['1.4.0', '1.4.0+build.7', 'same'],
  ['1.4.0-rc.1', '1.4.0', 'newer'],
  ['1.4.0', '1.4.0-rc.1', 'older'],
  ['1.2.3.4', '1.2.3.5', 'newer'],
  ['1.2.3.4', '1.2.3', 'older'],
  ['1.2.3.0', '1.2.3', 'same'],
  ['1.2.3.4', '1.2.4', 'newer'],
  ['1.2.3.4-rc.2', '1.2.3.4-rc.10', 'newer'],
  ['202611301200', '202611301201', 'newer'],
  ['202611301200', '202611291200', 'older'],
  ['20261130', '202611301200', 'newer'],
  ['2026-11-30', '2026-12-01', 'newer'],
  ['2026-11-30', '20261130', 'same'],
  ['2026-11-30.1', '2026-11-30.2', 'newer'],
  ['2026-11-30T12:00:00', '20261130120001', 'newer'],
  ['2026.11.30', '2026.12.1', 'newer'],
  ['123456789012345678', '123456789012345677', 'older'],
  ['41', '42', 'newer'],
  ['202613301200', '202613301201', 'newer'],
  ['1.4.0', '202611301200', 'incomparable'],
  ['202611301200', '1.4.0', 'incomparable'],
  ['2026-11-30', '2.0.0', 'incomparable'],
  ['factory', '2.0.0', 'incomparable'],
  ['2.0.0', 'nightly', 'incomparable'],
  ['nightly', 'nightly', 'same'],
  ['1..2', '1.2', 'incomparable'],
  ['', '1.0.0', 'incomparable'],
];

const REVERSED = { older: 'newer', newer: 'older', same: 'same', incomparable: 'incomparable' } as const;

describe('The order of versions', () => {
  it.each(TABLE)('%s, then %s: %s', (held, next, is) => {
    expect(orderOfVersions(held, next)).toBe(is);
    expect(orderOfVersions(next, held)).toBe(REVERSED[is]);
  });

  it('is that of SemVer where both are such versions and none is a date, and it is transitive', () => {
    const texts = [...new Set(TABLE.flatMap(([held, next]) => [held, next]))];
    const isDate = (text: string) => orderOfVersions(text, '2026-01-01') !== 'incomparable';
    for (const a of texts)
      for (const b of texts) {
        const order = orderOfVersions(a, b);
        const semver = compareVersions(b, a);
        if (semver !== undefined && !isDate(a) && !isDate(b) && a !== b)
          expect([a, b, order]).toEqual([a, b, semver === 0 ? 'same' : semver < 0 ? 'older' : 'newer']);
        for (const c of texts)
          if (order === 'newer' && orderOfVersions(b, c) === 'newer')
            expect([a, b, c, orderOfVersions(a, c)]).toEqual([a, b, c, 'newer']);
      }
  });
});
