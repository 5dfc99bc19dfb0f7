import type { z } from 'zod';
import { unknownMember } from './unknown-members.js';
import { isTransient, whoseFailure } from '../../store/db/sqlstates.js';
import { DomainError, ERRORS, type ErrorCode, type Fault } from '../../domain/errors.js';

/** What a refusal looks like on the wire: the contract's envelope and the members of RFC 9457, in one object. */
export interface Problem {
  errorCode: ErrorCode;
  errorMessage: string;
  type: string;
  title: string;
  status: number;
  detail: string;
  instance: string;
  errors?: readonly Fault[];
  [fact: string]: unknown;
}

/** RFC 9457 §3.1.1: an identifier, not a page one must be able to fetch; `docs/errors.md` explains each. */
export function problemType(code: ErrorCode): string {
  return `urn:slipway:error:${code.toLowerCase().replaceAll('_', '-')}`;
}

/** The body of an error, the same members for both media types (RFC 9457 §3). `instance`: the path of the request. */
export function toProblem(error: DomainError, instance: string): Problem {
  return {
    ...error.facts,
    errorCode: error.code,
    errorMessage: error.detail,
    type: problemType(error.code),
    title: ERRORS[error.code].title,
    status: error.status,
    detail: error.detail,
    instance,
  };
}

/**
 * Whatever was thrown, as a refusal that can be sent. What has no name here is a fault of the service: the caller
 * learns that and nothing of its inside, the log gets all of it.
 */
export function toDomainError(error: unknown): DomainError {
  if (isDomainError(error)) return error;
  if (isBlobStoreAway(error))
    return new DomainError(
      'SERVICE_UNAVAILABLE',
      'the blob store does not answer; try again in a few seconds',
      {},
      { cause: error },
    );
  if (isTransient(error))
    return new DomainError(
      'SERVICE_UNAVAILABLE',
      whoseFailure(error) === 'schema'
        ? 'the database schema is of another version than this process; try again in a few seconds'
        : 'the database does not answer; try again in a few seconds',
      {},
      { cause: error },
    );
  if (error instanceof URIError || (error as { status?: unknown } | null)?.status === 400) {
    return new DomainError(
      'REQUEST_VALIDATION',
      'the path is not percent-encoded correctly; send UTF-8, encoded as RFC 3986 says',
      {},
      { cause: error },
    );
  }
  return new DomainError(
    'SERVICE_INTERNAL',
    'something went wrong in the service; its log says what',
    {},
    { cause: error },
  );
}

/** By name, as below. */
function isBlobStoreAway(error: unknown): boolean {
  return error instanceof Error && error.name === 'BlobStoreAway';
}

/** By name: `instanceof` fails across the realms of a test runner. */
function isDomainError(error: unknown): error is DomainError {
  return error instanceof Error && error.name === 'DomainError';
}

/** A request that does not fit, with each place that does not. The sentence names the first three. */
export function refuseFaults(code: ErrorCode, faults: readonly Fault[]): DomainError {
  const named = faults.slice(0, 3).map(({ pointer, detail }) => `${pointer === '' ? 'the body' : pointer} ${detail}`);
  const more = faults.length > 3 ? `; and ${faults.length - 3} more` : '';
  return new DomainError(code, `${named.join('; ')}${more}`, { errors: faults.slice(0, MAX_FAULTS) });
}

/** A body of a mebibyte can be wrong in a hundred thousand places, too many to read. */
const MAX_FAULTS = 50;

/**
 * What zod found, as pointers below `base` ('' for a body, '/query' for a query) and sentences about it.
 * @param body the schema of the whole body, which says what a member that is unknown might have been
 */
export function faultsOf(issues: readonly z.core.$ZodIssue[], base: string, body?: z.ZodType): Fault[] {
  return issues.flatMap((issue) => faultsOfIssue(issue, base, body));
}

function faultsOfIssue(issue: z.core.$ZodIssue, base: string, body: z.ZodType | undefined): Fault[] {
  const pointer = base + issue.path.map((key) => `/${escapePointer(String(key))}`).join('');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      pointer: `${pointer}/${escapePointer(key)}`,
      detail: body === undefined ? 'is unknown here' : unknownMember(body, pointer, key),
    }));
  }
  if (issue.code === 'invalid_union') return faultsOfUnion(issue, pointer, body);
  // A key that does not fit (a slot's name): zod tells of it apart from the path.
  if (issue.code === 'invalid_key')
    return issue.issues.map((inner) => ({ pointer, detail: `is not a valid name: ${sentence(inner)}` }));
  const position: unknown = issue.code === 'custom' ? issue.params?.['position'] : undefined;
  return [{ pointer, detail: sentence(issue), ...(typeof position === 'number' ? { position } : {}) }];
}

/** Of the alternatives the one that came closest: its faults lie deepest, or are the fewest. */
function faultsOfUnion(issue: z.core.$ZodIssueInvalidUnion, pointer: string, body?: z.ZodType): Fault[] {
  const depth = (issues: readonly z.core.$ZodIssue[]) => Math.max(0, ...issues.map((one) => one.path.length));
  const closest = [...issue.errors].sort((a, b) => depth(b) - depth(a) || a.length - b.length)[0];
  if (!closest || closest.length === 0) return [{ pointer, detail: sentence(issue) }];
  return faultsOf(closest, pointer, body);
}

function sentence(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined')) return 'is required';
  return issue.message
    .replace(/^Invalid input: expected /, 'must be ')
    .replace(/^(Invalid|Too|Unrecognized) /, (start) => `is ${start.toLowerCase()}`);
}

/** RFC 6901 §3. */
export function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
