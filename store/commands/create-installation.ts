import { DomainError } from '../../domain/errors.js';
import { dueAt } from '../../domain/installation/deadlines.js';
import type { InstallationEvent } from '../../domain/installation/events.js';
import type { Installation } from '../../domain/installation/installation.js';
import type { Policy } from '../../domain/installation/policy.js';
import type { DeviceAggregate } from '../../domain/installation/device-aggregate.js';
import { writeHistory } from '../history/history.js';
import { newId } from '../db/ids.js';
import { readInstallation, type InstallationView } from '../installations/views.js';
import { mark, markDocumentsOf, wakeSender } from '../outbox/outbox.js';
import type { Tx } from '../db/pool.js';
import { record, type Recorded, type Reporter } from '../record.js';
import { loadAggregates } from '../installations/device-aggregate.js';
import { iso } from '../db/times.js';
import { deviceKey } from '../db/keys.js';

export { readInstallation, listOfDevice, listInstallations, type InstallationView } from '../installations/views.js';

/** What an operator asks for. Times are epoch milliseconds. */
export interface NewInstallation {
  deviceId: string;
  firmwareId: string;
  slot: string;
  requestedBy: string;
  notBefore?: number;
  deadline?: number;
  priority: number;
  policy: Policy;
  gate: 'go' | 'hold';
  /** With what is open on the same slot: refuse this request, wait behind it, or cancel it. */
  onConflict: 'reject' | 'queue' | 'supersede';
  retryOf?: string;
}

/**
 * Requests an installation: one row, its first history entry, and a mark that starts its process.
 * @throws DomainError FIRMWARE_NO_ACCESS_TO_RESOURCE, FIRMWARE_BLOB_MISSING, FIRMWARE_NOT_ASSOCIATED,
 * FIRMWARE_INSTALLATION_CONFLICT
 */
export async function createInstallation(
  tx: Tx,
  tenantId: string,
  request: NewInstallation,
  now: number,
): Promise<InstallationView> {
  const loaded = (await loadAggregates(tx, [{ tenantId, deviceId: request.deviceId, installationIds: [] }])).get(
    deviceKey(tenantId, request.deviceId),
  );
  if (!loaded) throw noAccess('device', request.deviceId);
  const { sha256, version } = await installableFirmware(tx, tenantId, request);
  await resolveConflict(tx, tenantId, request, loaded.aggregate, now);
  const installation = requested(tenantId, request, sha256, version, loaded.aggregate, now);
  await insert(tx, installation, request);
  await writeHistory(tx, [
    {
      tenantId,
      deviceId: request.deviceId,
      installationId: installation.id,
      at: now,
      event: 'requested',
      data: {
        by: `operator:${request.requestedBy}`,
        slot: request.slot,
        firmwareId: request.firmwareId,
        ...(request.retryOf ? { retryOf: request.retryOf } : {}),
      },
    },
    ...(installation.endedAt === null
      ? []
      : [
          {
            tenantId,
            deviceId: request.deviceId,
            installationId: installation.id,
            at: now,
            event: installation.state,
            data: { by: 'process', alreadyInstalled: true },
          },
        ]),
  ]);
  if (installation.endedAt === null) {
    await mark(tx, [{ receiver: 'workflow', tenantId, subject: installation.id, isStart: true }]);
    await wakeSender(tx);
  }
  return (await readInstallation(tx, tenantId, request.deviceId, installation.id))!;
}

/** Content that the slot already holds concludes at once, if nothing is open that would change the slot before. */
function requested(
  tenantId: string,
  request: NewInstallation,
  sha256: string,
  version: string | null,
  aggregate: DeviceAggregate,
  now: number,
): Installation {
  const slot = aggregate.slots[request.slot];
  const open = Object.values(aggregate.installations).some((one) => one.slot === request.slot && one.endedAt === null);
  const held = slot?.sha256 === sha256 && slot.confirmed && !open && (request.notBefore ?? now) <= now;
  const installation: Installation = {
    tenantId,
    id: newId(),
    deviceId: request.deviceId,
    firmwareId: request.firmwareId,
    rolloutId: null,
    slot: request.slot,
    state: held ? 'installed' : 'scheduled',
    executing: false,
    attempt: 1,
    lastSeq: 0,
    revision: null,
    gate: request.gate,
    priority: request.priority,
    policy: request.policy,
    sha256,
    version,
    priorSha256: null,
    notBefore: request.notBefore ?? null,
    deadline: request.deadline ?? null,
    retryAt: null,
    dueAt: null,
    requestedAt: now,
    stateSince: now,
    startedAt: null,
    completedAt: held ? now : null,
    rejectedAt: null,
    rejectReason: null,
    endedAt: held ? now : null,
    progress: null,
    error: null,
    cancel: null,
    deferral: null,
    helloAskedAt: null,
    alreadyInstalled: held,
  };
  return held ? installation : { ...installation, dueAt: dueAt(installation) };
}

/** The firmware's row is locked against deletion for as long as this transaction lasts. */
async function installableFirmware(
  tx: Tx,
  tenantId: string,
  request: NewInstallation,
): Promise<{ sha256: string; version: string | null }> {
  const { rows } = await tx.query<{
    state: string;
    sha256: string | null;
    version: string | null;
    name: string;
    type: string;
    type_name: string;
    has_slot: boolean;
    associated: boolean;
  }>(
    `SELECT f.state, f.sha256, f.version, f.name, t.id AS type, t.name AS type_name, t.slots ? $4 AS has_slot, a.id IS NOT NULL AS associated
     FROM firmwares f
     JOIN devices d ON d.tenant_id = f.tenant_id AND d.id = $3
     JOIN device_types t ON t.tenant_id = d.tenant_id AND t.id = d.device_type_id
     LEFT JOIN firmware_associations a ON a.tenant_id = f.tenant_id AND a.device_type_id = t.id AND a.slot = $4 AND a.firmware_id = f.id
     WHERE f.tenant_id = $1 AND f.id = $2 AND f.state <> 'retired' FOR KEY SHARE OF f`,
    [tenantId, request.firmwareId, request.deviceId, request.slot],
  );
  const firmware = rows[0];
  if (!firmware) throw noAccess('firmware', request.firmwareId);
  if (!firmware.associated) {
    throw new DomainError(
      'FIRMWARE_NOT_ASSOCIATED',
      firmware.has_slot
        ? `firmware "${firmware.name}" is not associated with slot "${request.slot}" of device type "${firmware.type_name}"; associate it first with POST /v1/device-types/${firmware.type}/slots/${request.slot}/firmware-associations {"firmwareId": "${request.firmwareId}"}`
        : `device type "${firmware.type_name}" has no slot "${request.slot}"; add it with PATCH /v1/device-types/${firmware.type}, then associate the firmware with it`,
    );
  }
  if (firmware.state !== 'ready' || firmware.sha256 === null) {
    throw new DomainError(
      'FIRMWARE_BLOB_MISSING',
      firmware.state === 'expired'
        ? `firmware "${firmware.name}" expired before a blob was attached; create a new one`
        : `firmware "${firmware.name}" has no blob; attach one with POST /v1/firmwares/${request.firmwareId}/blob`,
    );
  }
  return { sha256: firmware.sha256, version: firmware.version };
}

/** What `onConflict` says about what is open on the same slot already. */
async function resolveConflict(
  tx: Tx,
  tenantId: string,
  request: NewInstallation,
  aggregate: DeviceAggregate,
  now: number,
): Promise<void> {
  const open = Object.values(aggregate.installations).filter(
    (one) => one.slot === request.slot && one.endedAt === null,
  );
  if (open.length === 0 || request.onConflict === 'queue') return;
  if (request.onConflict === 'reject') {
    throw new DomainError(
      'FIRMWARE_INSTALLATION_CONFLICT',
      `installation ${open[0]!.id} is open on slot "${request.slot}"; wait for it, cancel it, or ask with onConflict "queue" or "supersede"`,
      { installations: open.map((one) => one.id) },
    );
  }
  await cancelAll(
    tx,
    tenantId,
    open.map((one) => ({ deviceId: one.deviceId, installationId: one.id })),
    'superseded by a newer installation',
    'superseded',
    now,
  );
}

async function insert(tx: Tx, i: Installation, request: NewInstallation): Promise<void> {
  await tx.query(
    `INSERT INTO installations (tenant_id, id, device_id, firmware_id, slot, state, gate, priority, policy, sha256, not_before, deadline, due_at,
       requested_at, requested_by, state_since, completed_at, ended_at, already_installed, retry_of)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $14, $16, $17, $18, $19)`,
    [
      i.tenantId,
      i.id,
      i.deviceId,
      i.firmwareId,
      i.slot,
      i.state,
      i.gate,
      i.priority,
      JSON.stringify(i.policy),
      i.sha256,
      iso(i.notBefore),
      iso(i.deadline),
      iso(i.dueAt),
      iso(i.requestedAt),
      request.requestedBy,
      iso(i.completedAt),
      iso(i.endedAt),
      i.alreadyInstalled,
      request.retryOf ?? null,
    ],
  );
}

/** One report about one installation, by an operator, a device over HTTP, or its process. */
export async function report(
  tx: Tx,
  tenantId: string,
  about: { deviceId: string; installationId: string; event: InstallationEvent; by: Reporter },
  now: number,
): Promise<Recorded> {
  const [recorded] = await record(
    tx,
    [
      {
        tenantId,
        deviceId: about.deviceId,
        from: about.by,
        kind: 'event',
        installationId: about.installationId,
        event: about.event,
      },
    ],
    now,
  );
  if (recorded!.outcome === 'applied') await wakeSender(tx);
  return recorded!;
}

/** Cancels what is open on a device, and has its documents cleared, before the device goes. */
export async function cancelAllOf(tx: Tx, tenantId: string, deviceId: string, now: number): Promise<void> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT id FROM installations WHERE tenant_id = $1 AND device_id = $2 AND ended_at IS NULL`,
    [tenantId, deviceId],
  );
  await cancelAll(
    tx,
    tenantId,
    rows.map((row) => ({ deviceId, installationId: row.id })),
    'the device was deleted',
    'canceled',
    now,
  );
  await markDocumentsOf(tx, tenantId, [deviceId]);
}

/** Cancels whatever still installs a firmware, before the firmware goes. */
export async function cancelOpenOfFirmware(
  tx: Tx,
  tenantId: string,
  firmwareId: string,
  reason: string,
  now: number,
): Promise<void> {
  const { rows } = await tx.query<{ id: string; device_id: string }>(
    `SELECT id, device_id FROM installations WHERE tenant_id = $1 AND firmware_id = $2 AND ended_at IS NULL`,
    [tenantId, firmwareId],
  );
  await cancelAll(
    tx,
    tenantId,
    rows.map((row) => ({ deviceId: row.device_id, installationId: row.id })),
    reason,
    'canceled',
    now,
  );
}

async function cancelAll(
  tx: Tx,
  tenantId: string,
  targets: readonly { deviceId: string; installationId: string }[],
  reason: string,
  as: 'canceled' | 'superseded',
  now: number,
): Promise<void> {
  if (targets.length === 0) return;
  await record(
    tx,
    targets.map((one) => ({
      tenantId,
      deviceId: one.deviceId,
      from: { kind: 'service' as const },
      kind: 'event' as const,
      installationId: one.installationId,
      event: { type: 'cancel' as const, reason, as },
    })),
    now,
  );
  await wakeSender(tx);
}

function noAccess(what: string, id: string): DomainError {
  return new DomainError('FIRMWARE_NO_ACCESS_TO_RESOURCE', `there is no ${what} ${id}, or it is not yours`);
}
