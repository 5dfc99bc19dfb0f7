import type { Request } from 'express';
import type { Principal, Route } from '../http/route.js';

/**
 * A protocol that devices speak over HTTP. Its routes are mounted before those of operators, by the same code: the same
 * context of a request, limits and envelope of errors. They stand in a document of their own, `/openapi-devices.json`.
 *
 * What differs: who asks is a device; a suspended tenant's devices go on with what they do, as over MQTT; requests
 * count for no quota of the tenant.
 */
export interface Dialect {
  /** `permission: []` where a device must be known; each names its schemes in `security`. */
  readonly routes: readonly Route[];
  /** Who asks (api/auth/device-tokens.ts: `devicePrincipal`). @throws DomainError AUTH_MISSING_TOKEN, … */
  readonly identify: (request: Request) => Promise<Principal>;
  /** Paths of which others have more methods: what is not declared here is looked for there. */
  readonly sharesPaths?: readonly string[];
  /** OpenAPI's security schemes, by the names that its routes give. */
  readonly securitySchemes: Readonly<Record<string, object>>;
}
