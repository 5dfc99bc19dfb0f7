/**
 * The catalogue of errors: code → status, and what it means. The API's answers, the retry policy and docs/errors.md
 * come from it. `codes` are `<SERVICE>_<REASON>` (docs/contracts/rest-api.md, "Conventions").
 */
export const ERRORS = {
  AUTH_MISSING_TOKEN: { status: 401, title: 'The bearer token is missing' },
  AUTH_INVALID_TOKEN: { status: 401, title: 'The bearer token is not valid' },
  AUTH_FORBIDDEN: { status: 403, title: 'The token lacks a permission' },
  AUTH_KEY_EXPIRED: { status: 401, title: 'The API key has expired' },
  AUTH_KEY_NOT_FOUND: { status: 404, title: 'The API key does not exist' },
  AUTH_KEY_LAST_OWNER: { status: 409, title: 'No other key of an owner would be left' },
  AUTH_KEY_STATE: { status: 409, title: 'The state of the API key does not allow this' },
  AUTH_KEY_SHOWN: { status: 409, title: 'The key was shown in the first answer and is not stored' },
  AUTH_GRANT_EXCEEDED: { status: 403, title: 'The key would hold more than its maker' },

  TENANT_NOT_FOUND: { status: 404, title: 'The tenant does not exist' },
  TENANT_EXISTS: { status: 409, title: 'There is such a tenant already' },
  TENANT_STATE: { status: 409, title: 'The state of the tenant does not allow this' },
  TENANT_SUSPENDED: { status: 403, title: 'The tenant is suspended' },
  TENANT_QUOTA: { status: 429, title: 'A quota of the tenant is used up' },

  REQUEST_VALIDATION: { status: 400, title: 'The request does not fit the contract' },
  REQUEST_NOT_FOUND: { status: 404, title: 'No resource at this path' },
  REQUEST_METHOD_NOT_ALLOWED: { status: 405, title: 'This path does not support this method' },
  REQUEST_NOT_ACCEPTABLE: { status: 406, title: 'None of the accepted media types can be produced' },
  REQUEST_TIMEOUT: { status: 408, title: 'The body did not arrive in time' },
  REQUEST_PRECONDITION_FAILED: { status: 412, title: 'The content or version is not the one that If-Match names' },
  REQUEST_TOO_LARGE: { status: 413, title: 'The body is too large' },
  REQUEST_UNSUPPORTED_MEDIA_TYPE: { status: 415, title: 'The content type is not supported here' },
  REQUEST_RANGE_NOT_SATISFIABLE: { status: 416, title: 'The range lies beyond the end' },
  REQUEST_RATE: { status: 429, title: 'Too many requests' },
  REQUEST_HEADERS_TOO_LARGE: { status: 431, title: 'The path, its query and the headers are too large together' },
  REQUEST_IDEMPOTENCY_CONFLICT: { status: 422, title: 'The Idempotency-Key was used with another request' },

  FIRMWARE_VALIDATION: { status: 400, title: 'The firmware request does not fit the contract' },
  FIRMWARE_NO_ACCESS_TO_RESOURCE: { status: 403, title: 'The resource does not exist or belongs to another tenant' },
  FIRMWARE_LINK_INVALID: { status: 403, title: 'The download link is invalid or has expired' },
  FIRMWARE_LINK_ENDED: { status: 410, title: 'The installation or firmware of the download link has ended' },
  FIRMWARE_BLOB_MISSING: { status: 409, title: 'The firmware has no blob yet' },
  FIRMWARE_BLOB_MISMATCH: { status: 422, title: 'The blob is not the one that was announced' },
  FIRMWARE_BLOB_EXISTS: { status: 423, title: 'The firmware already has a blob' },
  FIRMWARE_UPLOAD_NOT_FOUND: { status: 404, title: 'The upload does not exist, or has expired' },
  FIRMWARE_UPLOAD_OFFSET: { status: 409, title: 'The upload continues at another offset' },
  FIRMWARE_UPLOAD_VERSION: { status: 412, title: 'The version of tus is not supported' },
  FIRMWARE_STORE_FULL: { status: 507, title: 'There is no room for the blob' },
  FIRMWARE_EXPIRED: { status: 409, title: 'The firmware expired before a blob was attached' },
  FIRMWARE_IN_USE: { status: 409, title: 'The firmware is in use' },
  FIRMWARE_NOT_ASSOCIATED: { status: 409, title: 'The firmware is not associated with this slot of this device type' },
  FIRMWARE_INSTALLATION_CONFLICT: { status: 409, title: 'Another installation is open on this slot' },
  FIRMWARE_CONTENT_NEWER: { status: 409, title: 'The slot holds a newer version' },
  FIRMWARE_NOT_COMPARABLE: { status: 409, title: 'The slot holds a version that cannot be compared with this one' },
  FIRMWARE_INSTALLATION_STATE: { status: 409, title: 'The state of the installation does not allow this' },

  DEVICE_VALIDATION: { status: 400, title: 'The device request does not fit the contract' },
  DEVICE_NOT_FOUND: { status: 404, title: 'The device does not exist' },
  DEVICE_CONNECTEDBY_CONFLICT: {
    status: 409,
    title: 'The gateway is unknown, or the chain of gateways has a cycle',
  },
  DEVICE_ALIAS_CONFLICT: { status: 409, title: 'The alias names another device' },
  DEVICE_IN_USE: { status: 409, title: 'The device has open installations, or is a gateway of others' },
  DEVICE_FOREIGN: { status: 403, title: 'The device is not the one that asks, nor behind it' },
  DEVICE_CREDENTIAL_LIMIT: { status: 409, title: 'Two credentials of this type are already valid' },
  DEVICE_CREDENTIAL_SHOWN: { status: 409, title: 'The secret was shown in the first answer and is not stored' },
  DEVICE_CREDENTIAL_NOT_FOUND: { status: 404, title: 'The credential does not exist' },
  DEVICE_CERTIFICATE_NOT_FOUND: { status: 404, title: 'The certificate does not exist' },
  DEVICE_CERTIFICATE_CONFLICT: { status: 409, title: 'The certificate is already registered' },
  DEVICE_CERTIFICATE_REVOKED: { status: 403, title: 'The certificate of the device was revoked' },
  DEVICE_CSR_INVALID: { status: 400, title: 'The certificate request is unusable' },
  ENROLMENT_TOKEN_INVALID: { status: 401, title: 'The enrolment token is unknown, used up, expired or revoked' },
  ENROLMENT_TOKEN_NOT_FOUND: { status: 404, title: 'The enrolment token does not exist' },
  ENROLMENT_TOKEN_SHOWN: { status: 409, title: 'The token was shown in the first answer and is not stored' },
  ENROLMENT_REJECTED: { status: 403, title: 'This device may not enrol' },
  ENROLMENT_NOT_FOUND: { status: 404, title: 'The enrolment does not exist' },
  ENROLMENT_NOT_PENDING: { status: 409, title: 'The enrolment is no longer pending' },
  DEVICETYPE_VALIDATION: { status: 400, title: 'The device type request does not fit the contract' },
  DEVICETYPE_NOT_FOUND: { status: 404, title: 'The device type does not exist' },
  DEVICETYPE_SLOT_NOT_FOUND: { status: 404, title: 'The device type has no such slot' },
  DEVICETYPE_IN_USE: { status: 409, title: 'Devices use this type' },
  DEVICETYPE_ASSOCIATION_EXISTS: { status: 409, title: 'The firmware is already associated with this slot' },
  DEVICETYPE_ASSOCIATION_NOT_FOUND: { status: 404, title: 'The association does not exist' },

  ROLLOUT_VALIDATION: { status: 400, title: 'The rollout request does not fit the contract' },
  ROLLOUT_NOT_FOUND: { status: 404, title: 'The rollout does not exist' },
  ROLLOUT_TEMPLATE_NOT_FOUND: { status: 404, title: 'The template does not exist' },
  ROLLOUT_STATE: { status: 409, title: 'The phase of the rollout does not allow this' },
  ROLLOUT_CONFLICT: { status: 409, title: 'The rollout conflicts with its firmware or fleet' },
  ROLLOUT_SIMULATION_LIMIT: { status: 429, title: 'Too many simulations are running' },

  WEBHOOK_VALIDATION: { status: 400, title: 'The webhook request does not fit the contract' },
  WEBHOOK_NOT_FOUND: { status: 404, title: 'The webhook does not exist' },
  WEBHOOK_DELIVERY_NOT_FOUND: { status: 404, title: 'The delivery does not exist' },
  WEBHOOK_LIMIT: { status: 409, title: 'There are too many webhooks' },
  WEBHOOK_SECRET_SHOWN: { status: 409, title: 'The secret was shown in the first answer' },

  JOB_NOT_FOUND: { status: 404, title: 'The job does not exist' },
  JOB_STATE: { status: 409, title: 'The state of the job does not allow this' },
  JOB_RESULT_NOT_FOUND: { status: 404, title: 'The job has no result for this token' },
  JOB_RESULT_GONE: { status: 410, title: 'The result of the job was deleted, or has expired' },

  AUDIT_ENTRY_NOT_FOUND: { status: 404, title: 'The audit has no such entry' },
  AUDIT_ENTRY_DROPPED: { status: 410, title: 'The entry is older than what is kept' },
  AUDIT_RANGE: { status: 400, title: 'The audit has no such entries, or not yet' },

  SERVICE_UNAVAILABLE: { status: 503, title: 'A required dependency is unavailable; try again' },
  SERVICE_INTERNAL: { status: 500, title: 'Internal error of the service' },
} as const satisfies Record<string, { status: number; title: string }>;

/** `<SERVICE>_<REASON>`: a stable part of the API, so a code is never renamed. */
export type ErrorCode = keyof typeof ERRORS;

/** One fault of a body or query: where (RFC 6901 JSON pointer, '' = the whole), and what to do about it. */
export interface Fault {
  pointer: string;
  detail: string;
  /** In a text of a language of its own (filters): the 0-based place where it went wrong. */
  position?: number;
}

/** A refusal that the caller can understand: a code of the catalogue, a sentence, and the facts behind it. */
export class DomainError extends Error {
  override readonly name = 'DomainError';

  constructor(
    readonly code: ErrorCode,
    readonly detail: string,
    readonly facts: { errors?: readonly Fault[]; [member: string]: unknown } = {},
    options?: { cause?: unknown },
  ) {
    super(`${code}: ${detail}`, options);
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}
