import { assertLease, type Fence } from '../db/leases.js';
import type { Pool, Tx } from '../db/pool.js';
import { dropLeftoverPage } from '../rollouts/leftovers.js';
import { iso } from '../db/times.js';
import { asService } from '../db/transaction.js';
import { BrokenHistory, dropEntries, letGo, type Before } from '../audit/drop.js';

/** Rows of one transaction: some milliseconds of work, and no lock for longer. */
const PAGE = 500;
const CREDENTIALS = 2_000;
const NIL = '00000000-0000-0000-0000-000000000000';

/** The end of an installation as its index has it. */
const END = `CASE WHEN i.ended_at IS NULL THEN 'infinity'::timestamptz ELSE i.ended_at END`;

/**
 * Removes what is older than a time, page by page, each in a transaction of its own under the lease: ended
 * installations, finished rollouts, revoked credentials, certificates and keys, and then entries of the history, whose
 * leaf hashes stay.
 * Never what a slot holds now, nor what explains it: its installation, the rollout that asked for that, and their
 * entries.
 *
 * Each `next()` does one page, and yields.
 * @param broken is told of a tenant whose history was changed: of its entries no more leaves are made
 * @throws LeaseLost
 */
export async function* prune(
  pool: Pool,
  fence: Fence,
  { history: before, acts }: Before,
  broken: (error: BrokenHistory) => void,
): AsyncGenerator<void, void, void> {
  const page = <T>(work: (tx: Tx) => Promise<T>): Promise<T> =>
    asService(pool, async (tx) => {
      await assertLease(tx, fence);
      return work(tx);
    });
  const tenants = await page(async (tx) => (await tx.query<{ id: string }>('SELECT id FROM tenants ORDER BY id')).rows);
  for (const { id: tenantId } of tenants) {
    for (let after: Ended | undefined = FIRST; after; yield) {
      const from: Ended = after;
      after = await page((tx) => dropInstallations(tx, tenantId, before, from));
    }
    for (let after: string | undefined = NIL; after !== undefined; yield) {
      const from: string = after;
      after = await page((tx) => dropRollout(tx, tenantId, before, from));
    }
    while ((await page(dropLeftoverPage)) !== undefined) yield;
    for (let after: string | undefined = NIL; after !== undefined; yield) {
      const from: string = after;
      after = await page((tx) => dropCredentials(tx, tenantId, before, from));
    }
    while ((await page((tx) => dropCertificates(tx, tenantId, before))) === CREDENTIALS) yield;
    while ((await page((tx) => dropKeys(tx, tenantId, before))) === CREDENTIALS) yield;
    try {
      while (await page((tx) => letGo(tx, tenantId, { history: before, acts }))) yield;
    } catch (error) {
      if (!(error instanceof BrokenHistory)) throw error;
      broken(error);
    }
    for (let after: number | undefined = 0; after !== undefined; yield) {
      const from: number = after;
      after = await page((tx) => dropEntries(tx, tenantId, { history: before, acts }, from));
    }
  }
}

/** Where a page of ended installations begins. */
interface Ended {
  readonly end: string;
  readonly id: string;
}
const FIRST: Ended = { end: '-infinity', id: NIL };

/** Kept: what a slot holds, and what a rollout that goes on, or ended lately, has made. */
async function dropInstallations(tx: Tx, tenantId: string, before: number, after: Ended): Promise<Ended | undefined> {
  const { rows } = await tx.query<Ended>(
    `WITH page AS (SELECT i.id, ${END} AS ended FROM installations i WHERE i.tenant_id = $1
       AND (${END}, i.id) > ($2::timestamptz, $3::uuid) AND ${END} < $4 ORDER BY ${END}, i.id LIMIT ${PAGE}),
     gone AS (DELETE FROM installations i USING page p WHERE i.tenant_id = $1 AND i.id = p.id
       AND NOT EXISTS (SELECT FROM device_slots s WHERE s.tenant_id = i.tenant_id AND s.device_id = i.device_id
         AND s.slot = i.slot AND s.installation_id = i.id)
       AND NOT EXISTS (SELECT FROM rollouts r WHERE r.tenant_id = i.tenant_id AND r.id = i.rollout_id
         AND coalesce(r.finished_at, r.closed_at, 'infinity') >= $4))
     SELECT ended::text AS end, id FROM page ORDER BY ended, id`,
    [tenantId, after.end, after.id, iso(before)],
  );
  return rows.length < PAGE ? undefined : rows.at(-1);
}

/**
 * The next finished rollout; its targets go after it, in pages. It is kept whole for as long as a slot holds what one
 * of its installations brought, whose row is then still there.
 * @returns after which rollout the next page begins; undefined where there is none.
 */
async function dropRollout(tx: Tx, tenantId: string, before: number, after: string): Promise<string | undefined> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT r.id FROM rollouts r WHERE r.tenant_id = $1 AND r.id > $2 AND coalesce(r.finished_at, r.closed_at) < $3
       AND NOT EXISTS (SELECT FROM installations i WHERE i.tenant_id = r.tenant_id AND i.rollout_id = r.id)
     ORDER BY r.id LIMIT 1 FOR UPDATE`,
    [tenantId, after, iso(before)],
  );
  const [found] = rows;
  if (!found) return undefined;
  await tx.query('DELETE FROM rollouts WHERE tenant_id = $1 AND id = $2', [tenantId, found.id]);
  return found.id;
}

async function dropCredentials(tx: Tx, tenantId: string, before: number, after: string): Promise<string | undefined> {
  const { rows } = await tx.query<{ last: string | null; looked: number }>(
    `WITH page AS (SELECT id FROM device_credentials WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT ${CREDENTIALS}),
     gone AS (DELETE FROM device_credentials c USING page p WHERE c.tenant_id = $1 AND c.id = p.id AND c.revoked_at < $3)
     SELECT (array_agg(id ORDER BY id DESC))[1] AS last, count(*)::int AS looked FROM page`,
    [tenantId, after, iso(before)],
  );
  const [row] = rows;
  return row?.last == null || row.looked < CREDENTIALS ? undefined : row.last;
}

/** @returns how many */
async function dropCertificates(tx: Tx, tenantId: string, before: number): Promise<number | null> {
  const { rowCount } = await tx.query(
    `DELETE FROM device_certificates WHERE tenant_id = $1 AND id IN (SELECT id FROM device_certificates
       WHERE tenant_id = $1 AND status = 'revoked' AND updated_at < $2 LIMIT ${CREDENTIALS})`,
    [tenantId, iso(before)],
  );
  return rowCount;
}

/**
 * Kept: a key whose successor is there, which acts under its name; and a bootstrap key, so that an old
 * `SLIPWAY_ADMIN_TOKEN` never works again.
 * @returns how many
 */
async function dropKeys(tx: Tx, tenantId: string, before: number): Promise<number | null> {
  const { rowCount } = await tx.query(
    `DELETE FROM api_keys WHERE tenant_id = $1 AND id IN (SELECT id FROM api_keys k
       WHERE k.tenant_id = $1 AND k.revoked_at < $2 AND k.created_by <> 'service'
         AND NOT EXISTS (SELECT FROM api_keys s WHERE s.tenant_id = k.tenant_id AND s.rotated_from = k.id)
       LIMIT ${CREDENTIALS})`,
    [tenantId, iso(before)],
  );
  return rowCount;
}
