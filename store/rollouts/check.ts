import { oneRow } from '../db/one-row.js';
import { defined } from '../../domain/defined.js';
import { DomainError, type ErrorCode, type Fault } from '../../domain/errors.js';
import { groupSize } from '../../domain/rollout/group-size.js';
import { groupAt, type Plan } from '../../domain/rollout/plan.js';
import { sampleNeeded } from '../../domain/statistics/confidence.js';
import type { Tx } from '../db/pool.js';
import { filterCondition } from '../fleet/filter.js';

/**
 * What a plan claims about firmware and fleet, before anything is written. @returns its targets, by type.
 * @throws DomainError ROLLOUT_VALIDATION where it can never be, ROLLOUT_CONFLICT where it cannot be now; with a pointer
 * for each fault
 */
export async function checkAgainstFleet(tx: Tx, tenantId: string, plan: Plan): Promise<TypeCount[]> {
  refuse('ROLLOUT_VALIDATION', [
    ...(await unknownFirmware(tx, tenantId, plan)),
    ...(await unknownDevices(tx, tenantId, plan)),
  ]);
  const types = await targetTypes(tx, tenantId, plan);
  const targets = types.reduce((sum, one) => sum + one.count, 0);
  if (targets === 0 && !plan.targets.dynamic)
    refuse('ROLLOUT_VALIDATION', [
      { pointer: plan.targets.filter === null ? '/targets' : '/targets/filter', detail: 'matches no device' },
    ]);
  refuse('ROLLOUT_CONFLICT', await notInstallable(tx, tenantId, plan, types));
  refuse('ROLLOUT_VALIDATION', [
    ...(await leftOver(tx, tenantId, plan, targets)),
    ...(await tooSmall(tx, tenantId, plan, targets)),
  ]);
  return types;
}

function refuse(code: ErrorCode, faults: readonly Fault[]): void {
  if (faults.length === 0) return;
  throw new DomainError(
    code,
    faults
      .slice(0, 3)
      .map(({ pointer, detail }) => `${pointer} ${detail}`)
      .join('; '),
    { errors: faults.slice(0, 50) },
  );
}

async function unknownFirmware(tx: Tx, tenantId: string, plan: Plan): Promise<Fault[]> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT id FROM firmwares WHERE tenant_id = $1 AND id = ANY($2::uuid[]) AND state <> 'retired' ORDER BY id
      FOR KEY SHARE`,
    [tenantId, plan.steps.map((step) => step.firmwareId)],
  );
  const known = new Set(rows.map((row) => row.id));
  return plan.steps.flatMap((step, index) =>
    known.has(step.firmwareId)
      ? []
      : [
          {
            pointer: `/steps/${index}/firmwareId`,
            detail: `firmware ${step.firmwareId} does not exist, or belongs to another tenant`,
          },
        ],
  );
}

async function unknownDevices(tx: Tx, tenantId: string, { targets: { deviceIds } }: Plan): Promise<Fault[]> {
  if (deviceIds.length === 0) return [];
  const { rows } = await tx.query<{ position: number; id: string }>(
    `SELECT (position - 1)::integer AS position, k.id FROM unnest($2::uuid[]) WITH ORDINALITY AS k(id, position)
     WHERE NOT EXISTS (SELECT FROM devices d WHERE d.tenant_id = $1 AND d.id = k.id) ORDER BY position LIMIT 50`,
    [tenantId, deviceIds],
  );
  return rows.map((row) => ({
    pointer: `/targets/deviceIds/${row.position}`,
    detail: `device ${row.id} does not exist`,
  }));
}

/** How many targets of a plan are of one device type. */
export interface TypeCount {
  readonly id: string;
  readonly name: string;
  readonly count: number;
}

/** Devices that match, by type. */
export async function targetTypes(tx: Tx, tenantId: string, { targets }: Plan): Promise<TypeCount[]> {
  const values: unknown[] = [tenantId, targets.deviceIds];
  const matches =
    targets.filter === null
      ? 'd.id = ANY($2::uuid[])'
      : `(${filterCondition(targets.filter, values)} OR d.id = ANY($2::uuid[]))`;
  const { rows } = await tx.query<{ id: string; name: string; count: string }>(
    `SELECT t.id, t.name, n.count FROM (SELECT d.device_type_id, count(*) AS count FROM devices d
      WHERE d.tenant_id = $1 AND ${matches} GROUP BY 1) AS n
     JOIN device_types t ON t.tenant_id = $1 AND t.id = n.device_type_id ORDER BY t.name, t.id`,
    values,
  );
  return rows.map((row) => ({ ...row, count: Number(row.count) }));
}

async function notInstallable(tx: Tx, tenantId: string, plan: Plan, types: readonly TypeCount[]): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const [index, step] of plan.steps.entries()) {
    const pointer = `/steps/${index}/firmwareId`;
    const { rows } = await tx.query<{ state: string; name: string }>(
      `SELECT state, name FROM firmwares WHERE tenant_id = $1 AND id = $2`,
      [tenantId, step.firmwareId],
    );
    if (rows[0]?.state !== 'ready')
      faults.push({
        pointer,
        detail: `firmware "${rows[0]?.name}" has no blob; attach one with POST /v1/firmwares/${step.firmwareId}/blob`,
      });
    const associated = await tx.query<{ device_type_id: string }>(
      `SELECT device_type_id FROM firmware_associations WHERE tenant_id = $1 AND firmware_id = $2 AND slot = $3`,
      [tenantId, step.firmwareId, step.slot],
    );
    const known = new Set(associated.rows.map((row) => row.device_type_id));
    for (const type of types.filter((one) => !known.has(one.id))) {
      faults.push({
        pointer,
        detail: `is not associated with slot "${step.slot}" of device type "${type.name}", of which ${type.count} targets are; associate it with POST /v1/device-types/${type.id}/slots/${step.slot}/firmware-associations, or leave them out`,
      });
    }
  }
  return faults;
}

/** How many targets each group gets, of so many. */
export async function groupSizes(tx: Tx, tenantId: string, plan: Plan, targets: number): Promise<number[]> {
  const sizes: number[] = [];
  let left = targets;
  for (const group of plan.groups) {
    const wanted =
      group.filter === null ? groupSize(group, targets) : await countMatching(tx, tenantId, plan, [group.filter]);
    const size = Math.min(left, wanted ?? left);
    left -= size;
    sizes.push(size);
  }
  return sizes;
}

/** Groups of which none takes the rest hold all targets, or the plan is refused: a device belongs to exactly one. */
async function leftOver(tx: Tx, tenantId: string, plan: Plan, targets: number): Promise<Fault[]> {
  const last = defined(plan.groups.at(-1), 'a plan has at least one group');
  const sized = (['percent', 'count', 'filter'] as const).find((member) => last[member] !== null);
  if (sized === undefined || plan.targets.dynamic) return [];
  const filters = plan.groups.flatMap((group) => group.filter ?? []);
  const held =
    filters.length > 0
      ? await countMatching(tx, tenantId, plan, filters)
      : plan.groups.reduce((sum, group) => sum + (groupSize(group, targets) ?? 0), 0);
  if (held >= targets) return [];
  return [
    {
      pointer: `/groups/${plan.groups.length - 1}`,
      detail: `leaves ${targets - held} of ${targets} targets in no group; leave its ${sized} out, and it takes the rest`,
    },
  ];
}

/** "A group too small for its own gate is refused at creation, with the size that it would need." */
async function tooSmall(tx: Tx, tenantId: string, plan: Plan, targets: number): Promise<Fault[]> {
  const faults: Fault[] = [];
  const sizes = await groupSizes(tx, tenantId, plan, targets);
  for (const [index, group] of plan.groups.entries()) {
    const size = groupAt(sizes, index);
    const { gate } = group;
    const least = gate.minSample === 'all' ? 1 : gate.minSample;
    const needed =
      gate.confidence !== null && gate.maxFailureRate !== null
        ? Math.max(least, sampleNeeded(gate.maxFailureRate, gate.confidence))
        : least;
    if (size > 0 && size < needed) {
      const pointer = gate.confidence === null ? `/groups/${index}/gate/minSample` : `/groups/${index}/gate`;
      faults.push({
        pointer,
        detail: `cannot be met: group "${group.name}" has ${size} of ${targets} targets, and its gate needs ${needed === Infinity ? 'more than any fleet has' : `at least ${needed}`}; make the group larger, or the gate looser`,
      });
    }
  }
  return faults;
}

/** How many targets match any of these. */
async function countMatching(tx: Tx, tenantId: string, { targets }: Plan, filters: readonly string[]): Promise<number> {
  const values: unknown[] = [tenantId, targets.deviceIds];
  const group = `(${filters.map((filter) => filterCondition(filter, values)).join(' OR ')})`;
  const all =
    targets.filter === null
      ? 'd.id = ANY($2::uuid[])'
      : `(${filterCondition(targets.filter, values)} OR d.id = ANY($2::uuid[]))`;
  const { rows } = await tx.query<{ count: string }>(
    `SELECT count(*) FROM devices d WHERE d.tenant_id = $1 AND ${all} AND ${group}`,
    values,
  );
  return Number(oneRow(rows, 'the count of targets').count);
}
