import { between, type Between } from '../db/times.js';
import type { Origin, PendingTarget, SlotFacts } from '../../domain/fleet/device-now.js';
import { reporterOf } from '../../domain/fleet/reporter.js';
import type { TimelineEntry } from '../../domain/fleet/timeline.js';
import { readInstallation } from './views.js';
import { totalOf } from '../db/count.js';
import type { KeysetRequest, Page } from '../db/page.js';
import type { LeftJoined, Tx } from '../db/pool.js';
import { readDeviceSlots, type DeviceSlot } from '../fleet/slots.js';
import { cursorAfter, parseEntryCursor } from '../db/cursors.js';

type TimelineRow = {
  entry: string;
  at: Date;
  event: string;
  data: Record<string, unknown>;
  installation_id: string | null;
  slot: string | null;
  content: string | null;
} & LeftJoined<{ rollout_id: string; rollout_name: string }>;

/** What happened to a device, newest first, answered by one index at any depth. */
export async function readTimeline(
  tx: Tx,
  tenantId: string,
  deviceId: string,
  { pageSize, cursor, ...times }: KeysetRequest & Between,
): Promise<Page<TimelineEntry>> {
  const values: unknown[] = [tenantId, deviceId];
  const where = ['h.tenant_id = $1', 'h.device_id = $2', ...between('h.at', times, values)];
  const counted = { from: 'history h', where: [...where], values: [...values] };
  if (cursor !== undefined) where.push(`h.entry < $${values.push(parseEntryCursor(cursor) ?? 0)}`);
  values.push(pageSize + 1);
  const { rows } = await tx.query<TimelineRow>(
    `SELECT h.entry, h.at, h.event, h.data, h.installation_id, i.slot, coalesce(f.version, f.name) AS content,
      r.id AS rollout_id, r.name AS rollout_name
     FROM history h
     LEFT JOIN installations i ON i.tenant_id = h.tenant_id AND i.id = h.installation_id
     LEFT JOIN firmwares f ON f.tenant_id = i.tenant_id AND f.id = i.firmware_id
     LEFT JOIN rollouts r ON r.tenant_id = h.tenant_id AND r.id = coalesce(h.rollout_id, i.rollout_id)
     WHERE ${where.join(' AND ')} ORDER BY h.entry DESC LIMIT $${values.length}`,
    values,
  );
  const items = rows.slice(0, pageSize).map((row): TimelineEntry => ({
    at: row.at.getTime(),
    event: row.event,
    data: row.data,
    installationId: row.installation_id,
    slot: row.slot,
    content: row.content,
    rollout: row.rollout_id === null ? null : { id: row.rollout_id, name: row.rollout_name },
    deviceId: deviceId.toLowerCase(),
  }));
  return {
    items,
    nextCursor: cursorAfter(rows, pageSize, (row) => row.entry),
    total: await totalOf(tx, counted, { read: rows.length, offset: cursor === undefined ? 0 : undefined, pageSize }),
  };
}

/** Where each slot of a device stands, by name. */
export async function readDeviceNow(tx: Tx, tenantId: string, deviceId: string): Promise<SlotFacts[]> {
  const slots = await readDeviceSlots(tx, tenantId, deviceId);
  const origins = await readOrigins(
    tx,
    tenantId,
    slots.flatMap(({ current, desired }) =>
      [current?.installationId, desired?.installationId].filter((id) => id !== undefined),
    ),
  );
  const pending = await readPending(tx, tenantId, deviceId);
  const names = [...new Set([...slots.map((one) => one.slot), ...pending.keys()])].sort();
  const facts: SlotFacts[] = [];
  for (const slot of names) {
    const found = slots.find((one) => one.slot === slot);
    facts.push({
      slot,
      current: currentOf(found, origins, deviceId),
      desired: await desiredOf(tx, tenantId, deviceId, found, origins),
      queued: found?.queued ?? 0,
      pending: pending.get(slot) ?? [],
    });
  }
  return facts;
}

function currentOf(
  slot: DeviceSlot | undefined,
  origins: ReadonlyMap<string, Origin>,
  deviceId: string,
): SlotFacts['current'] {
  if (!slot?.current) return null;
  const { version, sha256, confirmed, reportedAt, reportedBy, installationId } = slot.current;
  return {
    version,
    sha256,
    confirmed,
    reportedAt: reportedAt ?? null,
    ...(reportedBy !== undefined && { reporter: reporterOf(reportedBy, deviceId) }),
    origin: (installationId === undefined ? undefined : origins.get(installationId)) ?? null,
  };
}

async function desiredOf(
  tx: Tx,
  tenantId: string,
  deviceId: string,
  slot: DeviceSlot | undefined,
  origins: ReadonlyMap<string, Origin>,
): Promise<SlotFacts['desired']> {
  const origin = slot?.desired ? origins.get(slot.desired.installationId) : undefined;
  if (!slot?.desired || !origin) return null;
  const installation = await readInstallation(tx, tenantId, deviceId, slot.desired.installationId);
  return { content: slot.desired.version ?? slot.desired.name, origin, waitingOn: installation?.waitingOn ?? null };
}

async function readOrigins(tx: Tx, tenantId: string, installationIds: readonly string[]): Promise<Map<string, Origin>> {
  const { rows } = await tx.query<{
    id: string;
    requested_by: string;
    requested_at: Date;
    rollout: string | null;
    group_name: string | null;
  }>(
    `SELECT i.id, i.requested_by, i.requested_at, r.name AS rollout, g.name AS group_name
     FROM installations i
     LEFT JOIN rollouts r ON r.tenant_id = i.tenant_id AND r.id = i.rollout_id
     LEFT JOIN rollout_targets t ON t.tenant_id = i.tenant_id AND t.rollout_id = i.rollout_id
       AND t.device_id = i.device_id
     LEFT JOIN rollout_groups g ON g.tenant_id = t.tenant_id AND g.rollout_id = t.rollout_id
       AND g.position = t.group_position
     WHERE i.tenant_id = $1 AND i.id = ANY($2::uuid[])`,
    [tenantId, installationIds],
  );
  return new Map(
    rows.map((row) => [
      row.id,
      {
        requestedBy: row.requested_by,
        requestedAt: row.requested_at.getTime(),
        rollout: row.rollout,
        group: row.group_name,
      },
    ]),
  );
}

/** Rollouts that have not come to this device yet, by the slot that they are about. */
async function readPending(tx: Tx, tenantId: string, deviceId: string): Promise<Map<string, PendingTarget[]>> {
  const { rows } = await tx.query<{
    slot: string;
    content: string;
    rollout: string;
    waiting_on: string | null;
    group_name: string | null;
    opened: boolean;
    admissible: boolean;
    retry_at: Date | null;
    because: string | null;
  }>(
    `SELECT step.value->>'slot' AS slot, coalesce(f.version, f.name) AS content, r.name AS rollout, r.waiting_on,
      g.name AS group_name, g.opened_at IS NOT NULL AS opened, t.admissible,
       CASE WHEN t.ready_at > now() THEN t.ready_at END AS retry_at, t.because
     FROM rollout_targets t
     JOIN rollouts r ON r.tenant_id = t.tenant_id AND r.id = t.rollout_id
     CROSS JOIN LATERAL jsonb_array_elements(r.plan->'steps') AS step(value)
     JOIN firmwares f ON f.tenant_id = t.tenant_id AND f.id = (step.value->>'firmwareId')::uuid
     LEFT JOIN rollout_groups g ON g.tenant_id = t.tenant_id AND g.rollout_id = t.rollout_id
       AND g.position = t.group_position
     WHERE t.tenant_id = $1 AND t.device_id = $2 AND t.state = 'pending'
       AND r.start_requested_at IS NOT NULL
     ORDER BY r.created_at, r.id LIMIT 100`,
    [tenantId, deviceId],
  );
  const bySlot = new Map<string, PendingTarget[]>();
  for (const row of rows) {
    // Before its process has looked, a rollout's row says nothing.
    const target = {
      rollout: row.rollout,
      content: row.content,
      group: row.group_name,
      groupOpened: row.opened,
      online: row.admissible,
      retryAt: row.retry_at?.getTime() ?? null,
      because: row.because,
      waitingOn: row.waiting_on ?? 'Waiting for its process to start.',
    };
    bySlot.set(row.slot, [...(bySlot.get(row.slot) ?? []), target]);
  }
  return bySlot;
}
