import { randomBytes } from 'node:crypto';
import type { Pool } from './pool.js';
import { ensureKey } from './api-keys.js';
import { asService } from './transaction.js';

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

/** Whether there is such a tenant. None appears by a claim of a token. */
export async function hasTenant(pool: Pool, id: string): Promise<boolean> {
  const { rowCount } = await asService(pool, (tx) => tx.query('SELECT FROM tenants WHERE id = $1', [id]));
  return rowCount === 1;
}

/**
 * Makes a tenant with a first key of the role owner.
 * @returns the key, which is kept as a hash only and shown this once
 * @throws a sentence where the id is not possible, or there is such a tenant
 */
export async function createTenant(pool: Pool, id: string): Promise<string> {
  if (!NEW_TENANT.test(id) || RESERVED.has(id)) {
    throw new Error(
      `"${id}" cannot be the id of a tenant: it has 1 to 27 small letters, digits and -, begins with a letter or digit, and is none of ${[...RESERVED].join(', ')}`,
    );
  }
  const { rowCount } = await asService(pool, (tx) =>
    tx.query('INSERT INTO tenants (id) VALUES ($1) ON CONFLICT DO NOTHING', [id]),
  );
  if (rowCount !== 1) throw new Error(`there is a tenant "${id}" already`);
  const token = randomBytes(32).toString('base64url');
  await ensureKey(pool, { tenantId: id, name: 'bootstrap', role: 'owner' }, token);
  return token;
}
