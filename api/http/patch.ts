import type { ZodType, z } from 'zod';
import type { ErrorCode } from '../../domain/errors.js';
import { applyMergePatch } from '../../protocol/http/merge-patch.js';
import { faultsOf, refuseFaults } from './errors.js';

/**
 * A merge patch applied to a resource as it stands (without what the service writes), and what comes of it checked as a
 * whole, as if it were new. @throws DomainError `code`, with pointers into the result.
 */
export function patched<S extends ZodType>(current: unknown, patch: unknown, whole: S, code: ErrorCode): z.output<S> {
  const parsed = whole.safeParse(applyMergePatch(current, patch));
  if (!parsed.success) throw refuseFaults(code, faultsOf(parsed.error.issues, '', whole));
  return parsed.data;
}
