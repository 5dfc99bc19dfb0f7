import type pg from 'pg';
import { serviceOf, type Pool, type Role, type Tx } from './pool.js';
import { databaseClock } from './clock.js';
import { Prepared } from './prepared.js';
import { isRetryable } from './sqlstates.js';

const ATTEMPTS = 5;
/** As the table has it: in topics, in paths and in user names it is one level. */
export const TENANT_ID = /^[A-Za-z0-9_.-]{1,64}$/;
const prepared = new Prepared();
/** Epoch milliseconds. */
const TIME = 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now';

/** Runs `work` in one transaction as the API: bound to one tenant, behind row-level security. */
export function asTenant<T>(pool: Pool, tenantId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
  return inTransaction(pool, 'slipway_api', tenantId, work);
}

/** How long a transaction waits, where that is to be less than its statements may take. */
export interface Waits {
  /** Milliseconds for one lock; then it fails with 55P03, a failure of one row (sqlstates.ts). */
  readonly lockMs?: number;
}

/** Runs `work` in one transaction as a service that serves all tenants: each statement carries its tenant. */
export function asService<T>(pool: Pool, work: (tx: Tx) => Promise<T>, waits: Waits = {}): Promise<T> {
  return inTransaction(serviceOf(pool), 'slipway_worker', '', work, waits);
}

async function inTransaction<T>(
  pool: Pool,
  role: Role,
  tenantId: string,
  work: (tx: Tx) => Promise<T>,
  waits: Waits = {},
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    const client = await pool.connect();
    let broken: Error | undefined;
    // A connection may end between two statements (a restart, an idle transaction that is cut off). Unheard, that would
    // end the process.
    const hear = (error: Error) => (broken = error);
    client.on('error', hear);
    try {
      await begin(client, role, tenantId, waits);
      const result = await work(prepared.on(client, role));
      await client.query('COMMIT');
      return result;
    } catch (error) {
      broken = (await rollBack(client)) ?? broken;
      if (broken || attempt >= ATTEMPTS || !(isRetryable(error) || prepared.blames(error))) throw error;
    } finally {
      client.off('error', hear);
      client.release(broken);
    }
  }
}

/**
 * One round trip. The role and the tenant are set LOCAL: a connection goes back to the pool without either. PostgreSQL
 * says its time with it.
 */
async function begin(client: pg.ClientBase, role: Role, tenantId: string, { lockMs }: Waits): Promise<void> {
  if (tenantId !== '' && !TENANT_ID.test(tenantId)) throw new Error(`"${tenantId}" is no tenant id`);
  const lock = lockMs === undefined ? '' : `SET LOCAL lock_timeout = ${Math.ceil(lockMs)}; `;
  const asked = databaseClock.asks();
  // node-postgres answers several statements with a list, which its types do not know.
  const answers = (await client.query(
    `BEGIN; SET LOCAL ROLE ${role}; SET LOCAL slipway.tenant = '${tenantId}'; ${lock}${TIME}`,
  )) as unknown as readonly pg.QueryResult<{ now: number }>[];
  const answered = answers.at(-1)?.rows[0];
  if (answered) databaseClock.learn(answered.now, asked);
}

/** A connection that cannot even roll back is no use to anyone: it is dropped from the pool. */
async function rollBack(client: pg.ClientBase): Promise<Error | undefined> {
  try {
    await client.query('ROLLBACK');
    return undefined;
  } catch (error) {
    return error as Error;
  }
}
