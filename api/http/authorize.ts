import { DomainError } from '../../domain/errors.js';
import { lacking, type Permission } from '../../domain/permissions.js';
import type { Principal } from './route.js';

/** @throws DomainError AUTH_FORBIDDEN, naming what lacks. */
export function authorize(principal: Principal, wanted: readonly Permission[]): void {
  const missing = lacking(principal.permissions, wanted);
  if (missing)
    throw new DomainError('AUTH_FORBIDDEN', `the token lacks the permission ${missing}`, {
      permission: missing,
      principal: principal.id,
    });
}
