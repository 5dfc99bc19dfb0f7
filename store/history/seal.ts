import { createHash } from 'node:crypto';
import type { Pool, Tx } from '../db/pool.js';
import { asService } from '../db/transaction.js';
import { assertLease, type Fence } from '../db/leases.js';
import { recordset } from '../db/recordset.js';

/** Entries that are sealed at once. */
export const SEAL_BATCH = 2_000;

interface Unsealed {
  entry: string;
  tenant_id: string;
  at: string;
  device_id: string | null;
  installation_id: string | null;
  rollout_id: string | null;
  event: string;
  data: string;
}

/** What sealing adds to an entry. */
interface Seal {
  /** @narrowed the statement asks for sealed entries */
  number: string;
  /** @narrowed sealing sets both */
  hash: Buffer;
}

interface HeadRow extends Seal {
  tenant_id: string;
}

const TEXT = `entry, tenant_id, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, device_id, installation_id, rollout_id, event, data::text AS data`;

/**
 * Numbers the history of each tenant, without a gap, and chains it: each hash covers the one before. One writer, by the
 * bridge's lease; entries are written unnumbered because serial ids commit out of order, and a reader by id would skip
 * some. @returns how many it sealed.
 */
export async function seal(pool: Pool, fence: Fence): Promise<number> {
  return asService(pool, async (tx) => {
    await assertLease(tx, fence);
    const { rows } = await tx.query<Unsealed>(
      `SELECT ${TEXT} FROM history WHERE number IS NULL ORDER BY entry LIMIT ${SEAL_BATCH}`,
    );
    if (rows.length === 0) return 0;
    const heads = await readHeads(tx, [...new Set(rows.map((row) => row.tenant_id))]);
    const sealed = rows.map((row) => {
      const head = heads.get(row.tenant_id) ?? { number: 0, hash: GENESIS };
      const next = { number: head.number + 1, hash: chain(head.hash, head.number + 1, row) };
      heads.set(row.tenant_id, next);
      return { entry: row.entry, number: next.number, hash: next.hash.toString('hex') };
    });
    await tx.query(
      `UPDATE history h SET number = n.number, hash = decode(n.hash, 'hex')
       FROM ${recordset('$1', 'entry bigint, number bigint, hash text')} AS n WHERE h.entry = n.entry`,
      [JSON.stringify(sealed)],
    );
    return rows.length;
  });
}

/** What stands before the first entry of a tenant. */
export const GENESIS = Buffer.alloc(32);

/** The hash that an entry gets when it is sealed: it covers the one before. */
export function chain(before: Buffer, number: number, row: Omit<Unsealed, 'entry'>): Buffer {
  const said = JSON.stringify([
    number,
    row.tenant_id,
    row.at,
    row.device_id,
    row.installation_id,
    row.rollout_id,
    row.event,
    row.data,
  ]);
  return createHash('sha256').update(before).update(said).digest();
}

/** One look into the index for each tenant: DISTINCT ON would walk all that was ever sealed, twice a second. */
async function readHeads(tx: Tx, tenants: readonly string[]): Promise<Map<string, { number: number; hash: Buffer }>> {
  const { rows } = await tx.query<HeadRow>(
    `SELECT t.tenant_id, head.number, head.hash FROM unnest($1::text[]) AS t(tenant_id)
     CROSS JOIN LATERAL (SELECT number, hash FROM history h WHERE h.tenant_id = t.tenant_id AND h.number IS NOT NULL
       ORDER BY h.number DESC LIMIT 1) AS head`,
    [tenants],
  );
  return new Map(rows.map((row) => [row.tenant_id, { number: Number(row.number), hash: row.hash }]));
}

/** Up to which number entries of a tenant may be gone, and the hash of that one; 0 where none may. */
export async function readDropped(tx: Tx, tenantId: string): Promise<{ number: number; hash: Buffer }> {
  const { rows } = await tx.query<{ number: string; hash: Buffer }>(
    'SELECT number, hash FROM history_dropped WHERE tenant_id = $1',
    [tenantId],
  );
  return rows[0] ? { number: Number(rows[0].number), hash: rows[0].hash } : { number: 0, hash: GENESIS };
}

/**
 * Checks the chain from where entries were dropped.
 * @returns the number of the first entry that breaks the chain of this tenant, or undefined where it is whole;
 * `entries` are those up to there, with the dropped ones.
 */
export async function verifyChain(tx: Tx, tenantId: string): Promise<{ entries: number; brokenAt?: number }> {
  const dropped = await readDropped(tx, tenantId);
  let before = dropped.hash;
  let expected = dropped.number + 1;
  for (;;) {
    const { rows } = await tx.query<Unsealed & Seal>(
      `SELECT ${TEXT}, number, hash FROM history WHERE tenant_id = $1 AND number >= $2 ORDER BY number
        LIMIT ${SEAL_BATCH}`,
      [tenantId, expected],
    );
    if (rows.length === 0) return { entries: expected - 1 };
    for (const row of rows) {
      if (Number(row.number) !== expected || !chain(before, expected, row).equals(row.hash))
        return { entries: expected - 1, brokenAt: expected };
      before = row.hash;
      expected += 1;
    }
  }
}
