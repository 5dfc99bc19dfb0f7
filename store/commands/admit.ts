import { compareVersions } from '../../domain/artifact/versions.js';
import { dueAt } from '../../domain/installation/deadlines.js';
import type { Installation } from '../../domain/installation/installation.js';
import { DEFAULT_POLICY, type Policy } from '../../domain/installation/policy.js';
import type { DeviceAggregate } from '../../domain/installation/device-aggregate.js';
import type { TargetState } from '../../domain/rollout/facts.js';
import type { Plan } from '../../domain/rollout/plan.js';
import { writeHistory, type HistoryEntry } from '../history/history.js';
import { newId } from '../db/ids.js';
import { mark, type Mark } from '../outbox/outbox.js';
import type { Tx } from '../db/pool.js';
import { record } from '../record.js';
import { recordset } from '../db/recordset.js';
import { addCounters, type StoredRollout } from '../rollouts/rows.js';
import { loadAggregates } from '../installations/device-aggregate.js';
import { iso } from '../db/times.js';
import { deviceKey } from '../db/keys.js';

interface Candidate {
  readonly device_id: string;
  readonly attempt: number;
  readonly installation_id: string | null;
  readonly admission: number | null;
}

interface Content {
  readonly sha256: string;
  readonly version: string | null;
  readonly types: ReadonlySet<string>;
}

/** What one candidate became: an installation, or an end without one. */
interface Admitted {
  /** What the slot held before. */
  readonly prior: string | null;
  readonly candidate: Candidate;
  readonly state: TargetState;
  readonly because: string | null;
  readonly installation: Installation | null;
}

/**
 * Starts up to `count` installations of one group: the whole of an admission in one transaction, under the lock of the
 * rollout's row, which is what keeps the cap and the rate at every moment. Devices are locked before targets, as
 * reports do (DESIGN §4). @returns how many were started.
 */
export async function admit(
  tx: Tx,
  rollout: StoredRollout,
  position: number,
  count: number,
  now: number,
): Promise<{ started: number; concluded: number }> {
  const { tenantId, id, plan } = rollout;
  const { rows: chosen } = await tx.query<{ device_id: string }>(
    `SELECT device_id FROM rollout_targets WHERE tenant_id = $1 AND rollout_id = $2 AND group_position = $3 AND state = 'pending' AND admissible AND ready_at <= $4
     ORDER BY ready_at, rank LIMIT $5`,
    [tenantId, id, position, iso(now), count],
  );
  const works = await loadAggregates(
    tx,
    chosen.map((row) => ({ tenantId, deviceId: row.device_id, installationIds: [] })),
  );
  const { rows: held } = await tx.query<Candidate>(
    `SELECT device_id, attempt, installation_id, admission FROM rollout_targets WHERE tenant_id = $1 AND rollout_id = $2 AND device_id = ANY($3::uuid[]) AND state = 'pending'
     ORDER BY ready_at, rank FOR NO KEY UPDATE`,
    [tenantId, id, chosen.map((row) => row.device_id)],
  );
  const content = await contentOf(tx, rollout);
  const types = await typesOf(
    tx,
    tenantId,
    held.map((one) => one.device_id),
  );
  const admitted = held.map((candidate) =>
    decide(
      candidate,
      rollout,
      content,
      types.get(candidate.device_id),
      works.get(deviceKey(tenantId, candidate.device_id))?.aggregate,
      now,
    ),
  );
  await supersede(tx, rollout, admitted, works, now);
  await insertInstallations(
    tx,
    rollout,
    admitted.flatMap(({ installation, candidate }) =>
      installation ? [{ installation, retryOf: candidate.attempt > 0 ? candidate.installation_id : null }] : [],
    ),
  );
  await writeTargets(tx, rollout, position, admitted, now);
  await pin(
    tx,
    rollout,
    admitted.flatMap((one) => one.prior ?? []),
  );
  await addCounters(
    tx,
    admitted.map(({ state }) => ({ tenantId, rolloutId: id, position, from: 'pending', to: state })),
  );
  await writeHistory(
    tx,
    admitted.flatMap(({ installation, candidate }): HistoryEntry[] =>
      installation === null
        ? []
        : [
            {
              tenantId,
              deviceId: installation.deviceId,
              installationId: installation.id,
              at: now,
              event: 'requested',
              data: {
                by: `rollout:${id}`,
                slot: installation.slot,
                firmwareId: installation.firmwareId,
                group: plan.groups[position]!.name,
                rolloutAttempt: candidate.attempt + 1,
              },
            },
          ],
    ),
  );
  await mark(
    tx,
    admitted.flatMap(({ installation }): Mark[] =>
      installation === null ? [] : [{ receiver: 'workflow', tenantId, subject: installation.id, isStart: true }],
    ),
  );
  const started = admitted.filter((one) => one.installation !== null).length;
  await countStarted(tx, rollout, started, now);
  return { started, concluded: admitted.length - started };
}

/**
 * What is replaced stays for as long as a roll back may want it: a firmware that a rollout refers to is not deleted
 * under it.
 */
async function pin(tx: Tx, { tenantId, id }: StoredRollout, sha256: readonly string[]): Promise<void> {
  if (sha256.length === 0) return;
  await tx.query(
    `INSERT INTO rollout_firmwares (tenant_id, rollout_id, firmware_id) SELECT $1, $2, f.id FROM firmwares f WHERE f.tenant_id = $1 AND f.sha256 = ANY($3::text[]) AND f.state = 'ready' ORDER BY f.id ON CONFLICT DO NOTHING`,
    [tenantId, id, [...new Set(sha256)]],
  );
}

/** Twice the window in which they count. */
const FORGET_STARTS_MS = 120_000;

export async function countStarted(
  tx: Tx,
  { tenantId, id }: StoredRollout,
  started: number,
  now: number,
): Promise<void> {
  if (started > 0)
    await tx.query(`INSERT INTO rollout_starts (tenant_id, rollout_id, at, count) VALUES ($1, $2, $3, $4)`, [
      tenantId,
      id,
      iso(now),
      started,
    ]);
  await tx.query(`DELETE FROM rollout_starts WHERE tenant_id = $1 AND rollout_id = $2 AND at < $3`, [
    tenantId,
    id,
    iso(now - FORGET_STARTS_MS),
  ]);
}

async function contentOf(tx: Tx, { tenantId, plan }: StoredRollout): Promise<Content | undefined> {
  const [step] = plan.steps;
  const { rows } = await tx.query<{ sha256: string; version: string | null; types: string[] }>(
    `SELECT f.sha256, f.version, ARRAY(SELECT a.device_type_id::text FROM firmware_associations a WHERE a.tenant_id = f.tenant_id AND a.firmware_id = f.id AND a.slot = $3) AS types
     FROM firmwares f WHERE f.tenant_id = $1 AND f.id = $2 AND f.state = 'ready' FOR KEY SHARE OF f`,
    [tenantId, step!.firmwareId, step!.slot],
  );
  return rows[0] && { sha256: rows[0].sha256, version: rows[0].version, types: new Set(rows[0].types) };
}

async function typesOf(tx: Tx, tenantId: string, deviceIds: readonly string[]): Promise<Map<string, string>> {
  const { rows } = await tx.query<{ id: string; device_type_id: string }>(
    `SELECT id, device_type_id FROM devices WHERE tenant_id = $1 AND id = ANY($2::uuid[])`,
    [tenantId, deviceIds],
  );
  return new Map(rows.map((row) => [row.id, row.device_type_id]));
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
  const { plan } = rollout;
  const [step] = plan.steps;
  const without = (state: TargetState, because: string): Admitted => ({
    prior: null,
    candidate,
    state,
    because,
    installation: null,
  });
  if (!aggregate || !type) return without('canceled', 'the device was deleted');
  if (!content) return without('rejected', 'the firmware was deleted');
  if (!content.types.has(type))
    return without('rejected', `the firmware is no longer associated with slot "${step!.slot}" of this device type`);
  const slot = aggregate.slots[step!.slot];
  const open = Object.values(aggregate.installations).filter((one) => one.slot === step!.slot && one.endedAt === null);
  if (open.length === 0 && slot?.sha256 === content.sha256 && slot.confirmed)
    return without('alreadyInstalled', 'its slot already held the content');
  const order =
    slot?.version != null && content.version !== null ? compareVersions(content.version, slot.version) : undefined;
  if (order !== undefined && order < 0 && !plan.allowDowngrade) {
    return without(
      'rejected',
      `its slot holds ${slot!.version}, which is newer than ${content.version}; set allowDowngrade in the plan to install it`,
    );
  }
  if (open.length > 0 && plan.onConflict === 'reject')
    return without('rejected', `installation ${open[0]!.id} is open on the same slot`);
  return {
    prior: slot?.sha256 ?? null,
    candidate,
    state: 'inFlight',
    because: null,
    installation: requested(candidate, rollout, content, now),
  };
}

function requested(candidate: Candidate, rollout: StoredRollout, content: Content, now: number): Installation {
  return requestedBy(
    rollout,
    { deviceId: candidate.device_id, firmwareId: rollout.plan.steps[0]!.firmwareId, ...content },
    now,
  );
}

export interface Requested {
  readonly deviceId: string;
  readonly firmwareId: string;
  readonly sha256: string;
  readonly version: string | null;
}

/** An installation of this rollout as it begins. */
export function requestedBy({ tenantId, id, plan }: StoredRollout, what: Requested, now: number): Installation {
  const [step] = plan.steps;
  const installation: Installation = {
    tenantId,
    id: newId(),
    deviceId: what.deviceId,
    firmwareId: what.firmwareId,
    rolloutId: id,
    slot: step!.slot,
    state: 'scheduled',
    executing: false,
    attempt: 1,
    lastSeq: 0,
    revision: null,
    gate: 'go',
    priority: plan.priority,
    policy: policyOf(plan),
    sha256: what.sha256,
    version: what.version,
    priorSha256: null,
    notBefore: null,
    deadline: null,
    retryAt: null,
    dueAt: null,
    requestedAt: now,
    stateSince: now,
    startedAt: null,
    completedAt: null,
    rejectedAt: null,
    rejectReason: null,
    endedAt: null,
    progress: null,
    error: null,
    cancel: null,
    deferral: null,
    helloAskedAt: null,
    alreadyInstalled: false,
  };
  return { ...installation, dueAt: dueAt(installation) };
}

/** Retries are the rollout's: each of its installations has one attempt. */
function policyOf({ timeouts: t, confirm }: Plan): Policy {
  return {
    ...DEFAULT_POLICY,
    soak: confirm.soak,
    retry: { ...DEFAULT_POLICY.retry, maxAttempts: 1 },
    timeouts: { offer: t.offer, download: t.download, install: t.install, confirm: t.confirm },
  };
}

async function supersede(
  tx: Tx,
  { tenantId, plan }: StoredRollout,
  admitted: readonly Admitted[],
  works: Awaited<ReturnType<typeof loadAggregates>>,
  now: number,
): Promise<void> {
  if (plan.onConflict !== 'supersede') return;
  const open = admitted
    .filter((one) => one.installation !== null)
    .flatMap(({ installation }) =>
      Object.values(works.get(deviceKey(tenantId, installation!.deviceId))!.aggregate.installations).filter(
        (one) => one.slot === installation!.slot && one.endedAt === null,
      ),
    );
  if (open.length === 0) return;
  await record(
    tx,
    open.map((one) => ({
      tenantId,
      deviceId: one.deviceId,
      from: { kind: 'service' as const },
      kind: 'event' as const,
      installationId: one.id,
      event: { type: 'cancel' as const, reason: 'superseded by a rollout', as: 'superseded' as const },
    })),
    now,
  );
}

export async function insertInstallations(
  tx: Tx,
  { createdBy }: StoredRollout,
  list: readonly { readonly installation: Installation; readonly retryOf: string | null }[],
): Promise<void> {
  if (list.length === 0) return;
  await tx.query(
    `INSERT INTO installations (tenant_id, id, device_id, firmware_id, slot, state, gate, priority, policy, sha256, due_at, requested_at, requested_by, state_since, rollout_id, retry_of)
     SELECT tenant_id, id, device_id, firmware_id, slot, 'scheduled', 'go', priority, policy, sha256, due_at, requested_at, $2, requested_at, rollout_id, retry_of
     FROM jsonb_to_recordset($1::jsonb) AS n(tenant_id text, id uuid, device_id uuid, firmware_id uuid, slot text, priority integer, policy jsonb, sha256 text, due_at timestamptz,
       requested_at timestamptz, rollout_id uuid, retry_of uuid)`,
    [
      JSON.stringify(
        list.map(({ installation: i, retryOf }) => ({
          tenant_id: i.tenantId,
          id: i.id,
          device_id: i.deviceId,
          firmware_id: i.firmwareId,
          slot: i.slot,
          priority: i.priority,
          policy: i.policy,
          sha256: i.sha256,
          due_at: iso(i.dueAt),
          requested_at: iso(i.requestedAt),
          rollout_id: i.rolloutId,
          retry_of: retryOf,
        })),
      ),
      createdBy,
    ],
  );
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
    `UPDATE rollout_groups SET admissions = admissions + $4 WHERE tenant_id = $1 AND rollout_id = $2 AND position = $3 RETURNING admissions`,
    [tenantId, id, position, fresh.length],
  );
  const first = rows[0]!.admissions - fresh.length + 1;
  const number = new Map(fresh.map((one, index) => [one.candidate.device_id, first + index]));
  await tx.query(
    `UPDATE rollout_targets t SET state = n.state, because = n.because, attempt = n.attempt, installation_id = coalesce(n.installation_id, t.installation_id),
       admission = coalesce(t.admission, n.admission), ended_at = n.ended_at, prior_sha256 = coalesce(t.prior_sha256, n.prior_sha256)
     FROM ${recordset('$3', 'device_id uuid, state text, because text, attempt integer, installation_id uuid, admission integer, ended_at timestamptz, prior_sha256 text')} AS n
     WHERE t.tenant_id = $1 AND t.rollout_id = $2 AND t.device_id = n.device_id`,
    [
      tenantId,
      id,
      JSON.stringify(
        admitted.map(({ candidate, state, because, installation, prior }) => ({
          device_id: candidate.device_id,
          state,
          because,
          attempt: candidate.attempt + (installation ? 1 : 0),
          installation_id: installation?.id ?? null,
          admission: number.get(candidate.device_id) ?? null,
          ended_at: installation ? null : iso(now),
          prior_sha256: prior,
        })),
      ),
    ],
  );
}
