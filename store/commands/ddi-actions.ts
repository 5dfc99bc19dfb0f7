import type { Cancellation, Installation } from '../../domain/installation/installation.js';
import { isEnded } from '../../domain/installation/states.js';
import type { Tx } from '../db/pool.js';
import { keepDiagnostics } from '../fleet/diagnostics.js';

/** An action that a number names, with what it installs. */
export interface DdiAction {
  readonly number: number;
  readonly deviceId: string;
  readonly installationId: string;
  readonly attempt: number;
  /** Of the installation, whichever attempt it is in. */
  readonly state: Installation['state'];
  readonly gate: 'go' | 'hold';
  readonly progress: Installation['progress'];
  readonly revision: number;
  /** It is this attempt that the device is to work on. */
  readonly isActive: boolean;
  readonly isCanceling: boolean;
  readonly slot: string;
  /** As the device type calls the slot for this interface; null = by its name. */
  readonly part: string | null;
  readonly firmware: DdiFirmware;
}

/** What an action installs. Hashes are lower-case hex, the size is bytes. */
export interface DdiFirmware {
  readonly id: string;
  readonly name: string;
  readonly version: string | null;
  /** From its label `fileName`. */
  readonly fileName: string | null;
  readonly size: number;
  readonly sha256: string;
  /** null = its bytes were uploaded before these were made. */
  readonly sha1: string | null;
  readonly md5: string | null;
  /** Epoch milliseconds. */
  readonly updatedAt: number;
  /** false = it was deleted, and its bytes with it. */
  readonly isThere: boolean;
}

interface ActionRow {
  number: number;
  device_id: string;
  installation_id: string;
  action_attempt: number;
  attempt: number;
  state: Installation['state'];
  executing: boolean;
  gate: 'go' | 'hold';
  progress: Installation['progress'];
  revision: string | null;
  cancel: Cancellation | null;
  slot: string;
  part: string | null;
  firmware_id: string;
  name: string;
  version: string | null;
  file_name: string | null;
  size: string | null;
  sha256: string;
  sha1: string | null;
  md5: string | null;
  updated_at: Date;
  is_there: boolean;
}

/** @returns undefined where this device has no such action. */
export async function readAction(
  tx: Tx,
  tenantId: string,
  deviceId: string,
  number: number,
): Promise<DdiAction | undefined> {
  const { rows } = await tx.query<ActionRow>(
    `SELECT a.number, a.device_id, a.installation_id, a.attempt AS action_attempt, i.attempt, i.state, i.executing,
       i.gate, i.progress, i.revision, i.cancel, i.slot, t.slots->i.slot->>'part' AS part, i.firmware_id, f.name,
       f.version, f.labels->>'fileName' AS file_name, f.size, i.sha256, f.sha1, f.md5, f.updated_at,
       f.state = 'ready' AS is_there
     FROM hawkbit_actions a
     JOIN installations i ON i.tenant_id = a.tenant_id AND i.id = a.installation_id
     JOIN firmwares f ON f.tenant_id = i.tenant_id AND f.id = i.firmware_id
     JOIN devices d ON d.tenant_id = a.tenant_id AND d.id = a.device_id
     JOIN device_types t ON t.tenant_id = d.tenant_id AND t.id = d.device_type_id
     WHERE a.tenant_id = $1 AND a.number = $2 AND a.device_id = $3`,
    [tenantId, number, deviceId],
  );
  return rows[0] && toAction(rows[0]);
}

function toAction(row: ActionRow): DdiAction {
  const isActive =
    row.attempt === row.action_attempt &&
    !isEnded(row.state) &&
    row.state !== 'confirming' &&
    row.state !== 'scheduled' &&
    row.state !== 'queued';
  return {
    number: row.number,
    deviceId: row.device_id,
    installationId: row.installation_id,
    attempt: row.action_attempt,
    state: row.state,
    gate: row.gate,
    progress: row.progress,
    revision: Number(row.revision),
    isActive,
    isCanceling: isActive && row.cancel !== null,
    slot: row.slot,
    part: row.part,
    firmware: {
      id: row.firmware_id,
      name: row.name,
      version: row.version,
      fileName: row.file_name,
      size: Number(row.size),
      sha256: row.sha256,
      sha1: row.sha1,
      md5: row.md5,
      updatedAt: row.updated_at.getTime(),
      isThere: row.is_there,
    },
  };
}

/** Under which a device's lines of an action stand in its diagnostics. */
const topicOf = (number: number) => `hawkbit/${number}`;

/** What a device said of an action, for people and for `actionHistory`: kept as other diagnostics are, for an hour. */
export async function keepLines(
  tx: Tx,
  tenantId: string,
  { deviceId, number }: Pick<DdiAction, 'deviceId' | 'number'>,
  lines: readonly string[],
  now: number,
): Promise<void> {
  if (lines.length === 0) return;
  const about = { tenantId, deviceId, at: now, reason: 'log', topic: topicOf(number) };
  await keepDiagnostics(
    tx,
    lines.map((detail) => ({ ...about, detail })),
  );
}

/** Newest first. */
export async function readLines(
  tx: Tx,
  tenantId: string,
  { deviceId, number }: Pick<DdiAction, 'deviceId' | 'number'>,
  most: number,
): Promise<string[]> {
  const { rows } = await tx.query<{ detail: string }>(
    `SELECT detail FROM device_diagnostics WHERE tenant_id = $1 AND device_id = $2 AND topic = $3
     ORDER BY entry DESC LIMIT $4`,
    [tenantId, deviceId, topicOf(number), most],
  );
  return rows.map((row) => row.detail);
}

/** Keeps the hashes of a firmware that was uploaded before they were made. */
export async function keepHashes(
  tx: Tx,
  tenantId: string,
  firmwareId: string,
  { sha1, md5 }: { readonly sha1: string; readonly md5: string },
): Promise<void> {
  await tx.query(`UPDATE firmwares SET sha1 = $3, md5 = $4 WHERE tenant_id = $1 AND id = $2 AND sha1 IS NULL`, [
    tenantId,
    firmwareId,
    sha1,
    md5,
  ]);
}
