import type { Tx } from './pool.js';
import { oneRow } from './one-row.js';

/**
 * What tells this service from others that share its Temporal or its PostgreSQL server: made by a migration, and the
 * same for all its processes, for as long as there is this database. A copy of the database has the same one.
 * @returns 32 hexadecimal digits
 */
export async function readServiceId(tx: Tx): Promise<string> {
  const { rows } = await tx.query<{ value: Buffer }>(`SELECT value FROM service_keys WHERE name = 'service-id'`);
  return oneRow(rows, 'the id of the service in service_keys, which a migration makes').value.toString('hex');
}
