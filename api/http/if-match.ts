import type { Request } from 'express';
import { DomainError, type ErrorCode } from '../../domain/errors.js';

/** The header that makes a command conditional, for OpenAPI (RFC 9110 §13.1.1). */
export const IF_MATCH = {
  'If-Match': {
    description: 'The `version` that was looked at: 412 where it has moved on',
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
  if (versions.includes(undefined)) {
    const detail = 'must be a version in quotes, such as "3"';
    throw new DomainError(code, `If-Match ${detail}`, { errors: [{ pointer: '/header/If-Match', detail }] });
  }
  return versions.map(Number);
}
