import { defined } from '../../domain/defined.js';
import { DomainError } from '../../domain/errors.js';
import { slotNow } from '../../domain/installation/device-aggregate.js';
import type { Installation } from '../../domain/installation/installation.js';
import {
  concludedInstallation,
  newInstallation,
  type InstallationRequest,
} from '../../domain/installation/new-installation.js';
import type { Policy } from '../../domain/installation/policy.js';
import { holdsAlready, type SlotNow } from '../../domain/installation/slot-now.js';
import { conflictOf, judgeVersions } from '../../domain/rollout/admission.js';
import { writeHistory } from '../history/history.js';
import { newId } from '../db/ids.js';
import { readInstallation, type InstallationView } from '../installations/views.js';
import { mark, wakeSender } from '../outbox/outbox.js';
import type { Tx } from '../db/pool.js';
import { loadAggregates } from '../installations/device-aggregate.js';
import { insertInstallations } from '../installations/rows.js';
import { deviceKey } from '../db/keys.js';
import { cancelAll } from './report.js';

export { report } from './report.js';
export {
  readInstallation,
  readInstallationFacet,
  listOfDevice,
  listInstallations,
  type InstallationView,
} from '../installations/views.js';

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
 * FIRMWARE_INSTALLATION_CONFLICT; where its policy does not allow downgrades, FIRMWARE_CONTENT_NEWER and
 * FIRMWARE_NOT_COMPARABLE
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
  const firmware = await installableFirmware(tx, tenantId, request);
  const slot = slotNow(loaded.aggregate, request.slot);
  if (!holdsAlready(slot, firmware.sha256)) refuseDowngrade(slot.version, firmware.version, request);
  await resolveConflict(tx, tenantId, request, slot, now);
  const installation = requested(tenantId, request, firmware, slot, now);
  await insertInstallations(tx, [{ installation, requestedBy: request.requestedBy, retryOf: request.retryOf ?? null }]);
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
  return defined(
    await readInstallation(tx, tenantId, request.deviceId, installation.id),
    'the installation was written in this transaction',
  );
}

/** Content that the slot already holds concludes at once, if nothing is open that would change the slot before. */
function requested(
  tenantId: string,
  request: NewInstallation,
  firmware: { sha256: string; version: string | null },
  slot: SlotNow,
  now: number,
): Installation {
  const what: InstallationRequest = {
    tenantId,
    id: newId(),
    deviceId: request.deviceId,
    firmwareId: request.firmwareId,
    ...firmware,
    slot: request.slot,
    rolloutId: null,
    policy: request.policy,
    priority: request.priority,
    gate: request.gate,
    notBefore: request.notBefore ?? null,
    deadline: request.deadline ?? null,
  };
  return holdsAlready(slot, firmware.sha256) && (request.notBefore ?? now) <= now
    ? concludedInstallation(what, now)
    : newInstallation(what, now);
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
    `SELECT f.state, f.sha256, f.version, f.name, t.id AS type, t.name AS type_name, t.slots ? $4 AS has_slot,
      a.id IS NOT NULL AS associated
     FROM firmwares f
     JOIN devices d ON d.tenant_id = f.tenant_id AND d.id = $3
     JOIN device_types t ON t.tenant_id = d.tenant_id AND t.id = d.device_type_id
     LEFT JOIN firmware_associations a ON a.tenant_id = f.tenant_id AND a.device_type_id = t.id AND a.slot = $4
       AND a.firmware_id = f.id
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

/** As a rollout would, with the same sentence. What is not decided here is decided at the turn. */
function refuseDowngrade(held: string | null, next: string | null, { policy }: NewInstallation): void {
  if (policy.rules?.allowDowngrade !== false) return;
  const refused = judgeVersions(held, next);
  if (refused)
    throw new DomainError(
      refused.code === 'NOT_COMPARABLE' ? 'FIRMWARE_NOT_COMPARABLE' : 'FIRMWARE_CONTENT_NEWER',
      refused.because,
      { held, wanted: next },
    );
}

/** What `onConflict` says about what is open on the same slot already. */
async function resolveConflict(
  tx: Tx,
  tenantId: string,
  request: NewInstallation,
  slot: SlotNow,
  now: number,
): Promise<void> {
  switch (conflictOf(slot, request.onConflict)) {
    case undefined:
    case 'queue':
      return;
    case 'reject':
      throw new DomainError(
        'FIRMWARE_INSTALLATION_CONFLICT',
        `installation ${slot.open[0]} is open on slot "${request.slot}"; wait for it, cancel it, or ask with onConflict "queue" or "supersede"`,
        { installations: [...slot.open] },
      );
    case 'supersede':
      await cancelAll(
        tx,
        tenantId,
        slot.open.map((installationId) => ({ deviceId: request.deviceId, installationId })),
        { reason: 'superseded by a newer installation', as: 'superseded' },
        now,
      );
  }
}

function noAccess(what: string, id: string): DomainError {
  return new DomainError(
    'FIRMWARE_NO_ACCESS_TO_RESOURCE',
    `${what} ${id} does not exist, or belongs to another tenant`,
  );
}
