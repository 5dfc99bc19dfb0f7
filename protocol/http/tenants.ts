import { z } from 'zod';
import {
  COUNTED_QUOTAS,
  QUOTAS,
  TENANT_STATES,
  type CountedQuota,
  type Quota,
  type Quotas,
} from '../../domain/tenant.js';
import { apiKeyWithSecret } from './api-keys.js';
import { exampleOf, label, timestamp } from './envelope.js';
import { isoTime } from './print-plan.js';

/** docs/contracts/operators.md, "Tenants". */
const name = label(1, 255);
const bound = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

function each<T extends string, S extends z.ZodType>(names: readonly T[], schema: S): Record<T, S> {
  return Object.fromEntries(names.map((one) => [one, schema])) as Record<T, S>;
}

const quotas = z.strictObject(each<Quota, z.ZodOptional<typeof bound>>(QUOTAS, bound.optional())).meta({
  description: 'What is absent is not bounded. requestsPerMinute counts in each process of the API by itself',
  id: 'Quotas',
});
const quotaChanges = z.strictObject(
  each<Quota, z.ZodOptional<z.ZodNullable<typeof bound>>>(QUOTAS, bound.nullable().optional()),
);

/** A tenant to make; the id is checked by the store, which knows the reserved ones. */
export const newTenant = z.strictObject({ id: label(1, 64), name: name.optional(), quotas: quotas.optional() }).meta({
  id: 'NewTenant',
  example: { id: 'acme', name: 'Acme Lighting', quotas: { devices: 5000, bytes: 50000000000 } },
});

/** A merge patch: a quota of null is taken away. */
export const tenantPatch = z
  .strictObject({
    name: name.nullable().optional(),
    state: z.enum(['active', 'suspended']).optional(),
    quotas: quotaChanges.optional(),
  })
  .meta({ id: 'TenantPatch', example: { state: 'suspended' } });

const shape = {
  id: z.string(),
  name: z.string().nullable(),
  state: z.enum(TENANT_STATES),
  quotas,
  createdAt: timestamp,
  createdBy: z.string(),
};
const EXAMPLE = {
  id: 'acme',
  name: 'Acme Lighting',
  state: 'active',
  quotas: { devices: 5000, bytes: 50000000000 },
  createdAt: '2026-11-24T10:00:00.000Z',
  createdBy: 'key:bootstrap',
};

/** A tenant as lists show it. */
export const tenant = z.strictObject(shape).meta({ id: 'Tenant', example: EXAMPLE });
/** A tenant as it is read by itself: with what it uses, beside each quota. */
export const tenantWithUsage = z
  .strictObject({ ...shape, usage: z.strictObject(each<CountedQuota, z.ZodInt>(COUNTED_QUOTAS, z.int())) })
  .meta({
    id: 'TenantWithUsage',
    example: { ...EXAMPLE, usage: { devices: 120, firmwares: 7, bytes: 83886080, openRollouts: 1, apiKeys: 3 } },
  });
/** The answer to the POST only: with the first key of an owner. */
export const tenantWithKey = z
  .strictObject({ ...shape, apiKey: apiKeyWithSecret, key: z.string().meta({ description: 'The same as apiKey.key' }) })
  .meta({
    id: 'TenantWithKey',
    example: {
      ...EXAMPLE,
      apiKey: exampleOf(apiKeyWithSecret),
      key: (exampleOf(apiKeyWithSecret) as { key: string }).key,
    },
  });

/** `createdAt`: epoch milliseconds. */
export interface PrintableTenant {
  readonly id: string;
  readonly name: string | null;
  readonly state: (typeof TENANT_STATES)[number];
  readonly quotas: Quotas;
  readonly createdAt: number;
  readonly createdBy: string;
}

/** Epoch milliseconds become RFC 3339. */
export function printTenant(of: PrintableTenant): z.input<typeof tenant> {
  return { ...of, quotas: { ...of.quotas }, createdAt: isoTime(of.createdAt) };
}
