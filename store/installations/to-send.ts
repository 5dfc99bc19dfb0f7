import type { Installation } from '../../domain/installation/installation.js';
import { COLUMNS, toInstallation, type InstallationRow } from './rows.js';
import { assertLease, type Fence } from '../db/leases.js';
import { mark, type Mark } from '../outbox/outbox.js';
import type { LeftJoined, Pool, Tx } from '../db/pool.js';
import { asService } from '../db/transaction.js';
import { nodesOf, reachOf, type Reach } from '../fleet/gateways.js';
import { recordset } from '../db/recordset.js';
import { deviceKey } from '../db/keys.js';

/** What the sender needs to know of an installation to bring its process up to date. */
export interface ProcessView {
  installation: Installation;
  started: boolean;
  reach: Reach | undefined;
  /** The other installation that executes on the device. */
  executing: string | null;
  /** As people named them: what the Temporal UI shows beside ids. */
  names: { device: string; firmware: string };
}

interface ProcessRow extends InstallationRow {
  device_name: string;
  firmware_name: string;
  process_started_at: Date | null;
  other: string | null;
}

/** By installation id; absent where the row is gone. Looked up by key, as in device-aggregate.ts. */
export async function readProcesses(
  tx: Tx,
  subjects: readonly { tenantId: string; subject: string }[],
): Promise<Map<string, ProcessView>> {
  if (subjects.length === 0) return new Map();
  const { rows } = await tx.query<ProcessRow>(
    `SELECT ${COLUMNS}, i.process_started_at, d.name AS device_name, f.name AS firmware_name,
       (SELECT x.id FROM installations x WHERE x.tenant_id = i.tenant_id AND x.device_id = i.device_id AND x.executing AND x.id <> i.id) AS other
     FROM jsonb_to_recordset($1::jsonb) AS k(tenant_id text, id uuid)
     CROSS JOIN LATERAL (SELECT * FROM installations x WHERE x.tenant_id = k.tenant_id AND x.id = k.id LIMIT 1) AS i
     CROSS JOIN LATERAL (SELECT x.version, x.name FROM firmwares x WHERE x.tenant_id = i.tenant_id AND x.id = i.firmware_id LIMIT 1) AS f
     CROSS JOIN LATERAL (SELECT x.name FROM devices x WHERE x.tenant_id = i.tenant_id AND x.id = i.device_id LIMIT 1) AS d`,
    [JSON.stringify(subjects.map((one) => ({ tenant_id: one.tenantId, id: one.subject })))],
  );
  const reach = await reachOf(
    tx,
    rows.map((row) => ({ tenantId: row.tenant_id, deviceId: row.device_id })),
  );
  return new Map(
    rows.map((row) => [
      row.id,
      {
        installation: toInstallation(row),
        started: row.process_started_at !== null,
        reach: reach.get(deviceKey(row.tenant_id, row.device_id)),
        executing: row.other,
        names: { device: row.device_name, firmware: row.firmware_name },
      },
    ]),
  );
}

/**
 * Remembers that the engine has a process for each of these; the first time stays. One whose row another transaction
 * holds is passed over: it would hold up the whole round.
 * @returns the ids of those.
 */
export async function markProcessesStarted(
  tx: Tx,
  started: readonly { tenantId: string; subject: string }[],
): Promise<Set<string>> {
  if (started.length === 0) return new Set();
  const keys = JSON.stringify(started.map((one) => ({ tenant_id: one.tenantId, id: one.subject })));
  const of = `${recordset('$1', 'tenant_id text, id uuid')} AS k
     JOIN installations x ON x.tenant_id = k.tenant_id AND x.id = k.id WHERE x.process_started_at IS NULL`;
  await tx.query(
    `UPDATE installations i SET process_started_at = now()
     FROM (SELECT x.tenant_id, x.id FROM ${of} ORDER BY 1, 2 FOR NO KEY UPDATE OF x SKIP LOCKED) AS free
     WHERE i.tenant_id = free.tenant_id AND i.id = free.id`,
    [keys],
  );
  const { rows } = await tx.query<{ id: string }>(`SELECT x.id FROM ${of}`, [keys]);
  return new Set(rows.map((row) => row.id));
}

/**
 * A process that was started: how long its first step counts as on its way, where its row does not show it: no worker
 * may be there, or its time is yet to come.
 */
const FIRST_STEP_MS = 5_000;
const FIRST_STEP_OF_LATER_MS = 1_000;

/** Which of these have not taken their first step since they were started. */
export async function readUnstarted(
  pool: Pool,
  started: readonly { tenantId: string; subject: string }[],
): Promise<Set<string>> {
  if (started.length === 0) return new Set();
  return asService(pool, async (tx) => {
    const { rows } = await tx.query<{ id: string }>(
      `SELECT i.id FROM jsonb_to_recordset($1::jsonb) AS k(tenant_id text, id uuid)
       CROSS JOIN LATERAL (SELECT * FROM installations x WHERE x.tenant_id = k.tenant_id AND x.id = k.id LIMIT 1) AS i
       WHERE i.state = 'scheduled' AND i.process_started_at > now() - interval '1 millisecond'
         * CASE WHEN coalesce(i.retry_at, i.not_before) > now() THEN ${FIRST_STEP_OF_LATER_MS} ELSE ${FIRST_STEP_MS}
           END AND i.process_started_at <= clock_timestamp()`,
      [JSON.stringify(started.map((one) => ({ tenant_id: one.tenantId, id: one.subject })))],
    );
    return new Set(rows.map((row) => row.id));
  });
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
  /** Where the device's connection is; undefined where no device in its chain has a credential. */
  node: string | undefined;
  /** Under which nodes the broker may retain a document, and with which revision. */
  published: readonly { node: string; revision: number | null }[];
  /** `cmd hello` is due. */
  wantsHello: boolean;
}

type SlotToSendRow = {
  k_tenant: string;
  k_device: string;
  k_slot: string;
  /** null = the broker retains nothing of it. */
  published: { node: string; revision: number | null }[] | null;
  /** null = there is no such device. */
  wants_hello: boolean | null;
  aliases: string[];
} & LeftJoined<ExecutingRow>;

/** With the firmware that it is about: a foreign key says that there is one. */
interface ExecutingRow extends InstallationRow {
  f_name: string;
  f_size: string | null;
  f_content_type: string;
}

/** Reads what the slots should show; in one transaction, so that a document and its nodes belong together. */
export async function readSlots(
  tx: Tx,
  slots: readonly { tenantId: string; subject: string; detail: string }[],
): Promise<Map<string, SlotView>> {
  const { rows } = await tx.query<SlotToSendRow>(
    `SELECT k.tenant_id AS k_tenant, k.device_id AS k_device, k.slot AS k_slot,
       (SELECT jsonb_agg(jsonb_build_object('node', p.node, 'revision', p.revision)) FROM published_documents p
        WHERE p.tenant_id = k.tenant_id AND p.device_id = k.device_id AND p.slot = k.slot) AS published,
       d.hello_wanted_at IS NOT NULL AND (d.hello_at IS NULL OR d.hello_at < d.hello_wanted_at) AS wants_hello,
       ARRAY(SELECT alias FROM device_aliases a WHERE a.tenant_id = k.tenant_id AND a.device_id = k.device_id ORDER BY alias) AS aliases,
       ${COLUMNS}, f.name AS f_name, f.size AS f_size, f.content_type AS f_content_type
     FROM jsonb_to_recordset($1::jsonb) AS k(tenant_id text, device_id uuid, slot text)
     LEFT JOIN LATERAL (SELECT * FROM devices x WHERE x.tenant_id = k.tenant_id AND x.id = k.device_id LIMIT 1) AS d ON true
     LEFT JOIN LATERAL (SELECT * FROM installations x WHERE x.tenant_id = k.tenant_id AND x.device_id = k.device_id AND x.slot = k.slot AND x.executing LIMIT 1) AS i ON true
     LEFT JOIN LATERAL (SELECT * FROM firmwares x WHERE x.tenant_id = i.tenant_id AND x.id = i.firmware_id LIMIT 1) AS f ON true`,
    [JSON.stringify(slots.map((one) => ({ tenant_id: one.tenantId, device_id: one.subject, slot: one.detail })))],
  );
  const nodes = await nodesOf(
    tx,
    rows.map((row) => ({ tenantId: row.k_tenant, deviceId: row.k_device })),
  );
  return new Map(
    rows.map((row): [string, SlotView] => [
      slotKey(row.k_tenant, row.k_device, row.k_slot),
      {
        tenantId: row.k_tenant,
        deviceId: row.k_device,
        slot: row.k_slot,
        installation: row.id === null ? undefined : toInstallation(row),
        firmware:
          row.id === null
            ? undefined
            : { id: row.firmware_id, name: row.f_name, size: Number(row.f_size), contentType: row.f_content_type },
        aliases: row.aliases,
        node: nodes.get(deviceKey(row.k_tenant, row.k_device)),
        published: row.published ?? [],
        wantsHello: row.wants_hello === true,
      },
    ]),
  );
}

/** Key of the map that `readSlots` answers. Ids and slots have no `/` in them. */
export function slotKey(tenantId: string, deviceId: string, slot: string): string {
  return `${tenantId}/${deviceId}/${slot}`;
}

/**
 * The reconciler's look at the processes: what is overdue, or has not begun, although a process should have acted (it
 * vanished, or its start was lost) is marked, and the sender starts it again under its id. @returns how many were
 * marked.
 */
export async function markOverdueInstallations(
  pool: Pool,
  graceMs: number,
  limit: number,
  fence?: Fence,
): Promise<number> {
  return asService(pool, async (tx) => {
    if (fence) await assertLease(tx, fence);
    const { rows } = await tx.query<{ tenant_id: string; id: string; is_start: boolean }>(
      `SELECT tenant_id, id, process_started_at IS NULL AS is_start FROM installations
       WHERE ended_at IS NULL AND due_at < now() - $1 * interval '1 millisecond'
       UNION ALL
       SELECT tenant_id, id, process_started_at IS NULL FROM installations
       WHERE ended_at IS NULL AND due_at IS NULL AND state = 'scheduled' AND state_since < now() - $1 * interval '1 millisecond'
       LIMIT $2`,
      [graceMs, limit],
    );
    await mark(
      tx,
      rows.map((row): Mark => ({
        receiver: 'workflow',
        tenantId: row.tenant_id,
        subject: row.id,
        isStart: row.is_start,
      })),
    );
    return rows.length;
  });
}
