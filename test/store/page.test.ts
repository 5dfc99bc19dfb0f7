import { describe, expect, it } from '@jest/globals';
import { printCursor, parseCursor } from '../../store/db/cursors.js';

const id = '0d8cba4e-0c43-4c1e-8a3f-7d3c2d0c9d01';
const encode = (text: string) => Buffer.from(text).toString('base64url');

describe('a cursor', () => {
  it.each(['2026-11-24T10:00:00.123456Z', '2026-11-24T10:00:00Z', '2026-02-28T23:59:59.1+00:00'])(
    'names the last row that was seen: %s',
    (at) => {
      expect(parseCursor(printCursor({ at, id }))).toEqual({ at, id });
    },
  );

  it.each([
    '',
    'abc',
    '[]',
    '["2026-02-30T00:00:00Z","ID"]',
    '["2026-13-01T00:00:00Z","ID"]',
    '["2026-01-01T24:00:00Z","ID"]',
    '["2026-01-01T00:00:00","ID"]',
    '["2026-01-01T00:00:00+02:00","ID"]',
    '["0000-01-01T00:00:00Z","ID"]',
    '["2026-01-01T00:00:00Z","x"]',
    `["2026-01-01T00:00:00Z","${'-'.repeat(36)}"]`,
    '["2026-01-01T00:00:00Z","ID"] ',
  ])('that the service did not make is refused: %s', (text) => {
    expect(parseCursor(encode(text.replace('ID', id)))).toBeUndefined();
  });
});
