import { defined } from '../../domain/defined.js';
import { databaseNow } from '../db/clock.js';
import { isOrchestratorAway, NOTHING_MOVES } from '../db/vitals.js';
import { DomainError } from '../../domain/errors.js';
import { unchanged } from '../../domain/rollout/amendment.js';
import type { RolloutFacts } from '../../domain/rollout/facts.js';
import { dependsOnPerson, plannedEta } from '../../domain/rollout/eta.js';
import { derivePhase, type Phase } from '../../domain/rollout/phase.js';
import type { Plan } from '../../domain/rollout/plan.js';
import { writeHistory } from '../history/history.js';
import { newId } from '../db/ids.js';
import { mark, wakeSender } from '../outbox/outbox.js';
import type { Page, PageRequest } from '../db/page.js';
import type { Tx } from '../db/pool.js';
import { assertQuota } from '../db/quotas.js';
import { namePattern } from '../db/name-part.js';
import { BY_CREATION, BY_NAME, readRows } from '../db/read-page.js';
import { checkAgainstFleet, groupSizes } from '../rollouts/check.js';
import { readFailures } from '../rollouts/failures.js';
import { readDeviceMs } from '../rollouts/model.js';
import { pokeRollout } from '../rollouts/moves.js';
import { lockRollout } from './observe.js';
import { ROLLOUT_COLUMNS, toStored, type GroupRow, type RolloutRow, type StoredRollout } from '../rollouts/rows.js';
import { materialisePage } from '../rollouts/targets.js';
import type { RolloutView } from '../rollouts/view.js';
import { iso } from '../db/times.js';

export { listTargets } from '../rollouts/lists.js';

/**
 * Up to so many targets are snapshotted with the request itself, so that its answer shows the groups; it takes some 50
 * ms.
 */
const TARGETS_AT_ONCE = 1_000;

/** The template that a rollout was made from, and what it took: JSON pointer → value in the plan. */
export interface RolloutOrigin {
  readonly id: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * Creates a rollout with its groups, and for a small fleet its targets; of a large one they follow in pages
 * (docs/decisions/0004-rollouts.md).
 * @throws DomainError ROLLOUT_VALIDATION, ROLLOUT_CONFLICT with a pointer for each fault
 */
export async function createRollout(
  tx: Tx,
  tenantId: string,
  request: { plan: Plan; defaulted: readonly string[]; createdBy: string; template?: RolloutOrigin },
  now: number,
): Promise<RolloutView> {
  const { createdBy, template } = request;
  await assertQuota(tx, tenantId, 'openRollouts');
  const types = await checkAgainstFleet(tx, tenantId, request.plan);
  const targets = types.reduce((sum, one) => sum + one.count, 0);
  const deviceMs = await readDeviceMs(tx, tenantId, request.plan, types);
  const eta =
    deviceMs === null
      ? null
      : plannedEta(request.plan, await groupSizes(tx, tenantId, request.plan, targets), deviceMs, now);
  const id = newId();
  const { deviceIds } = request.plan.targets;
  const plan: Plan = { ...request.plan, targets: { ...request.plan.targets, deviceIds: [] } };
  await tx.query(
    `INSERT INTO rollouts (tenant_id, id, name, plan, defaulted, phase, created_by, created_at, updated_at, device_ids,
      start_requested_at, template_id, from_template, device_ms, eta)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10, $11, $12, $13, $14)`,
    [
      tenantId,
      id,
      plan.name,
      JSON.stringify(plan),
      JSON.stringify(request.defaulted),
      plan.schedule.startAt === null ? 'draft' : plan.approval.required > 0 ? 'awaiting_approval' : 'scheduled',
      createdBy,
      iso(now),
      deviceIds,
      plan.schedule.startAt === null ? null : iso(now),
      template?.id ?? null,
      JSON.stringify(template ? taken(template, plan) : {}),
      deviceMs,
      iso(eta),
    ],
  );
  await tx.query(
    `INSERT INTO rollout_groups (tenant_id, rollout_id, position, name) SELECT $1, $2, position - 1, name
      FROM unnest($3::text[]) WITH ORDINALITY AS g(name, position)`,
    [tenantId, id, plan.groups.map((group) => group.name)],
  );
  await tx.query(
    `INSERT INTO rollout_firmwares (tenant_id, rollout_id, firmware_id)
      SELECT DISTINCT $1, $2::uuid, unnest($3::uuid[])`,
    [tenantId, id, plan.steps.map((step) => step.firmwareId)],
  );
  await writeHistory(tx, [
    {
      tenantId,
      rolloutId: id,
      at: now,
      event: 'created',
      data: {
        by: `operator:${createdBy}`,
        version: 1,
        name: plan.name,
        targets,
        ...(template ? { templateId: template.id } : {}),
      },
    },
  ]);
  if (targets <= TARGETS_AT_ONCE) await materialiseNow(tx, tenantId, id, now);
  await mark(tx, [pokeRollout(tenantId, id)]);
  await wakeSender(tx);
  return defined(await readRollout(tx, tenantId, id), 'the rollout was written in this transaction');
}

/** Named devices are not kept in the plan: they are compared without, as is what was taken of them. */
function taken({ values }: RolloutOrigin, plan: Plan): Record<string, unknown> {
  return Object.hasOwn(values, '/targets') ? { ...values, '/targets': plan.targets } : values;
}

/** Each page has its end, and there are as many as groups and a few more. */
async function materialiseNow(tx: Tx, tenantId: string, id: string, now: number): Promise<void> {
  for (;;) {
    const locked = await lockRollout(tx, tenantId, id);
    if (!locked || locked.rollout.facts.materialised) return;
    await materialisePage(tx, locked.rollout, now);
  }
}

/** A row as people see it: with what each tick of its process does not need. */
type ViewRow = RolloutRow & {
  device_ids: string[];
  template_id: string | null;
  from_template: Record<string, unknown>;
  content: string | null;
  without_firmware: boolean;
};
/** What people call the content: its version, or the name of a firmware that has none. */
const CONTENT = `(SELECT coalesce(f.version, f.name) FROM firmwares f WHERE f.tenant_id = rollouts.tenant_id
  AND f.id = (rollouts.plan->'steps'->0->>'firmwareId')::uuid) AS content`;
/** A draft holds on to nothing: its firmware may have been deleted since, and it cannot start any more. */
const WITHOUT_FIRMWARE = `(start_requested_at IS NULL AND coalesce((SELECT f.state <> 'ready' FROM firmwares f
  WHERE f.tenant_id = rollouts.tenant_id AND f.id = (rollouts.plan->'steps'->0->>'firmwareId')::uuid), true))
  AS without_firmware`;
const VIEW_COLUMNS = `${ROLLOUT_COLUMNS}, device_ids, template_id, from_template, ${CONTENT}, ${WITHOUT_FIRMWARE}`;
/** Of many at once: without the devices that they name, up to some ten thousand each. */
const LISTED_COLUMNS = `${ROLLOUT_COLUMNS}, '{}'::uuid[] AS device_ids, template_id, from_template, ${CONTENT}, ${WITHOUT_FIRMWARE}`;

/** @returns undefined where the tenant has no such rollout. Reads without a lock: what it shows may be over at once. */
export async function readRollout(tx: Tx, tenantId: string, id: string): Promise<RolloutView | undefined> {
  const { rows } = await tx.query<ViewRow>(`SELECT ${VIEW_COLUMNS} FROM rollouts WHERE tenant_id = $1 AND id = $2`, [
    tenantId,
    id,
  ]);
  const [view] = rows[0] ? await toViews(tx, tenantId, rows) : [];
  return view && { ...view, failuresBy: await readFailures(tx, tenantId, id) };
}

/** Those of the named rollouts that there are, without the devices that they name. */
export async function readRollouts(tx: Tx, tenantId: string, ids: readonly string[]): Promise<RolloutView[]> {
  const { rows } = await tx.query<ViewRow>(
    `SELECT ${LISTED_COLUMNS} FROM rollouts WHERE tenant_id = $1 AND id = ANY($2::uuid[])`,
    [tenantId, ids],
  );
  return toViews(tx, tenantId, rows);
}

/** Both must match; absent = all. */
export interface RolloutFilter {
  readonly phase?: readonly Phase[];
  /** Part of the name, in any case of letters. */
  readonly q?: string;
}

/** Newest first or by `name`, without the devices that they name. */
export async function listRollouts(
  tx: Tx,
  tenantId: string,
  { phase, q }: RolloutFilter,
  page: PageRequest,
): Promise<Page<RolloutView>> {
  const values: unknown[] = [tenantId];
  const where = ['tenant_id = $1'];
  if (phase) {
    values.push(phase);
    where.push(`phase = ANY($${values.length}::text[])`);
  }
  const named = namePattern(q);
  if (named !== undefined) {
    values.push(named);
    where.push(`name ILIKE $${values.length}`);
  }
  const { rows, ...rest } = await readRows<ViewRow>(
    tx,
    {
      columns: LISTED_COLUMNS,
      from: 'rollouts',
      where,
      values,
      sorts: { createdAt: BY_CREATION, name: BY_NAME },
      time: 'createdAt',
    },
    page,
  );
  return { items: await toViews(tx, tenantId, rows), ...rest };
}

async function toViews(tx: Tx, tenantId: string, rows: readonly ViewRow[]): Promise<RolloutView[]> {
  const groups = await tx.query<GroupRow>(
    `SELECT * FROM rollout_groups WHERE tenant_id = $1 AND rollout_id = ANY($2::uuid[]) ORDER BY position`,
    [tenantId, rows.map((row) => row.id)],
  );
  const away = rows.length > 0 && (await isOrchestratorAway(tx));
  return rows.map((row) =>
    toView(
      toStored(
        row,
        groups.rows.filter((group) => group.rollout_id === row.id),
      ),
      row,
      away,
    ),
  );
}

function toView(stored: StoredRollout, row: ViewRow, away: boolean): RolloutView {
  const { facts, plan } = stored;
  const over = facts.finishedAt !== null || facts.closedAt !== null;
  return {
    tenantId: stored.tenantId,
    id: stored.id,
    plan: { ...plan, targets: { ...plan.targets, deviceIds: row.device_ids } },
    defaulted: stored.defaulted,
    templateId: row.template_id,
    fromTemplate: unchanged(row.from_template, plan),
    version: stored.version,
    facts,
    bytes: stored.bytes,
    ...derivePhase(facts, plan, row.content ?? undefined),
    waitingOn: over
      ? null
      : row.without_firmware
        ? WAITS_WITHOUT_FIRMWARE
        : inView(stored.waitingOn ?? 'Waiting for its process to start.', away, facts),
    nextActionAt: over || away ? null : stored.actsAt,
    eta: over || row.without_firmware ? null : etaNow(stored),
    createdBy: stored.createdBy,
    withoutFirmware: row.without_firmware,
    createdAt: facts.createdAt,
    updatedAt: stored.updatedAt,
    processStarted: stored.processStarted,
  };
}

/** What `start` of such a draft is refused with, as well. */
const WAITS_WITHOUT_FIRMWARE =
  'Waiting for a person: its firmware was deleted since it was drafted; delete the draft and create another rollout.';

/** What its process told last, and whether there is one that can go on. A draft waits for a person alone. */
function inView(waitingOn: string, away: boolean, { startRequestedAt }: RolloutFacts): string {
  return away && startRequestedAt !== null ? `${waitingOn.replace(/\.$/, '')}; ${NOTHING_MOVES}.` : waitingOn;
}

/** As its coordinator told last. What is overdue ends at any moment; a draft that was not started in time has none. */
function etaNow({ facts, plan, eta }: StoredRollout): number | null {
  const now = databaseNow();
  if (eta === null || dependsOnPerson(facts, plan)) return null;
  return facts.startedAt === null && eta < now ? null : Math.max(eta, now);
}

/**
 * A command is refused where the rollout has moved on since who asks looked at it.
 * @param expected the versions that are expected; absent = any
 * @throws DomainError REQUEST_PRECONDITION_FAILED with the version that it has
 */
export function refuseMoved({ version }: { readonly version: number }, expected?: readonly number[]): void {
  if (expected === undefined || expected.includes(version)) return;
  throw new DomainError(
    'REQUEST_PRECONDITION_FAILED',
    `the rollout is at version ${version}, and If-Match names ${expected.join(', ')}; read it again`,
    { version },
  );
}

/** 404, the same for a rollout of another tenant. Made, not thrown. */
export function noSuchRollout(id: string): DomainError {
  return new DomainError('ROLLOUT_NOT_FOUND', `rollout ${id} does not exist`);
}
