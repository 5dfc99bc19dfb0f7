import { DomainError } from '../../domain/errors.js';
import { permissionsOf } from '../../domain/permissions.js';
import { QUOTAS, type Quotas, type TenantState } from '../../domain/tenant.js';
import { FIRST_TENANT } from '../db/api-keys.js';
import { databaseNow } from '../db/clock.js';
import type { Pool, Tx } from '../db/pool.js';
import { iso } from '../db/times.js';
import { lockSuspended } from '../db/tenants.js';
import { asService } from '../db/transaction.js';
import { ASK_AGAIN, wakeSender } from '../outbox/outbox.js';
import { createKey, type MadeKey } from './api-keys.js';

/** Of a new tenant: with a device's id it must fit into the 64 characters of a certificate's common name. */
const NEW_TENANT = /^[a-z0-9][a-z0-9-]{0,26}$/;
/** Names that stand in paths and topics. */
const RESERVED: ReadonlySet<string> = new Set([
  'v1',
  'docs',
  'tuf',
  'device',
  'health',
  'metrics',
  'assets',
  'api',
  'well-known',
]);

/** Whether a tenant may be made with this id; a sentence where not. */
export function whyNoTenantId(id: string): string | undefined {
  return NEW_TENANT.test(id) && !RESERVED.has(id)
    ? undefined
    : `has 1 to 27 small letters, digits and -, begins with a letter or digit, and is not reserved (${[...RESERVED].join(', ')})`;
}

/** `createdAt`: epoch milliseconds. */
export interface TenantView {
  readonly id: string;
  readonly name: string | null;
  readonly state: TenantState;
  readonly quotas: Quotas;
  readonly createdAt: number;
  readonly createdBy: string;
}

/** A tenant to make. */
export interface TenantWanted {
  readonly id: string;
  readonly name?: string | undefined;
  readonly quotas?: Quotas | undefined;
}

/** Absent members stay as they are; of quotas each by itself, null takes one away. */
export interface TenantChange {
  readonly name?: string | null | undefined;
  readonly state?: 'active' | 'suspended' | undefined;
  readonly quotas?: Readonly<Partial<Record<(typeof QUOTAS)[number], number | null | undefined>>> | undefined;
}

interface TenantRow {
  id: string;
  name: string | null;
  state: TenantState;
  quotas: Quotas;
  created_at: Date;
  created_by: string;
}

const COLUMNS = 'id, name, state, quotas, created_at, created_by';

/**
 * Makes a tenant with a first key of the role owner. As a service.
 * @param by who makes it: `key:<name>`
 * @throws DomainError TENANT_EXISTS
 */
export async function createTenant(
  tx: Tx,
  by: string,
  wanted: TenantWanted,
  now: number,
): Promise<{ view: TenantView; made: MadeKey }> {
  const { rowCount } = await tx.query(
    `INSERT INTO tenants (id, name, quotas, created_at, created_by) VALUES ($1, $2, $3, $4, $5)
      ON CONFLICT DO NOTHING`,
    [wanted.id, wanted.name ?? null, JSON.stringify(wanted.quotas ?? {}), iso(now), by],
  );
  if (rowCount !== 1) throw new DomainError('TENANT_EXISTS', `there is a tenant "${wanted.id}" already`);
  const view = await readTenant(tx, wanted.id);
  const maker = { tenantId: view.id, by, permissions: permissionsOf('owner') };
  return { view, made: await createKey(tx, maker, { name: 'bootstrap', role: 'owner' }, now) };
}

/** The same for the administrator on the machine. @returns the key. @throws a sentence where the id is not possible. */
export async function createTenantLocally(pool: Pool, id: string): Promise<string> {
  const refusal = whyNoTenantId(id);
  if (refusal !== undefined) throw new Error(`"${id}" cannot be the id of a tenant: it ${refusal}`);
  return asService(pool, async (tx) => (await createTenant(tx, 'slipway-admin', { id }, databaseNow())).made.key);
}

/** As a service. @throws DomainError TENANT_NOT_FOUND */
export async function readTenant(tx: Tx, id: string): Promise<TenantView> {
  const { rows } = await tx.query<TenantRow>(`SELECT ${COLUMNS} FROM tenants WHERE id = $1`, [id]);
  if (!rows[0]) throw new DomainError('TENANT_NOT_FOUND', `there is no tenant "${id.slice(0, 64)}"`);
  return toView(rows[0]);
}

/** Newest first. As a service. */
export async function listTenants(tx: Tx): Promise<TenantView[]> {
  const { rows } = await tx.query<TenantRow>(`SELECT ${COLUMNS} FROM tenants ORDER BY created_at DESC, id`);
  return rows.map(toView);
}

/**
 * As a service. While a tenant is suspended nothing of it begins (installations/device-aggregate.ts, rollouts/rows.ts);
 * once it is active again, all that waits looks again. The tenant of the operator of the installation cannot be
 * suspended: no key would be left to undo it.
 * @throws DomainError TENANT_NOT_FOUND, TENANT_STATE
 */
export async function changeTenant(tx: Tx, id: string, change: TenantChange): Promise<TenantView> {
  if (change.state === 'active') await lockSuspended(tx, id);
  const before = await lockTenant(tx, id);
  const state = change.state ?? before.state;
  if (before.state === 'removing') throw new DomainError('TENANT_STATE', `the tenant "${id}" is being removed`);
  if (id === FIRST_TENANT && state !== 'active')
    throw new DomainError('TENANT_STATE', `"${id}" is the tenant of the operator of the installation: it stays active`);
  const quotas = Object.fromEntries(
    QUOTAS.map((quota) => [quota, change.quotas?.[quota] === undefined ? before.quotas[quota] : change.quotas[quota]]),
  );
  const kept = Object.fromEntries(Object.entries(quotas).filter(([, value]) => value !== null && value !== undefined));
  await tx.query('UPDATE tenants SET name = $2, state = $3, quotas = $4 WHERE id = $1', [
    id,
    change.name === undefined ? before.name : change.name,
    state,
    JSON.stringify(kept),
  ]);
  if (state !== before.state) await askAgain(tx, id, state === 'active');
  return readTenant(tx, id);
}

/** Rollouts look at once what they may do now; and queued installations ask for their turn, where they may have it. */
async function askAgain(tx: Tx, id: string, isActive: boolean): Promise<void> {
  await tx.query(
    `INSERT INTO outbox (receiver, tenant_id, subject, detail, due_at, is_start)
     SELECT 'workflow', tenant_id, id, 'rollout', now(), false FROM rollouts
       WHERE tenant_id = $1 AND finished_at IS NULL AND closed_at IS NULL
     UNION ALL
     SELECT 'workflow', tenant_id, id, '${ASK_AGAIN}', now(), false FROM installations
       WHERE $2::boolean AND tenant_id = $1 AND ended_at IS NULL AND state = 'queued'
     ORDER BY 1, 2, 3, 4
     ON CONFLICT (receiver, tenant_id, subject, detail) DO UPDATE
       SET generation = outbox.generation + 1, marked_at = now(), due_at = least(outbox.due_at, excluded.due_at)`,
    [id, isActive],
  );
  await wakeSender(tx);
}

/** The row, locked until the transaction ends. As a service. @throws DomainError TENANT_NOT_FOUND */
export async function lockTenant(tx: Tx, id: string): Promise<TenantView> {
  await tx.query('SELECT FROM tenants WHERE id = $1 FOR UPDATE', [id]);
  return readTenant(tx, id);
}

function toView(row: TenantRow): TenantView {
  return {
    id: row.id,
    name: row.name,
    state: row.state,
    quotas: row.quotas,
    createdAt: row.created_at.getTime(),
    createdBy: row.created_by,
  };
}
