import { defined } from '../../domain/defined.js';
import type { InstallationEvent } from '../../domain/installation/events.js';
import type { Tx } from '../db/pool.js';
import { markDocumentsOf, wakeSender } from '../outbox/outbox.js';
import { record, type Recorded, type Reporter } from '../record.js';

/** One report about one installation, by an operator, a device over HTTP, or its process. */
export async function report(
  tx: Tx,
  tenantId: string,
  about: { deviceId: string; installationId: string; event: InstallationEvent; by: Reporter },
  now: number,
): Promise<Recorded> {
  const [answer] = await record(
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
  const recorded = defined(answer, 'each report is answered');
  if (recorded.outcome === 'applied') await wakeSender(tx);
  return recorded;
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
    { reason: 'the device was deleted', as: 'canceled' },
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
    { reason, as: 'canceled' },
    now,
  );
}

/** Asks for the end of installations, for the service; the sender is woken, as soon as this is committed. */
export async function cancelAll(
  tx: Tx,
  tenantId: string,
  targets: readonly { deviceId: string; installationId: string }[],
  how: { reason: string; as: 'canceled' | 'superseded' },
  now: number,
): Promise<void> {
  if (targets.length === 0) return;
  await recordByService(tx, tenantId, targets, { type: 'cancel', ...how }, now);
  await wakeSender(tx);
}

/** The same event for several installations, from the service itself. */
export async function recordByService(
  tx: Tx,
  tenantId: string,
  targets: readonly { deviceId: string; installationId: string }[],
  event: InstallationEvent,
  now: number,
): Promise<void> {
  const from = { kind: 'service' as const };
  await record(
    tx,
    targets.map((one) => ({ tenantId, ...one, from, kind: 'event' as const, event })),
    now,
  );
}
