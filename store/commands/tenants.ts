import { permissionsOf } from '../../domain/permissions.js';
import { databaseNow } from '../db/clock.js';
import type { Pool } from '../db/pool.js';
import { asService } from '../db/transaction.js';
import { createKey } from './api-keys.js';

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

/**
 * Makes a tenant with a first key of the role owner.
 * @returns the key, which is kept as a hash only and shown this once
 * @throws a sentence where the id is not possible, or there is such a tenant
 */
export async function createTenant(pool: Pool, id: string): Promise<string> {
  if (!NEW_TENANT.test(id) || RESERVED.has(id)) {
    throw new Error(
      `"${id}" cannot be the id of a tenant: it has 1 to 27 small letters, digits and -, begins with a letter or digit, and is not reserved (${[...RESERVED].join(', ')})`,
    );
  }
  return asService(pool, async (tx) => {
    const { rowCount } = await tx.query('INSERT INTO tenants (id) VALUES ($1) ON CONFLICT DO NOTHING', [id]);
    if (rowCount !== 1) throw new Error(`there is a tenant "${id}" already`);
    const maker = { tenantId: id, by: 'slipway-admin', permissions: permissionsOf('owner') };
    const { key } = await createKey(tx, maker, { name: 'bootstrap', role: 'owner' }, databaseNow());
    return key;
  });
}
