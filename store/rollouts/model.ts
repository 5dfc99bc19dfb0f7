import type { Installation } from '../../domain/installation/installation.js';
import { onlyStep, type Plan, type RetryClass } from '../../domain/rollout/plan.js';
import {
  at,
  FAILURE_KINDS,
  quantilesOf,
  type FailureKind,
  type FleetModel,
  type KindModel,
  type Quantiles,
} from '../../domain/rollout/simulation/model.js';
import { plural } from '../../domain/plural.js';
import type { SlotNow } from '../../domain/installation/slot-now.js';
import { judgeAdmission } from '../../domain/rollout/admission.js';
import { retryClassOf } from '../../domain/rollout/target.js';
import { filterCondition } from '../fleet/filter.js';
import type { Tx } from '../db/pool.js';
import { groupSizes, targetTypes, type TypeCount } from './check.js';

/**
 * Installations that are looked at: shares of a tenth of a percent are seen in so many, and their history is read in
 * some 50 ms.
 */
const PAST = 2_000;
/** Of the newest in a slot, whatever the type: where a type is that rare, nothing of it is known. */
const LOOKED_THROUGH = 20_000;
/** Devices that are asked whether they can be reached, which costs some 30 µs each. */
const SAMPLE = 2_000;
/** Fewer say less than what all types together say. */
const ENOUGH = 10;
/** Below that a download is mostly the waiting around it. */
const LEAST_BYTES = 256 * 1024;

const SECOND = 1_000;

/**
 * Where nothing is known: a device on a slow line, a reboot of a minute or two, and one attempt in fifty goes wrong.
 */
const UNKNOWN = {
  accept: [SECOND / 2, 2 * SECOND, 5 * SECOND],
  /** Milliseconds for a mebibyte. */
  perMebibyte: [SECOND / 4, SECOND, 4 * SECOND],
  install: [30 * SECOND, 60 * SECOND, 180 * SECOND],
  failures: { download: 0.005, install: 0.005, final: 0.005, rejected: 0, timeout: 0.005 },
} as const;

/**
 * Reads what is known of the devices that a plan is about. Nothing is written, and each query is bounded but the count
 * of the targets.
 */
export async function readFleetModel(tx: Tx, tenantId: string, plan: Plan, now: number): Promise<FleetModel> {
  const step = onlyStep(plan);
  const types = await targetTypes(tx, tenantId, plan);
  const targets = types.reduce((sum, one) => sum + one.count, 0);
  const bytes = await sizeOf(tx, tenantId, step.firmwareId);
  const past = await readPast(
    tx,
    tenantId,
    step.slot,
    types.map((one) => one.id),
  );
  const kinds = types.length > 0 ? types : [{ id: '', name: 'no device', count: 1 }];
  return {
    groups: await groupSizes(tx, tenantId, plan, targets),
    ...(await presence(tx, tenantId, plan, targets, now)),
    bytes,
    ...kindsOf(kinds, past, bytes),
  };
}

/** What one of these devices takes from the offer to its confirmed end, as likely as not; milliseconds. */
export async function readDeviceMs(
  tx: Tx,
  tenantId: string,
  plan: Plan,
  types: readonly TypeCount[],
): Promise<number | null> {
  const step = onlyStep(plan);
  if (types.length === 0) return null;
  const [bytes, past] = [
    await sizeOf(tx, tenantId, step.firmwareId),
    await readPast(
      tx,
      tenantId,
      step.slot,
      types.map((one) => one.id),
    ),
  ];
  const { kinds } = kindsOf(types, past, bytes);
  const all = kinds.reduce((sum, { weight }) => sum + weight, 0);
  return (
    plan.confirm.soak +
    kinds.reduce(
      (sum, { weight, accept, download, install }) =>
        sum + (weight * (at(accept, 0.5) + at(download, 0.5) + at(install, 0.5))) / all,
      0,
    )
  );
}

async function sizeOf(tx: Tx, tenantId: string, firmwareId: string): Promise<number> {
  const { rows } = await tx.query<{ size: string | null }>(
    'SELECT size FROM firmwares WHERE tenant_id = $1 AND id = $2',
    [tenantId, firmwareId],
  );
  return Number(rows[0]?.size ?? 0);
}

type Presence = Pick<FleetModel, 'held' | 'skipped' | 'refused' | 'online' | 'away' | 'neverSeen'>;

/**
 * How long a device has been away, to an eighth of its doubling, a minute at the least: a question that is asked again
 * a moment later, with the same seed, gets the same answer.
 */
function roundedDuration(ms: number): number {
  return 2 ** (Math.round(8 * Math.log2(Math.max(60 * SECOND, ms))) / 8);
}

type Sampled = SlotNow & {
  online: boolean;
  /** Milliseconds since it was seen; null = it never was. */
  away: string | null;
  /** Of the firmware; null = it has no blob, or was deleted. */
  wanted: string | null;
  wanted_version: string | null;
};

/** What the admission itself would say of each of the sample, were its turn now. */
function admissions(rows: readonly Sampled[], plan: Plan): Pick<FleetModel, 'held' | 'skipped' | 'refused'> {
  const { slot } = onlyStep(plan);
  const judged = rows.flatMap((row) => {
    if (row.wanted === null) return [];
    // The association was checked with the plan.
    const wanted = { slot, sha256: row.wanted, version: row.wanted_version, isAssociated: true };
    const admission = judgeAdmission(row, wanted, plan);
    return admission.do === 'conclude' ? [admission.as] : [];
  });
  const of = (as: (typeof judged)[number]): number => share(judged.filter((one) => one === as).length, rows.length);
  return { held: of('alreadyInstalled'), skipped: of('skipped'), refused: of('rejected') };
}

/** Of a sample of the targets, by a hash of their ids: those that were created together are not alike by chance. */
async function presence(tx: Tx, tenantId: string, plan: Plan, targets: number, now: number): Promise<Presence> {
  const step = onlyStep(plan);
  const values: unknown[] = [
    tenantId,
    plan.targets.deviceIds,
    step.slot,
    step.firmwareId,
    Math.max(1, Math.ceil(targets / SAMPLE)),
    new Date(now).toISOString(),
  ];
  const matches =
    plan.targets.filter === null
      ? 'd.id = ANY($2::uuid[])'
      : `(${filterCondition(plan.targets.filter, values)} OR d.id = ANY($2::uuid[]))`;
  const { rows } = await tx.query<Sampled>(
    `SELECT device_reachable($1, d.id) AS online, extract(epoch FROM $6::timestamptz - d.last_seen_at) * 1000 AS away,
       s.sha256, s.version, coalesce(s.confirmed, false) AS confirmed, '{}'::text[] AS open, f.sha256 AS wanted, f.version AS wanted_version
     FROM devices d LEFT JOIN device_slots s ON s.tenant_id = d.tenant_id AND s.device_id = d.id AND s.slot = $3
     LEFT JOIN firmwares f ON f.tenant_id = $1 AND f.id = $4
     WHERE d.tenant_id = $1 AND ${matches} AND abs(hashtext(d.id::text)::bigint) % $5 = 0 LIMIT ${2 * SAMPLE}`,
    values,
  );
  const away = rows.filter((row) => !row.online);
  const seen = away.filter((row) => row.away !== null).map((row) => roundedDuration(Number(row.away)));
  return {
    ...admissions(rows, plan),
    online: rows.length === 0 ? 1 : share(rows.length - away.length, rows.length),
    away: seen.length > 0 ? quantilesOf(seen) : [SECOND],
    neverSeen: share(away.length - seen.length, away.length),
  };
}

interface Past {
  readonly type: string;
  readonly failure: FailureKind | null;
  /** Milliseconds; null = this one did not come so far, or its history does not say. */
  readonly accept: number | null;
  readonly download: number | null;
  readonly install: number | null;
  readonly size: number;
}

interface PastRow {
  type: string;
  /** @narrowed the statement asks for those that ended in one of these */
  state: 'installed' | 'failed' | 'rejected' | 'timed_out';
  error: Installation['error'];
  size: string;
  soak: number;
  /** Milliseconds, from here on. */
  accept: string | null;
  download: string | null;
  install: string | null;
}

/**
 * The newest installations of such devices in that slot that succeeded or failed, with what the history says of their
 * phases.
 */
async function readPast(tx: Tx, tenantId: string, slot: string, types: readonly string[]): Promise<Past[]> {
  const { rows } = await tx.query<PastRow>(
    `WITH newest AS (SELECT * FROM installations WHERE tenant_id = $1 AND slot = $2 ORDER BY requested_at DESC, id DESC
      LIMIT ${LOOKED_THROUGH}),
     past AS (
       SELECT i.id, d.device_type_id AS type, i.state, i.error, i.attempt, i.ended_at, i.started_at,
         coalesce((i.policy->>'soak')::float8, 0) AS soak, coalesce(f.size, 0) AS size
       FROM newest i JOIN devices d ON d.tenant_id = i.tenant_id AND d.id = i.device_id
         JOIN firmwares f ON f.tenant_id = i.tenant_id AND f.id = i.firmware_id
       WHERE i.state IN ('installed', 'failed', 'rejected', 'timed_out') AND NOT i.already_installed
         AND d.device_type_id = ANY($3::uuid[])
       ORDER BY i.requested_at DESC, i.id DESC LIMIT ${PAST})
     SELECT p.type, p.state, p.error, p.size, p.soak,
       extract(epoch FROM p.started_at - h.delivered) * 1000 AS accept,
         extract(epoch FROM h.downloaded - p.started_at) * 1000 AS download,
       extract(epoch FROM p.ended_at - h.downloaded) * 1000 AS install
     FROM past p LEFT JOIN LATERAL (
       SELECT max(at) FILTER (WHERE event = 'delivered') AS delivered,
         max(at) FILTER (WHERE event = 'downloaded') AS downloaded
       FROM history WHERE tenant_id = $1 AND installation_id = p.id AND p.attempt = 1) AS h ON true`,
    [tenantId, slot, types],
  );
  return rows.map((row): Past => ({
    type: row.type,
    size: Number(row.size),
    failure: row.state === 'installed' ? null : failureOf(row.state, retryClassOf(row.state, row.error)),
    accept: positive(row.accept),
    download: positive(row.download),
    install:
      row.state === 'installed' ? positive(row.install === null ? null : Number(row.install) - Number(row.soak)) : null,
  }));
}

function failureOf(state: 'failed' | 'rejected' | 'timed_out', retry: RetryClass | undefined): FailureKind {
  if (retry !== undefined) return retry;
  return state === 'rejected' ? 'rejected' : 'final';
}

/** One that a clock put before its beginning took no time. */
function positive(ms: unknown): number | null {
  return ms === null ? null : Math.max(0, Number(ms));
}

function kindsOf(
  types: readonly TypeCount[],
  past: readonly Past[],
  bytes: number,
): Pick<FleetModel, 'kinds' | 'assumptions'> {
  const assumptions: string[] = [];
  const kinds = types.map(({ id, name, count }): KindModel => {
    const own = past.filter((one) => one.type === id);
    const known = timed(own) ? own : timed(past) ? past : null;
    assumptions.push(...said(`Devices of type "${name}"`, own, past, known, bytes));
    return {
      name,
      weight: count,
      ...(known === null ? unknownTimes(bytes) : timesOf(known, bytes)),
      failures: failuresOf(
        own,
        past.filter((one) => one.type !== id),
      ),
    };
  });
  return { kinds, assumptions };
}

/** One sentence for how such devices fail, and one for how long they take: the one may be known without the other. */
function said(
  devices: string,
  own: readonly Past[],
  past: readonly Past[],
  known: readonly Past[] | null,
  bytes: number,
): string[] {
  const others = past.length > own.length ? 'those of the other types' : 'what is assumed of devices without a past';
  const failing =
    own.length >= ENOUGH
      ? `${devices} fail as the ${own.length} newest of their installations in this slot did`
      : own.length > 0
        ? `${devices} have ${plural(own.length, 'installation')} in this slot that ended, which count for what they are: the rest is ${others}`
        : past.length > 0
          ? `${devices} have no past in this slot: they are assumed to fail as ${others}`
          : `${devices} have no past in this slot: they are assumed to fail once in fifty attempts`;
  const taking =
    known === null
      ? `How long ${decapitalized(devices)} take is not known: ${unknownSentence(bytes)}`
      : `${devices} take as long as ${known === own ? 'these' : `the ${known.length} newest installations of all types in this slot, for too little is known of their own`}; downloads are scaled by their size`;
  return [`${failing}.`, `${taking}.`];
}

function decapitalized(text: string): string {
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}`;
}

/** Enough that succeeded, and whose history tells their phases. */
function timed(past: readonly Past[]): boolean {
  return past.filter((one) => one.download !== null && one.install !== null).length >= ENOUGH;
}

type Times = Pick<KindModel, 'accept' | 'download' | 'install'>;

function unknownTimes(bytes: number): Times {
  return {
    accept: UNKNOWN.accept,
    download: UNKNOWN.perMebibyte.map((ms) => SECOND + (ms * bytes) / 1_048_576),
    install: UNKNOWN.install,
  };
}

function timesOf(past: readonly Past[], bytes: number): Times {
  const scale = (one: Past): number => Math.max(bytes, LEAST_BYTES) / Math.max(one.size, LEAST_BYTES);
  return {
    accept: spreadOf(past.flatMap((one) => one.accept ?? [])),
    download: spreadOf(past.flatMap((one) => (one.download === null ? [] : one.download * scale(one)))),
    install: spreadOf(past.flatMap((one) => one.install ?? [])),
  };
}

/**
 * How often they fail: enough of their own past says it alone. Of less, each observation has its weight, and what is
 * missing to enough is filled up by the past of other types, and that by what is assumed.
 */
function failuresOf(own: readonly Past[], others: readonly Past[]): Record<FailureKind, number> {
  return filledUp(own, filledUp(others, UNKNOWN.failures));
}

function filledUp(past: readonly Past[], by: Readonly<Record<FailureKind, number>>): Record<FailureKind, number> {
  const missing = Math.max(0, ENOUGH - past.length);
  return Object.fromEntries(
    FAILURE_KINDS.map((kind) => [
      kind,
      (past.filter((one) => one.failure === kind).length + missing * by[kind]) / (past.length + missing),
    ]),
  ) as Record<FailureKind, number>;
}

function spreadOf(values: readonly number[]): Quantiles {
  return values.length === 0 ? [0] : quantilesOf(values);
}

function unknownSentence(bytes: number): string {
  const [fast, , slow] = UNKNOWN.perMebibyte;
  return `they are assumed to download at ${1_048_576 / slow} to ${1_048_576 / fast} kB/s (${bytes} bytes) and to take half a minute to three minutes to install and restart`;
}

function share(part: number, of: number): number {
  return of === 0 ? 0 : part / of;
}
