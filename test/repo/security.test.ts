import { describe, expect, it } from '@jest/globals';
import { ERRORS, type ErrorCode } from '../../domain/errors.js';
import { files, read } from './files.js';

/** A row: the threat, and the tests that show its answer, each a file and words of titles in it. */
const rows = [...read('docs/security.md').matchAll(/^\| ([^|]*) \| [^|]* \| (`test\/[^|]*) \|$/gm)].map(
  ([, threat, shown]) => ({
    threat: threat!,
    tests: [...shown!.matchAll(/`([^`]+)`([^`]*)/g)].map(([, file, words]) => ({
      source: read(file!),
      titles: [...words!.matchAll(/"([^"]+)"/g)].map(([, title]) => title!),
    })),
  }),
);

/** docs/contracts/trust.md, "Certificates and enrolment". */
const ENROLMENT: Readonly<Partial<Record<ErrorCode, number>>> = {
  ENROLMENT_TOKEN_INVALID: 401,
  ENROLMENT_REJECTED: 403,
  DEVICE_CSR_INVALID: 400,
  DEVICE_CERTIFICATE_REVOKED: 403,
};

describe('docs/security.md', () => {
  it('names for each threat a test whose title has these words', () => {
    expect(rows.length).toBeGreaterThanOrEqual(16);
    const dead = rows.flatMap(({ threat, tests }) =>
      tests.flatMap(({ source, titles }) =>
        titles.length === 0 ? [threat] : titles.filter((title) => !source.includes(title)),
      ),
    );
    expect(dead).toEqual([]);
  });

  it('leaves out no threat of the edge', () => {
    const threats = rows.map(({ threat }) => threat.toLowerCase()).join('\n');
    for (const words of [
      'eavesdropping',
      'impersonation',
      'cloned device',
      'stolen device',
      'stolen enrolment token',
      'expired certificate',
      'revoked certificate',
      'wrong clock',
      'slow headers',
      'endless requests',
    ])
      expect(threats).toContain(words);
  });
});

describe('Each error of enrolment', () => {
  const stories = files.filter((file) => /^test\/(api|e2e)\/.*\.test\.ts$/.test(file)).map(read);
  it.each(Object.entries(ENROLMENT))('%s: has the status %d and occurs in a story', (code, status) => {
    expect(ERRORS[code as ErrorCode].status).toBe(status);
    expect(stories.some((source) => source.includes(`'${code}'`))).toBe(true);
  });
});
