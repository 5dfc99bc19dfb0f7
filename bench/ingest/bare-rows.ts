import type pg from 'pg';
import { now } from '../wait.js';

/** An installation to write about. */
export interface BareRow {
  readonly id: string;
  readonly deviceId: string;
}

/**
 * The ceiling of the ingester: the rows that one batch of reports comes to (each installation updated, a history entry
 * for each, a mark in the outbox for every other one), written by bare `pg` into the same tables, one transaction after
 * the other on one connection. Nothing is read, locked, decided or parsed. @returns reports a second.
 */
export async function writeBareRows(
  sql: pg.Pool,
  rows: readonly BareRow[],
  batch: number,
  ms: number,
): Promise<number> {
  const client = await sql.connect();
  try {
    let written = 0;
    const began = now();
    for (let at = 0; now() - began < ms; at = (at + batch) % rows.length) {
      const part = Array.from({ length: batch }, (_, index) => rows[(at + index) % rows.length]!);
      await writeBatch(client, part, written);
      written += part.length;
    }
    return (written * 1_000) / (now() - began);
  } finally {
    client.release();
  }
}

async function writeBatch(client: pg.ClientBase, rows: readonly BareRow[], seq: number): Promise<void> {
  const [ids, devices] = [rows.map((row) => row.id), rows.map((row) => row.deviceId)];
  await client.query('BEGIN');
  await client.query(
    `UPDATE installations i SET state = 'accepted', last_seq = $2, state_since = now(), started_at = now(), due_at = now() + interval '1 hour'
     FROM unnest($1::uuid[]) AS n(id) WHERE i.tenant_id = 'default' AND i.id = n.id`,
    [ids, seq % 1_000_000],
  );
  await client.query(
    `INSERT INTO history (tenant_id, at, device_id, installation_id, event, data)
     SELECT 'default', now(), device_id, id, 'bare', '{"by": "device", "seq": 1}' FROM unnest($1::uuid[], $2::uuid[]) AS n(id, device_id)`,
    [ids, devices],
  );
  await client.query(
    `INSERT INTO outbox (receiver, tenant_id, subject, due_at) SELECT 'workflow', 'default', id, now() + interval '1 hour' FROM (SELECT DISTINCT unnest($1::uuid[]) AS id ORDER BY 1) AS n
     ON CONFLICT (receiver, tenant_id, subject, detail) DO UPDATE SET generation = outbox.generation + 1, marked_at = now(), due_at = least(outbox.due_at, excluded.due_at)`,
    [ids.filter((_, index) => index % 2 === 0)],
  );
  await client.query('COMMIT');
}
