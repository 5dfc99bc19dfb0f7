import { assertLease, type Fence } from '../db/leases.js';
import { mark, type Mark } from './outbox.js';
import type { Pool, Tx } from '../db/pool.js';
import { recordset } from '../db/recordset.js';
import { asService } from '../db/transaction.js';

/** Where the broker may retain a document. */
export interface Published {
  tenantId: string;
  deviceId: string;
  slot: string;
  node: string;
  revision: number | null;
}

/**
 * Under which nodes the broker may retain a document: written before the publish, and removed after the node was
 * cleared, so that whatever crashes between, every node where one may stand is known.
 */
export async function writePublished(tx: Tx, published: readonly Published[]): Promise<void> {
  await tx.query(
    `INSERT INTO published_documents (tenant_id, device_id, slot, node, revision)
     SELECT * FROM jsonb_to_recordset($1::jsonb) AS n(tenant_id text, device_id uuid, slot text, node text,
       revision bigint) ORDER BY 1, 2, 3, 4
     ON CONFLICT (tenant_id, device_id, slot, node) DO UPDATE SET revision = excluded.revision, published_at = now()`,
    [records(published)],
  );
}

/** Forgets the nodes under which the broker retains nothing any more. Called after the clearing, never before. */
export async function removeCleared(tx: Tx, cleared: readonly Published[]): Promise<void> {
  if (cleared.length === 0) return;
  await tx.query(
    `DELETE FROM published_documents p USING ${recordset('$1', 'tenant_id text, device_id uuid, slot text, node text')} AS n
     WHERE p.tenant_id = n.tenant_id AND p.device_id = n.device_id AND p.slot = n.slot AND p.node = n.node`,
    [records(cleared)],
  );
}

function records(published: readonly Published[]): string {
  return JSON.stringify(
    published.map((one) => ({
      tenant_id: one.tenantId,
      device_id: one.deviceId,
      slot: one.slot,
      node: one.node,
      revision: one.revision,
    })),
  );
}

/** Rows of one statement of the comparison: a fleet is walked in pieces, so that no transaction holds it up. */
export const PIECE = 1_000;
const NIL = '00000000-0000-0000-0000-000000000000';

/**
 * The broker lost what it retained: every document is published again. In pieces: where a crash cuts this off, the
 * comparison finds what does not stand.
 */
export async function markAll(pool: Pool, fence: Fence): Promise<void> {
  await markEach(pool, fence, 'published_documents WHERE true');
  // Offered a moment ago, perhaps, and not written down yet.
  await markEach(pool, fence, 'installations WHERE executing');
}

async function markEach(pool: Pool, fence: Fence, from: string): Promise<void> {
  for (let last: PublicationRow | undefined = FIRST; last;) {
    const after: PublicationRow = last;
    last = await asService(pool, async (tx) => {
      await assertLease(tx, fence);
      const { rows } = await tx.query<PublicationRow>(
        `SELECT DISTINCT tenant_id, device_id, slot FROM ${from} AND (tenant_id, device_id, slot) > ($1, $2::uuid, $3)
          ORDER BY 1, 2, 3 LIMIT ${PIECE}`,
        [after.tenant_id, after.device_id, after.slot],
      );
      await mark(tx, rows.map(toMark));
      return rows[PIECE - 1];
    });
  }
}

/**
 * Compares what the broker retains with where documents should stand, and marks what differs: the sender puts it right.
 * What stands where no row says so, or with a higher revision (a database restored from a backup), is written down
 * first: then it is cleared there, or replaced by a higher revision.
 * @param since epoch milliseconds at which the reading began: what was published later is not missed. @returns how many
 * were marked.
 */
export async function compareDocuments(
  pool: Pool,
  fence: Fence,
  retained: readonly Published[],
  since: number,
): Promise<number> {
  let marked = 0;
  for (let at = 0; at < retained.length; at += PIECE)
    marked += await compareRetained(pool, fence, retained.slice(at, at + PIECE));
  const standing = new Set(retained.map((one) => keyOf(one.tenantId, one.deviceId, one.slot, one.node)));
  return marked + (await compareExpected(pool, fence, standing, since)) + (await markUnpublished(pool, fence));
}

async function compareRetained(pool: Pool, fence: Fence, retained: readonly Published[]): Promise<number> {
  return asService(pool, async (tx) => {
    await assertLease(tx, fence);
    const { rows } = await tx.query<PublicationRow & { node: string; revision: string | null; ahead: boolean }>(
      `SELECT n.*, p.node IS NULL OR coalesce(n.revision > p.revision, p.revision IS NULL) AS ahead
       FROM ${recordset('$1', 'tenant_id text, device_id uuid, slot text, node text, revision bigint')} AS n
       LEFT JOIN published_documents p USING (tenant_id, device_id, slot, node)
       WHERE p.node IS NULL OR p.revision IS DISTINCT FROM n.revision`,
      [records(retained)],
    );
    const ahead = rows.filter((row) => row.ahead);
    if (ahead.length > 0)
      await writePublished(
        tx,
        ahead.map((row) => ({
          tenantId: row.tenant_id,
          deviceId: row.device_id,
          slot: row.slot,
          node: row.node,
          revision: row.revision === null ? null : Number(row.revision),
        })),
      );
    await mark(tx, rows.map(toMark));
    return rows.length;
  });
}

/** Documents that should stand and do not. */
async function compareExpected(
  pool: Pool,
  fence: Fence,
  standing: ReadonlySet<string>,
  since: number,
): Promise<number> {
  let marked = 0;
  for (let after: readonly unknown[] = ['', NIL, '', '']; ;) {
    const rows = await asService(pool, async (tx) => {
      await assertLease(tx, fence);
      const piece = await tx.query<PublicationRow & { node: string; earlier: boolean }>(
        `SELECT tenant_id, device_id, slot, node, published_at < $5 AS earlier FROM published_documents
         WHERE (tenant_id, device_id, slot, node) > ($1, $2::uuid, $3, $4) ORDER BY 1, 2, 3, 4 LIMIT ${PIECE}`,
        [...after, new Date(since).toISOString()],
      );
      const missing = piece.rows.filter(
        (row) => row.earlier && !standing.has(keyOf(row.tenant_id, row.device_id, row.slot, row.node)),
      );
      await mark(tx, missing.map(toMark));
      marked += missing.length;
      return piece.rows;
    });
    const last = rows.at(-1);
    if (!last || rows.length < PIECE) return marked;
    after = [last.tenant_id, last.device_id, last.slot, last.node];
  }
}

/**
 * What was offered and stands nowhere: its mark was lost, or no device in its chain had a credential. The rest comes
 * with the next comparison.
 */
async function markUnpublished(pool: Pool, fence: Fence): Promise<number> {
  return asService(pool, async (tx) => {
    await assertLease(tx, fence);
    const { rows } = await tx.query<PublicationRow>(
      `SELECT tenant_id, device_id, slot FROM installations i WHERE executing AND revision IS NOT NULL
        AND cancel IS NULL
         AND NOT EXISTS (SELECT FROM published_documents p WHERE p.tenant_id = i.tenant_id
           AND p.device_id = i.device_id AND p.slot = i.slot)
       LIMIT ${PIECE}`,
    );
    await mark(tx, rows.map(toMark));
    return rows.length;
  });
}

interface PublicationRow {
  tenant_id: string;
  device_id: string;
  slot: string;
}

/** Before all of them. */
const FIRST: PublicationRow = { tenant_id: '', device_id: NIL, slot: '' };

function toMark(row: PublicationRow): Mark {
  return { receiver: 'document', tenantId: row.tenant_id, subject: row.device_id, detail: row.slot };
}

function keyOf(...parts: string[]): string {
  return parts.join('/');
}
