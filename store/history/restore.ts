import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { migrate } from '../db/migrate.js';
import { migrationNames } from '../db/schema-fit.js';
import { verifyChain } from './seal.js';
import { asOwner, columnList, type SnapshotAbout, type SnapshotTable } from '../db/snapshot.js';

/** What was loaded, and whether the sealed history of each tenant is whole. */
export interface Restored {
  readonly rows: number;
  readonly open: number;
  readonly history: readonly { tenant: string; entries: number; brokenAt?: number }[];
}

/**
 * Brings the facts of a snapshot into an empty database: the schema as it was then, the rows in one transaction, and
 * then every migration that has come since, so that also those that change rows do their work. Restored rows are
 * prepared for a world in which nothing but they are left: no process runs, no device is connected, the broker may have
 * forgotten everything, or remember more than they do.
 * @throws a sentence where the database is not empty, or was backed up by a newer Slipway.
 */
export async function restoreSnapshot(
  databaseUrl: string,
  about: SnapshotAbout,
  read: (table: SnapshotTable) => Promise<{ rows: number; source: Readable }>,
): Promise<Restored> {
  await assertKnown(about);
  await asOwner(databaseUrl, assertEmpty);
  await migrate(databaseUrl, about.migrations.at(-1));
  const rows = await asOwner(databaseUrl, (client) => inTransaction(client, () => load(client, about, read)));
  await migrate(databaseUrl);
  return asOwner(databaseUrl, (client) =>
    inTransaction(client, async () => ({
      rows,
      open: await wake(client, about.at),
      history: await verifyHistory(client),
    })),
  );
}

async function assertKnown({ migrations }: SnapshotAbout): Promise<void> {
  const known = await migrationNames();
  const stranger = migrations.find((name, index) => known[index] !== name);
  if (stranger !== undefined)
    throw new Error(
      `the backup was made by another version of Slipway, most likely a newer one: its schema has "${stranger}", which this one does not know at that place`,
    );
}

async function assertEmpty(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace
      ORDER BY 1 LIMIT 3`,
  );
  if (rows.length > 0)
    throw new Error(
      `the database is not empty (it has ${rows.map((row) => row.name).join(', ')} …): make a new one and restore into that`,
    );
}

async function inTransaction<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN');
  // A failure needs no rollback: the connection ends with it, and the transaction with the connection.
  const result = await work();
  await client.query('COMMIT');
  return result;
}

/** The migrations wrote rows of their own, which the backup has as well, with what became of them. */
async function load(
  client: pg.Client,
  { tables, sequences }: SnapshotAbout,
  read: (table: SnapshotTable) => Promise<{ rows: number; source: Readable }>,
): Promise<number> {
  const names = tables.map(({ name }) => pg.escapeIdentifier(name));
  // PostgreSQL takes no COPY behind row-level security. Its owner may look past it until the commit; nothing changes
  // for other users.
  const { rows: walled } = await client.query<{ name: string }>(
    `SELECT quote_ident(relname) AS name FROM pg_class WHERE relforcerowsecurity
      AND relnamespace = current_schema()::regnamespace`,
  );
  for (const { name } of walled) await client.query(`ALTER TABLE ${name} NO FORCE ROW LEVEL SECURITY`);
  await client.query(`TRUNCATE ${names.join(', ')}`);
  let total = 0;
  for (const table of tables) {
    const { rows, source } = await read(table);
    const sink = client.query(copyFrom(`COPY ${pg.escapeIdentifier(table.name)} (${columnList(table)}) FROM STDIN`));
    await pipeline(source, sink);
    if (sink.rowCount !== rows)
      throw new Error(`the backup has ${rows} rows of ${table.name}, and ${sink.rowCount} of them arrived`);
    total += rows;
  }
  for (const { table, column, value } of sequences) {
    if (value !== null)
      await client.query('SELECT setval(pg_get_serial_sequence(quote_ident($1), $2), $3::bigint)', [
        table,
        column,
        value,
      ]);
  }
  for (const { name } of walled) await client.query(`ALTER TABLE ${name} FORCE ROW LEVEL SECURITY`);
  return total;
}

/** @returns how many installations are open. */
async function wake(client: pg.Client, backedUpAt: string): Promise<number> {
  await client.query(`UPDATE leases SET expires_at = now() - interval '1 second'`);
  await client.query('UPDATE outbox SET leased_until = NULL, attempts = 0, due_at = least(due_at, now())');
  // No process of theirs runs: the sender starts them. What the device is at keeps the time that it had left when the
  // backup was made, or all of it would time out before a device has come back. The deadline that an operator set stays
  // as it is.
  const { rowCount: open } = await client.query(
    `UPDATE installations SET process_started_at = NULL,
       due_at = CASE WHEN executing THEN least(due_at + (now() - $1::timestamptz),
         CASE WHEN state <> 'confirming' THEN deadline END) ELSE due_at END
     WHERE ended_at IS NULL`,
    [backedUpAt],
  );
  await client.query('UPDATE rollouts SET process_started_at = NULL WHERE finished_at IS NULL AND closed_at IS NULL');
  await client.query(
    `UPDATE rollout_targets t SET admissible = false FROM rollouts r WHERE r.tenant_id = t.tenant_id
      AND r.id = t.rollout_id AND t.ended_at IS NULL AND r.plan->'pace'->>'offline' <> 'offer'`,
  );
  // Each device is asked what it holds: it may have seen higher revisions than these rows, also where its broker lived
  // on and it never reconnects.
  await client.query('UPDATE devices SET online = false, session = NULL, hello_wanted_at = now()');
  await client.query(
    `INSERT INTO outbox (receiver, tenant_id, subject, detail, is_start)
       SELECT 'workflow', tenant_id, id, '', true FROM installations WHERE ended_at IS NULL
     UNION SELECT 'workflow', tenant_id, id, 'rollout', false FROM rollouts WHERE finished_at IS NULL
       AND closed_at IS NULL
     UNION SELECT 'document', tenant_id, device_id, slot, false FROM installations WHERE executing
     UNION SELECT 'document', tenant_id, device_id, slot, false FROM published_documents
     UNION SELECT 'document', d.tenant_id, d.id, coalesce((SELECT min(slot) FROM jsonb_object_keys(t.slots) AS slot),
       ''), false FROM devices d JOIN device_types t ON t.tenant_id = d.tenant_id AND t.id = d.device_type_id
     ON CONFLICT (receiver, tenant_id, subject, detail) DO UPDATE SET generation = outbox.generation + 1,
       due_at = least(outbox.due_at, now()), is_start = excluded.is_start`,
  );
  return open ?? 0;
}

async function verifyHistory(client: pg.Client): Promise<Restored['history']> {
  const { rows } = await client.query<{ id: string }>('SELECT id FROM tenants ORDER BY id');
  const checked: { tenant: string; entries: number; brokenAt?: number }[] = [];
  for (const { id } of rows) checked.push({ tenant: id, ...(await verifyChain(client, id)) });
  return checked;
}
