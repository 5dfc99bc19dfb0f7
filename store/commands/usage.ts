import type { Firmware } from '../../domain/artifact/firmware.js';
import type { Phase } from '../../domain/rollout/phase.js';
import type { Page, PageRequest } from '../db/page.js';
import { oneRow } from '../db/one-row.js';
import type { Tx } from '../db/pool.js';
import { readPage } from '../db/read-page.js';
import { TARGET_COLUMNS, TARGET_FROM, toTarget, type TargetListRow } from '../rollouts/lists.js';
import type { TargetView } from '../rollouts/view.js';

/** So many of each kind are in the answer; there may be more, and its total says so. */
const NAMED = 100;

/** A rollout by its name. `createdAt`: RFC 3339. */
export interface NamedRollout {
  readonly id: string;
  readonly name: string;
  readonly phase: Phase;
  readonly createdAt: string;
}

/** Where a firmware is used: associations by type and slot, rollouts newest first, up to 100 of each. */
export interface FirmwareUsage {
  readonly associations: readonly { id: string; deviceTypeId: string; deviceType: string; slot: string }[];
  readonly associationsTotal: number;
  readonly rollouts: readonly NamedRollout[];
  readonly rolloutsTotal: number;
  /** How many devices said that a slot holds this content. */
  readonly slots: readonly { slot: string; devices: number }[];
  readonly openInstallations: number;
}

interface RolloutRow {
  id: string;
  name: string;
  /** @narrowed derivePhase wrote it */
  phase: Phase;
  created_at: Date;
}

/** Slots are counted over the whole fleet, as there is no index of digests. */
export async function readFirmwareUsage(
  tx: Tx,
  tenantId: string,
  { id, content }: Pick<Firmware, 'id' | 'content'>,
): Promise<FirmwareUsage> {
  const associations = await tx.query<{ id: string; device_type_id: string; name: string; slot: string }>(
    `SELECT a.id, a.device_type_id, t.name, a.slot FROM firmware_associations a
       JOIN device_types t ON t.tenant_id = a.tenant_id AND t.id = a.device_type_id
     WHERE a.tenant_id = $1 AND a.firmware_id = $2 ORDER BY t.name, a.slot, a.id LIMIT ${NAMED}`,
    [tenantId, id],
  );
  const rollouts = await tx.query<RolloutRow>(
    `SELECT r.id, r.name, r.phase, r.created_at FROM rollout_firmwares u
       JOIN rollouts r ON r.tenant_id = u.tenant_id AND r.id = u.rollout_id
     WHERE u.tenant_id = $1 AND u.firmware_id = $2 ORDER BY r.created_at DESC, r.id DESC LIMIT ${NAMED}`,
    [tenantId, id],
  );
  const slots = await tx.query<{ slot: string; devices: string }>(
    `SELECT slot, count(*) AS devices FROM device_slots WHERE tenant_id = $1 AND sha256 = $2 GROUP BY slot
     ORDER BY slot`,
    [tenantId, content?.sha256 ?? null],
  );
  const counted = await tx.query<{ associations: string; rollouts: string; open: string }>(
    `SELECT (SELECT count(*) FROM firmware_associations WHERE tenant_id = $1 AND firmware_id = $2) AS associations,
       (SELECT count(*) FROM rollout_firmwares WHERE tenant_id = $1 AND firmware_id = $2) AS rollouts,
       (SELECT count(*) FROM installations WHERE tenant_id = $1 AND firmware_id = $2 AND ended_at IS NULL) AS open`,
    [tenantId, id],
  );
  const totals = oneRow(counted.rows, 'the totals of a firmware');
  return {
    associations: associations.rows.map(({ device_type_id, name, ...one }) => ({
      id: one.id,
      deviceTypeId: device_type_id,
      deviceType: name,
      slot: one.slot,
    })),
    associationsTotal: Number(totals.associations),
    rollouts: rollouts.rows.map(named),
    rolloutsTotal: Number(totals.rollouts),
    slots: slots.rows.map(({ slot, devices }) => ({ slot, devices: Number(devices) })),
    openInstallations: Number(totals.open),
  };
}

/** The rollouts that a device is a target of, newest first. */
export function listRolloutsOfDevice(
  tx: Tx,
  tenantId: string,
  deviceId: string,
  page: PageRequest,
): Promise<Page<NamedRollout & { readonly target: TargetView }>> {
  return readPage<RolloutRow & TargetListRow, NamedRollout & { readonly target: TargetView }>(
    tx,
    {
      columns: `r.id, r.name, r.phase, r.created_at, ${TARGET_COLUMNS}`,
      from: `${TARGET_FROM} JOIN rollouts r ON r.tenant_id = t.tenant_id AND r.id = t.rollout_id`,
      where: ['t.tenant_id = $1', 't.device_id = $2'],
      values: [tenantId, deviceId],
      sorts: { createdAt: { sql: 'r.created_at', type: 'timestamptz' } },
      time: 'createdAt',
      id: 'r.id',
    },
    page,
    (row) => ({ ...named(row), target: toTarget(row) }),
  );
}

function named({ id, name, phase, created_at }: RolloutRow): NamedRollout {
  return { id, name, phase, createdAt: created_at.toISOString() };
}
