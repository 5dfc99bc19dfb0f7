import type { ZodType, z } from 'zod';
import { DomainError, type ErrorCode } from '../../domain/errors.js';
import { applyMergePatch } from '../../protocol/http/merge-patch.js';
import { MAX_BODY_BYTES } from './body.js';
import { faultsOf, refuseFaults } from './errors.js';

/**
 * A merge patch applied to a resource as it stands (without what the service writes), and what comes of it checked as a
 * whole, as if it were new. @throws DomainError `code`, with pointers into the result; REQUEST_TOO_LARGE where it is.
 */
export function patched<S extends ZodType>(current: unknown, patch: unknown, whole: S, code: ErrorCode): z.output<S> {
  const result = applyMergePatch(current, patch);
  // Of the request it would be no limit: each of many patches adds a little.
  const size = Buffer.byteLength(JSON.stringify(result));
  if (size > MAX_BODY_BYTES)
    throw new DomainError(
      'REQUEST_TOO_LARGE',
      `with this patch the resource has ${size} bytes, and it may have ${MAX_BODY_BYTES}; null removes a member`,
    );
  const parsed = whole.safeParse(result);
  if (!parsed.success) throw refuseFaults(code, faultsOf(parsed.error.issues, '', whole));
  return parsed.data;
}
