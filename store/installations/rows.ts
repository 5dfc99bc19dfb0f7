import type { Installation } from '../../domain/installation/installation.js';
import type { Tx } from '../db/pool.js';
import { recordset } from '../db/recordset.js';
import { iso, ms } from '../db/times.js';

/**
 * A row of `installations`, with the version of its firmware. node-postgres gives timestamptz as Date and bigint as
 * string.
 */
export interface InstallationRow {
  tenant_id: string;
  id: string;
  device_id: string;
  firmware_id: string;
  rollout_id: string | null;
  slot: string;
  state: Installation['state'];
  executing: boolean;
  place: Installation['place'];
  attempt: number;
  last_seq: number;
  revision: string | null;
  gate: 'go' | 'hold';
  priority: number;
  policy: Installation['policy'];
  sha256: string;
  prior_sha256: string | null;
  version: string | null;
  not_before: Date | null;
  deadline: Date | null;
  retry_at: Date | null;
  due_at: Date | null;
  requested_at: Date;
  state_since: Date;
  started_at: Date | null;
  completed_at: Date | null;
  rejected_at: Date | null;
  reject_reason: string | null;
  ended_at: Date | null;
  progress: Installation['progress'];
  error: Installation['error'];
  cancel: Installation['cancel'];
  deferral: Installation['deferral'];
  hello_asked_at: Date | null;
  back_at: Date | null;
  offered_at: Date | null;
  doubt: Installation['doubt'];
  already_installed: boolean;
}

/** The columns of a row as `toInstallation` reads them; `i` is installations, `f` its firmware. */
export const COLUMNS = `i.*, f.version`;

/** A row as the domain knows it: times become epoch milliseconds, NULL becomes null. */
export function toInstallation(row: InstallationRow): Installation {
  return {
    tenantId: row.tenant_id,
    id: row.id,
    deviceId: row.device_id,
    firmwareId: row.firmware_id,
    rolloutId: row.rollout_id,
    slot: row.slot,
    state: row.state,
    executing: row.executing,
    place: row.place,
    attempt: row.attempt,
    lastSeq: row.last_seq,
    revision: row.revision === null ? null : Number(row.revision),
    gate: row.gate,
    priority: row.priority,
    policy: row.policy,
    sha256: row.sha256,
    priorSha256: row.prior_sha256,
    version: row.version,
    notBefore: ms(row.not_before),
    deadline: ms(row.deadline),
    retryAt: ms(row.retry_at),
    dueAt: ms(row.due_at),
    requestedAt: row.requested_at.getTime(),
    stateSince: row.state_since.getTime(),
    startedAt: ms(row.started_at),
    completedAt: ms(row.completed_at),
    rejectedAt: ms(row.rejected_at),
    rejectReason: row.reject_reason,
    endedAt: ms(row.ended_at),
    progress: row.progress,
    error: row.error,
    cancel: row.cancel,
    deferral: row.deferral,
    helloAskedAt: ms(row.hello_asked_at),
    backAt: ms(row.back_at),
    offeredAt: ms(row.offered_at),
    doubt: row.doubt,
    alreadyInstalled: row.already_installed,
  };
}

/** What is fixed at the request. `process_started_at` belongs to the sender of the outbox, and begins as null. */
const FIXED = [
  ['device_id', 'uuid'],
  ['firmware_id', 'uuid'],
  ['rollout_id', 'uuid'],
  ['slot', 'text'],
  ['priority', 'integer'],
  ['policy', 'jsonb'],
  ['sha256', 'text'],
  ['not_before', 'timestamptz'],
  ['deadline', 'timestamptz'],
  ['requested_at', 'timestamptz'],
] as const;

/** What may change in a row's life. */
const CHANGING = [
  ['state', 'text'],
  ['executing', 'boolean'],
  ['place', 'text'],
  ['attempt', 'integer'],
  ['last_seq', 'integer'],
  ['revision', 'bigint'],
  ['gate', 'text'],
  ['prior_sha256', 'text'],
  ['retry_at', 'timestamptz'],
  ['due_at', 'timestamptz'],
  ['state_since', 'timestamptz'],
  ['started_at', 'timestamptz'],
  ['completed_at', 'timestamptz'],
  ['rejected_at', 'timestamptz'],
  ['reject_reason', 'text'],
  ['ended_at', 'timestamptz'],
  ['progress', 'jsonb'],
  ['error', 'jsonb'],
  ['cancel', 'jsonb'],
  ['deferral', 'jsonb'],
  ['hello_asked_at', 'timestamptz'],
  ['back_at', 'timestamptz'],
  ['offered_at', 'timestamptz'],
  ['doubt', 'jsonb'],
  ['already_installed', 'boolean'],
] as const;

/** Who asked for an installation: known of it by people, and by no decision. */
const ORIGIN = [
  ['requested_by', 'text'],
  ['retry_of', 'uuid'],
] as const;

/** The columns of a record, as `FROM jsonb_to_recordset` needs them; each is written once, in the lists above. */
const typed = (columns: readonly (readonly [name: string, type: string])[]): string =>
  ['tenant_id text', 'id uuid', ...columns.map((column) => column.join(' '))].join(', ');

const INSERTED = [...FIXED, ...CHANGING, ...ORIGIN];
const NAMES = ['tenant_id', 'id', ...INSERTED.map(([name]) => name)].join(', ');

const INSERT = `
  INSERT INTO installations (${NAMES}) SELECT ${NAMES} FROM ${recordset('$1', typed(INSERTED))} AS n`;

const UPDATE = `
  UPDATE installations AS i SET ${CHANGING.map(([name]) => `${name} = n.${name}`).join(', ')}
  FROM ${recordset('$1', typed(CHANGING))} AS n
  WHERE i.tenant_id = n.tenant_id AND i.id = n.id`;

/** A row that is to be written for the first time. */
export interface InsertedInstallation {
  readonly installation: Installation;
  readonly requestedBy: string;
  /** The installation that this one tries again. */
  readonly retryOf: string | null;
}

/** The only place where installations are made. */
export async function insertInstallations(tx: Tx, list: readonly InsertedInstallation[]): Promise<void> {
  if (list.length === 0) return;
  const records = list.map(({ installation, requestedBy, retryOf }) => ({
    ...fixedRecord(installation),
    ...changingRecord(installation),
    requested_by: requestedBy,
    retry_of: retryOf,
  }));
  await tx.query(INSERT, [JSON.stringify(records)]);
}

/**
 * Writes changed rows. Turns are given up before they are taken: the index that allows one per device is checked row by
 * row.
 */
export async function writeInstallations(tx: Tx, changed: readonly Installation[]): Promise<void> {
  const without = changed.filter((one) => !one.executing);
  const having = changed.filter((one) => one.executing);
  for (const rows of [without, having]) {
    if (rows.length > 0) await tx.query(UPDATE, [JSON.stringify(rows.map(changingRecord))]);
  }
}

/** A value for each column of a list: one that is forgotten does not compile. */
type RecordOf<Columns extends readonly (readonly [string, string])[]> = Record<Columns[number][0], unknown>;

function fixedRecord(i: Installation): RecordOf<typeof FIXED> {
  return {
    device_id: i.deviceId,
    firmware_id: i.firmwareId,
    rollout_id: i.rolloutId,
    slot: i.slot,
    priority: i.priority,
    policy: i.policy,
    sha256: i.sha256,
    not_before: iso(i.notBefore),
    deadline: iso(i.deadline),
    requested_at: iso(i.requestedAt),
  };
}

function changingRecord(i: Installation): RecordOf<typeof CHANGING> & { tenant_id: string; id: string } {
  return {
    tenant_id: i.tenantId,
    id: i.id,
    state: i.state,
    executing: i.executing,
    place: i.place,
    attempt: i.attempt,
    last_seq: i.lastSeq,
    revision: i.revision,
    gate: i.gate,
    prior_sha256: i.priorSha256,
    retry_at: iso(i.retryAt),
    due_at: iso(i.dueAt),
    state_since: iso(i.stateSince),
    started_at: iso(i.startedAt),
    completed_at: iso(i.completedAt),
    rejected_at: iso(i.rejectedAt),
    reject_reason: i.rejectReason,
    ended_at: iso(i.endedAt),
    progress: i.progress,
    error: i.error,
    cancel: i.cancel,
    deferral: i.deferral,
    hello_asked_at: iso(i.helloAskedAt),
    back_at: iso(i.backAt),
    offered_at: iso(i.offeredAt),
    doubt: i.doubt,
    already_installed: i.alreadyInstalled,
  };
}
