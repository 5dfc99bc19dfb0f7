import { oneRow } from '../db/one-row.js';
import { groupAt, onlyStep } from '../../domain/rollout/plan.js';
import { executing, slotNow, type DeviceAggregate } from '../../domain/installation/device-aggregate.js';
import type { Installation } from '../../domain/installation/installation.js';
import type { SlotNow } from '../../domain/installation/slot-now.js';
import { judgeAdmission, type AdmissionRefusal } from '../../domain/rollout/admission.js';
import type { TargetState } from '../../domain/rollout/facts.js';
import { deviceKey } from '../db/keys.js';
import type { Tx } from '../db/pool.js';
import { recordset } from '../db/recordset.js';
import { iso } from '../db/times.js';
import { inOrderOf } from '../rollouts/in-order.js';
import { loadAggregates } from '../installations/device-aggregate.js';
import { recordByService } from './report.js';
import { pinEarlier } from '../rollouts/pins.js';
import { addCounters, type CounterChange } from '../rollouts/counters.js';
import type { StoredRollout } from '../rollouts/rows.js';
import { ADMITTED_AT_ONCE } from './observe.js';
import { installationOf, startInstallations } from './start-installations.js';

interface Candidate {
  readonly device_id: string;
  readonly attempt: number;
  readonly installation_id: string | null;
  readonly admission: number | null;
  /** Its newest installation was offered to the device. */
  readonly was_offered: boolean;
}

interface Content {
  readonly slot: string;
  readonly firmwareId: string;
  readonly sha256: string;
  readonly version: string | null;
  /** Of the device types with whose slot it is associated. */
  readonly types: ReadonlySet<string>;
}

/** What one candidate became: an installation, or an end without one. */
interface Admitted {
  readonly candidate: Candidate;
  /** What its slot holds, and what is open on it; undefined = the device was deleted. */
  readonly slot: SlotNow | undefined;
  readonly state: TargetState;
  readonly because: string | null;
  /** Of a refusal. */
  readonly code: AdmissionRefusal | null;
  readonly installation: Installation | null;
}

/**
 * Starts up to `count` installations of one group: the whole of an admission in one transaction, under the lock of the
 * rollout's row, which is what keeps the cap and the rate at every moment. Devices are locked before targets, as
 * reports do (docs/architecture.md §2). @returns how many were started.
 */
export async function admit(
  tx: Tx,
  rollout: StoredRollout,
  position: number,
  count: number,
  now: number,
): Promise<{ started: number; concluded: number }> {
  const { tenantId, id, plan } = rollout;
  const group = groupAt(plan.groups, position);
  const { rows: chosen } = await tx.query<{ device_id: string }>(
    `SELECT device_id FROM rollout_targets WHERE tenant_id = $1 AND rollout_id = $2 AND group_position = $3
      AND state = 'pending' AND admissible AND ready_at <= $4
     ORDER BY ready_at, rank LIMIT $5`,
    [tenantId, id, position, iso(now), count],
  );
  const aggregates = await loadAggregates(
    tx,
    chosen.map((row) => ({ tenantId, deviceId: row.device_id, installationIds: [] })),
  );
  const { rows: locked } = await tx.query<Candidate>(
    `SELECT t.device_id, t.attempt, t.installation_id, t.admission,
       (SELECT i.revision FROM installations i WHERE i.tenant_id = t.tenant_id AND i.id = t.installation_id) IS NOT NULL
         AS was_offered
     FROM rollout_targets t WHERE t.tenant_id = $1
      AND t.rollout_id = $2 AND t.device_id = ANY($3::uuid[]) AND t.state = 'pending'
     ORDER BY t.device_id FOR NO KEY UPDATE OF t`,
    [tenantId, id, chosen.map((row) => row.device_id)],
  );
  const held = inOrderOf(chosen, locked);
  const content = await contentOf(tx, rollout);
  const types = await typesOf(
    tx,
    tenantId,
    held.map((one) => one.device_id),
  );
  const admitted = held.map((candidate) => {
    const aggregate = aggregates.get(deviceKey(tenantId, candidate.device_id))?.aggregate;
    return decide(candidate, rollout, content, types.get(candidate.device_id), aggregate, now);
  });
  await supersede(tx, rollout, admitted, now);
  await startInstallations(
    tx,
    rollout,
    admitted.flatMap(({ installation, candidate }) =>
      installation
        ? [
            {
              installation,
              retryOf: candidate.installation_id,
              details: { group: group.name, rolloutAttempt: candidate.attempt + 1 },
            },
          ]
        : [],
    ),
    now,
  );
  await writeTargets(tx, rollout, position, admitted, now);
  await pinEarlier(
    tx,
    rollout,
    admitted.flatMap((one) => (one.installation && one.slot?.sha256) ?? []),
  );
  await addCounters(
    tx,
    admitted.map(({ state }): CounterChange => ({
      tenantId,
      rolloutId: id,
      position,
      from: 'pending',
      to: state,
      ...(state === 'rejected' ? { unattempted: 'to' } : {}),
    })),
  );
  const started = admitted.filter((one) => one.installation !== null).length;
  return { started, concluded: admitted.length - started };
}

/** What becomes of one target, by what its device holds and does at this moment. */
function decide(
  candidate: Candidate,
  rollout: StoredRollout,
  content: Content | undefined,
  type: string | undefined,
  aggregate: DeviceAggregate | undefined,
  now: number,
): Admitted {
  const slot = aggregate && slotNow(aggregate, onlyStep(rollout.plan).slot);
  const wanted = content && { ...content, isAssociated: type !== undefined && content.types.has(type) };
  const admission = judgeAdmission(type === undefined ? undefined : slot, wanted, rollout.plan);
  if (admission.do === 'conclude') {
    // An attempt whose outcome was lost had installed it: then it is this rollout that brought it.
    const byThis = admission.as === 'alreadyInstalled' && candidate.was_offered;
    const because = byThis ? 'an earlier attempt had installed it' : admission.because;
    const { code = null } = admission;
    return { candidate, slot, state: byThis ? 'installed' : admission.as, because, code, installation: null };
  }
  const { firmwareId, sha256, version } = admission.content;
  const what = { deviceId: candidate.device_id, firmwareId, sha256, version };
  const rules = { allowDowngrade: rollout.plan.allowDowngrade, replaces: null };
  const isBehind = aggregate !== undefined && executing(aggregate) !== undefined;
  const installation = installationOf(rollout, what, rules, isBehind, now);
  return { candidate, slot, state: isBehind ? 'queued' : 'inFlight', because: null, code: null, installation };
}

interface ContentRow {
  /** @narrowed a CHECK of the table: what is ready has its hash */
  sha256: string;
  version: string | null;
  types: string[];
}

async function contentOf(tx: Tx, { tenantId, plan }: StoredRollout): Promise<Content | undefined> {
  const { firmwareId, slot } = onlyStep(plan);
  const { rows } = await tx.query<ContentRow>(
    `SELECT f.sha256, f.version, ARRAY(SELECT a.device_type_id::text FROM firmware_associations a
      WHERE a.tenant_id = f.tenant_id AND a.firmware_id = f.id AND a.slot = $3) AS types
     FROM firmwares f WHERE f.tenant_id = $1 AND f.id = $2 AND f.state = 'ready' FOR KEY SHARE OF f`,
    [tenantId, firmwareId, slot],
  );
  const row = rows[0];
  return row && { slot, firmwareId, sha256: row.sha256, version: row.version, types: new Set(row.types) };
}

async function typesOf(tx: Tx, tenantId: string, deviceIds: readonly string[]): Promise<Map<string, string>> {
  const { rows } = await tx.query<{ id: string; device_type_id: string }>(
    `SELECT id, device_type_id FROM devices WHERE tenant_id = $1 AND id = ANY($2::uuid[])`,
    [tenantId, deviceIds],
  );
  return new Map(rows.map((row) => [row.id, row.device_type_id]));
}

async function supersede(
  tx: Tx,
  { tenantId, plan }: StoredRollout,
  admitted: readonly Admitted[],
  now: number,
): Promise<void> {
  if (plan.onConflict !== 'supersede') return;
  const open = admitted.flatMap(({ installation, candidate, slot }) =>
    installation && slot ? slot.open.map((id) => ({ deviceId: candidate.device_id, installationId: id })) : [],
  );
  if (open.length === 0) return;
  const supersede = { type: 'cancel', reason: 'superseded by a rollout', as: 'superseded' } as const;
  await recordByService(tx, tenantId, open, supersede, now);
}

/** A target keeps the number of its first admission: that is its place in what the sequential test sees. */
async function writeTargets(
  tx: Tx,
  { tenantId, id }: StoredRollout,
  position: number,
  admitted: readonly Admitted[],
  now: number,
): Promise<void> {
  if (admitted.length === 0) return;
  const fresh = admitted.filter((one) => one.installation !== null && one.candidate.admission === null);
  const { rows } = await tx.query<{ admissions: number }>(
    `UPDATE rollout_groups SET admissions = admissions + $4 WHERE tenant_id = $1 AND rollout_id = $2 AND position = $3
      RETURNING admissions`,
    [tenantId, id, position, fresh.length],
  );
  const first = oneRow(rows, 'the admissions of a group').admissions - fresh.length + 1;
  const number = new Map(fresh.map((one, index) => [one.candidate.device_id, first + index]));
  await tx.query(
    `UPDATE rollout_targets t
      SET state = n.state, because = n.because, refusal = n.code, attempt = n.attempt,
      installation_id = coalesce(n.installation_id, t.installation_id),
       admission = coalesce(t.admission, n.admission), ended_at = n.ended_at,
       unattempted = n.state = 'rejected', prior_sha256 = coalesce(t.prior_sha256, n.prior_sha256)
     FROM ${recordset('$3', 'device_id uuid, state text, because text, code text, attempt integer, installation_id uuid, admission integer, ended_at timestamptz, prior_sha256 text')} AS n
     WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.device_id = n.device_id`,
    [
      tenantId,
      id,
      JSON.stringify(
        admitted.map(({ candidate, slot, state, because, code, installation }) => ({
          device_id: candidate.device_id,
          state,
          because,
          code,
          attempt: candidate.attempt + (installation ? 1 : 0),
          installation_id: installation?.id ?? null,
          admission: number.get(candidate.device_id) ?? null,
          ended_at: installation ? null : iso(now),
          prior_sha256: installation && slot?.sha256 !== installation.sha256 ? (slot?.sha256 ?? null) : null,
        })),
      ),
    ],
  );
}

/**
 * Queued installations whose turn has come on their device get a place of the cap, and with it the turn: under the lock
 * of the rollout's row, as an admission. One whose device began something else meanwhile goes on waiting.
 * @returns how many were asked
 */
export async function givePlaces(tx: Tx, { tenantId, id }: StoredRollout, count: number, now: number): Promise<number> {
  const { rows } = await tx.query<{ device_id: string; id: string }>(
    `SELECT device_id, id FROM installations WHERE tenant_id = $1 AND rollout_id = $2 AND place = 'wanted'
       AND ended_at IS NULL ORDER BY state_since, id LIMIT $3`,
    [tenantId, id, Math.min(count, ADMITTED_AT_ONCE)],
  );
  const queued = rows.map((row) => ({ deviceId: row.device_id, installationId: row.id }));
  await recordByService(tx, tenantId, queued, { type: 'place' }, now);
  return rows.length;
}
