/** States of a tenant. Suspended: operators are refused, devices are listened to. */
export const TENANT_STATES = ['active', 'suspended', 'removing'] as const;
/** A state of a tenant. */
export type TenantState = (typeof TENANT_STATES)[number];

/** What of a tenant is counted in the transaction that writes it. `bytes`: of firmware that is not retired. */
export const COUNTED_QUOTAS = ['devices', 'firmwares', 'bytes', 'openRollouts', 'apiKeys'] as const;
/** A quota that is compared with rows. */
export type CountedQuota = (typeof COUNTED_QUOTAS)[number];

/** All quotas. `requestsPerMinute` is counted by each process for itself, in memory. */
export const QUOTAS = [...COUNTED_QUOTAS, 'requestsPerMinute'] as const;
/** The name of a quota. */
export type Quota = (typeof QUOTAS)[number];
/** Those that a tenant has; what is absent is not bounded. */
export type Quotas = Readonly<Partial<Record<Quota, number | undefined>>>;
