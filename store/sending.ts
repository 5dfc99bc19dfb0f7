import type { Installation } from '../domain/installation/installation.js';
import { COLUMNS, toInstallation } from './installation-rows.js';
import { assertLease, type Fence } from './leases.js';
import { mark, type Mark } from './outbox.js';
import type { Pool, Tx } from './pool.js';
import { asService } from './transaction.js';
import { nodesOf } from './gateways.js';
import { workKey } from './work.js';

/** What the sender needs to know of an installation to bring its process up to date. */
export interface ProcessView {
  installation: Installation;
  started: boolean;
  online: boolean;
  /** The other installation that executes on the device. */
  executing: string | null;
}

/** By installation id; absent where the row is gone. */
export async function readProcesses(pool: Pool, subjects: readonly { tenantId: string; subject: string }[]): Promise<Map<string, ProcessView>> {
  return asService(pool, async (tx) => {
    const { rows } = await tx.query(
      `SELECT ${COLUMNS}, i.process_started_at, d.online,
         (SELECT x.id FROM installations x WHERE x.tenant_id = i.tenant_id AND x.device_id = i.device_id AND x.executing AND x.id <> i.id) AS other
       FROM installations i
       JOIN jsonb_to_recordset($1::jsonb) AS k(tenant_id text, id uuid) ON i.tenant_id = k.tenant_id AND i.id = k.id
       JOIN firmwares f ON f.tenant_id = i.tenant_id AND f.id = i.firmware_id
       JOIN devices d ON d.tenant_id = i.tenant_id AND d.id = i.device_id`,
      [JSON.stringify(subjects.map((one) => ({ tenant_id: one.tenantId, id: one.subject })))],
    );
    return new Map(rows.map((row) => [row.id as string, { installation: toInstallation(row), started: row.process_started_at !== null, online: row.online, executing: row.other }]));
  });
}

export async function markStarted(pool: Pool, started: readonly { tenantId: string; subject: string }[]): Promise<void> {
  if (started.length === 0) return;
  await asService(pool, (tx) =>
    tx.query(
      `UPDATE installations i SET process_started_at = now() FROM (SELECT * FROM jsonb_to_recordset($1::jsonb) AS k(tenant_id text, id uuid) ORDER BY 1, 2) AS k
       WHERE i.tenant_id = k.tenant_id AND i.id = k.id AND i.process_started_at IS NULL`,
      [JSON.stringify(started.map((one) => ({ tenant_id: one.tenantId, id: one.subject })))],
    ),
  );
}

/** What one slot of one device should show now, and what the broker may retain of it. */
export interface SlotView {
  tenantId: string;
  deviceId: string;
  slot: string;
  /** The installation that executes on this slot; undefined = the slot's document is to be empty. */
  installation: Installation | undefined;
  firmware: { id: string; name: string; size: number; contentType: string } | undefined;
  aliases: readonly string[];
  /** Where the device's connection is; undefined where nobody in its chain has a credential. */
  node: string | undefined;
  publishedNodes: readonly string[];
  /** `cmd hello` is due. */
  wantsHello: boolean;
}

/** Reads what the slots should show, in one transaction, so that a document and its nodes belong together. */
export async function readSlots(pool: Pool, slots: readonly { tenantId: string; subject: string; detail: string }[]): Promise<Map<string, SlotView>> {
  return asService(pool, async (tx) => {
    const { rows } = await tx.query(
      `SELECT k.tenant_id AS k_tenant, k.device_id AS k_device, k.slot AS k_slot,
         ARRAY(SELECT p.node FROM published_documents p WHERE p.tenant_id = k.tenant_id AND p.device_id = k.device_id AND p.slot = k.slot) AS published_nodes,
         d.hello_wanted_at IS NOT NULL AND (d.hello_at IS NULL OR d.hello_at < d.hello_wanted_at) AS wants_hello,
         ARRAY(SELECT alias FROM device_aliases a WHERE a.tenant_id = k.tenant_id AND a.device_id = k.device_id ORDER BY alias) AS aliases,
         ${COLUMNS}, f.name AS f_name, f.size AS f_size, f.content_type AS f_content_type
       FROM jsonb_to_recordset($1::jsonb) AS k(tenant_id text, device_id uuid, slot text)
       LEFT JOIN devices d ON d.tenant_id = k.tenant_id AND d.id = k.device_id
       LEFT JOIN installations i ON i.tenant_id = k.tenant_id AND i.device_id = k.device_id AND i.slot = k.slot AND i.executing
       LEFT JOIN firmwares f ON f.tenant_id = i.tenant_id AND f.id = i.firmware_id`,
      [JSON.stringify(slots.map((one) => ({ tenant_id: one.tenantId, device_id: one.subject, slot: one.detail })))],
    );
    const nodes = await nodesOf(tx, rows.map((row) => ({ tenantId: row.k_tenant, deviceId: row.k_device })));
    return new Map(rows.map((row): [string, SlotView] => [slotKey(row.k_tenant, row.k_device, row.k_slot), {
      tenantId: row.k_tenant, deviceId: row.k_device, slot: row.k_slot,
      installation: row.id === null ? undefined : toInstallation(row),
      firmware: row.id === null ? undefined : { id: row.firmware_id, name: row.f_name, size: Number(row.f_size), contentType: row.f_content_type },
      aliases: row.aliases ?? [],
      node: nodes.get(workKey(row.k_tenant, row.k_device)),
      publishedNodes: row.published_nodes,
      wantsHello: row.wants_hello === true,
    }]));
  });
}

export function slotKey(tenantId: string, deviceId: string, slot: string): string {
  return `${tenantId}/${deviceId}/${slot}`;
}

export interface Published {
  tenantId: string;
  deviceId: string;
  slot: string;
  nodes: readonly string[];
  revision: number | null;
}

/**
 * Writes under which nodes the broker may retain a document. Written before a publish (with the new node added) and after it (with the cleared
 * ones gone), so that whatever crashes between, every node where one may stand is known.
 */
export async function writePublished(pool: Pool, fence: Fence, published: readonly Published[]): Promise<void> {
  if (published.length === 0) return;
  await asService(pool, async (tx) => {
    await assertLease(tx, fence);
    const records = published.map((one) => ({ tenant_id: one.tenantId, device_id: one.deviceId, slot: one.slot, nodes: one.nodes, revision: one.revision }));
    await tx.query(
      `WITH n AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS n(tenant_id text, device_id uuid, slot text, nodes jsonb, revision bigint)),
            gone AS (DELETE FROM published_documents p USING n
                     WHERE p.tenant_id = n.tenant_id AND p.device_id = n.device_id AND p.slot = n.slot AND NOT n.nodes ? p.node)
       INSERT INTO published_documents (tenant_id, device_id, slot, node, revision)
       SELECT n.tenant_id, n.device_id, n.slot, node, n.revision FROM n, jsonb_array_elements_text(n.nodes) AS node
       ON CONFLICT (tenant_id, device_id, slot, node) DO UPDATE SET revision = excluded.revision, published_at = now()`,
      [JSON.stringify(records)],
    );
  });
}

/** The broker lost what it retained, or may have: every document is compared again. */
export async function markAllDocuments(pool: Pool): Promise<number> {
  return asService(pool, async (tx) => {
    const { rows } = await tx.query<{ tenant_id: string; device_id: string; slot: string }>(
      `SELECT tenant_id, device_id, slot FROM published_documents
       UNION SELECT tenant_id, device_id, slot FROM installations WHERE executing`,
    );
    await mark(tx, rows.map((row): Mark => ({ receiver: 'document', tenantId: row.tenant_id, subject: row.device_id, detail: row.slot })));
    return rows.length;
  });
}

/**
 * The reconciler's look at the processes: what is overdue, or has not begun, although a process should have acted (it vanished, or its start
 * was lost) is marked, and the sender starts it again under its id. @returns how many were marked.
 */
export async function markOverdue(pool: Pool, graceMs: number, limit: number): Promise<number> {
  return asService(pool, async (tx) => {
    const { rows } = await tx.query<{ tenant_id: string; id: string }>(
      `SELECT tenant_id, id FROM installations
       WHERE ended_at IS NULL AND due_at < now() - $1 * interval '1 millisecond'
       UNION ALL
       SELECT tenant_id, id FROM installations
       WHERE ended_at IS NULL AND due_at IS NULL AND state = 'scheduled' AND state_since < now() - $1 * interval '1 millisecond'
       LIMIT $2`,
      [graceMs, limit],
    );
    await mark(tx, rows.map((row): Mark => ({ receiver: 'workflow', tenantId: row.tenant_id, subject: row.id })));
    return rows.length;
  });
}

/** The key that signs download links (made by the migrations). */
export async function readServiceKey(tx: Tx, name: string): Promise<Buffer> {
  const { rows } = await tx.query<{ value: Buffer }>(`SELECT value FROM service_keys WHERE name = $1`, [name]);
  if (!rows[0]) throw new Error(`the service key "${name}" is missing: were the migrations run?`);
  return rows[0].value;
}
