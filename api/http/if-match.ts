import type { Request } from 'express';
import type { ErrorCode } from '../../domain/errors.js';
import { refuse } from '../live/negotiation.js';

/** The header that makes a command conditional, for OpenAPI (RFC 9110 §13.1.1). */
export const IF_MATCH = {
  'If-Match': {
    description: 'The `version` of the rollout that was looked at, in quotes. Where it has moved on the answer is 412',
    example: '"3"',
  },
};

/** The answer where it has moved on, for OpenAPI. */
export const MOVED_ON = { description: 'The rollout is no longer at the version that If-Match names' };

/**
 * The versions that a command expects to find; undefined = any, also where the header is `*` or absent.
 * @throws DomainError `code` where the header is neither versions in quotes nor `*`
 */
export function expectedVersions(request: Request, code: ErrorCode): readonly number[] | undefined {
  const header = request.headers['if-match']?.trim();
  if (header === undefined || header === '*') return undefined;
  const versions = header.split(',').map((one) => /^"?(\d{1,9})"?$/.exec(one.trim())?.[1]);
  if (versions.includes(undefined)) throw refuse(code, '/header/If-Match', 'must be a version in quotes, such as "3"');
  return versions.map(Number);
}
