import { randomUUID } from 'node:crypto';
import { DomainError } from '../../domain/errors.js';
import { noSuchType } from '../fleet/types.js';
import { oneRow } from '../db/one-row.js';
import type { Page, PageRequest } from '../db/page.js';
import type { Tx } from '../db/pool.js';
import { BY_CREATION, readPage } from '../db/read-page.js';
import { createIssuedCertificate } from './certificates.js';
import { createDevice } from './devices.js';
import { hashOfKey, rejected, sameAnswer } from './same-enrolment.js';

/** What becomes of a device that asks to come; `preauthorised` was announced by an operator. */
export type EnrolmentState = 'preauthorised' | 'pending' | 'approved' | 'rejected' | 'issued';

/** As the REST API answers it. Times are RFC 3339. */
export interface Enrolment {
  readonly id: string;
  readonly serial: string;
  readonly aliases: string[];
  readonly deviceTypeId: string;
  readonly state: EnrolmentState;
  readonly tokenId?: string;
  readonly deviceId?: string;
  /** SHA-256 of the public key, hex. */
  readonly publicKey?: string;
  readonly address?: string;
  readonly createdAt: string;
  readonly decidedAt?: string;
  readonly decidedBy?: string;
}

interface EnrolmentRow {
  id: string;
  serial: string;
  aliases: string[];
  device_type_id: string;
  public_key_hash: Buffer | null;
  state: EnrolmentState;
  token_id: string | null;
  device_id: string | null;
  certificate_id: string | null;
  address: string | null;
  created_at: Date;
  decided_at: Date | null;
  decided_by: string | null;
}

const COLUMNS =
  'id, serial, aliases, device_type_id, public_key_hash, state, token_id, device_id, certificate_id, address, created_at, decided_at, decided_by';

/** Of one tenant: a stolen token with `approval: manual` shall not fill the list. */
const MOST_PENDING = 1_000;
const PENDING_DAYS = 7;

/** What a device says of itself, and from where. `publicKey`: SubjectPublicKeyInfo, DER. */
export interface Applicant {
  readonly serial: string;
  readonly aliases: readonly string[];
  readonly publicKey: Buffer;
  readonly address: string | null;
}

/** Makes a certificate, PEM, for this common name and key. */
export type Issue = (commonName: string, publicKey: Buffer) => Promise<string>;

/** `issued`: `isNew` where this request made the certificate. `pending`: an operator has to say yes first. */
export type Enrolled =
  | {
      readonly state: 'issued';
      readonly id: string;
      readonly deviceId: string;
      readonly certificate: string;
      readonly isNew: boolean;
    }
  | { readonly state: 'pending'; readonly id: string };

/**
 * A device comes with a token of its batch. One row for each serial decides, under its lock: who asked first with a
 * serial has it, another key is a clone until an operator opens the serial again. The token's uses are counted in this
 * transaction.
 * @throws DomainError ENROLMENT_TOKEN_INVALID, ENROLMENT_REJECTED, DEVICE_CERTIFICATE_REVOKED, REQUEST_RATE,
 * TENANT_QUOTA
 */
export async function enrol(
  tx: Tx,
  token: { tenantId: string; id: string },
  applicant: Applicant,
  issue: Issue,
  now: number,
): Promise<Enrolled> {
  const { tenantId } = token;
  const keyHash = hashOfKey(applicant.publicKey);
  const before = await lockSerial(tx, tenantId, applicant.serial);
  if (before === undefined || before.state === 'preauthorised' || before.state === 'approved') {
    const { deviceTypeId, approval } = await usableToken(tx, token, before?.state === 'approved', now);
    if (before?.public_key_hash && !before.public_key_hash.equals(keyHash)) throw rejected(applicant.serial);
    await refuseBoundNames(tx, tenantId, applicant, before?.device_id ?? null);
    const row =
      before ??
      (await insertEnrolment(tx, token, applicant, { deviceTypeId, keyHash, isManual: approval === 'manual' }, now));
    if (row.state === 'pending') return { state: 'pending', id: row.id };
    return issueTo(tx, token, row, applicant, issue, now);
  }
  if (before.state === 'issued') {
    const known = { serial: before.serial, deviceId: before.device_id, publicKeyHash: before.public_key_hash };
    return { state: 'issued', id: before.id, isNew: false, ...(await sameAnswer(tx, tenantId, known, keyHash)) };
  }
  // The one with the same key is the device that asked before.
  if (!before.public_key_hash?.equals(keyHash) || before.state === 'rejected') throw rejected(applicant.serial);
  return { state: 'pending', id: before.id };
}

async function lockSerial(tx: Tx, tenantId: string, serial: string): Promise<EnrolmentRow | undefined> {
  // Two devices with one serial at the same moment: the second waits here for the first.
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`enrolment ${tenantId} ${serial}`]);
  const { rows } = await tx.query<EnrolmentRow>(
    `SELECT ${COLUMNS} FROM enrolments WHERE tenant_id = $1 AND serial = $2 FOR UPDATE`,
    [tenantId, serial],
  );
  return rows[0];
}

interface Usable {
  readonly deviceTypeId: string;
  readonly approval: 'auto' | 'manual';
}

/** @param isApproved what an operator said yes to is not undone by the token's end. */
async function usableToken(
  tx: Tx,
  { tenantId, id }: { tenantId: string; id: string },
  isApproved: boolean,
  now: number,
): Promise<Usable> {
  const { rows } = await tx.query<{
    device_type_id: string;
    approval: 'auto' | 'manual';
    uses: number;
    used: number;
    expires_at: Date;
    revoked_at: Date | null;
  }>(
    'SELECT device_type_id, approval, uses, used, expires_at, revoked_at FROM enrolment_tokens WHERE tenant_id = $1 AND id = $2 FOR UPDATE',
    [tenantId, id],
  );
  const row = oneRow(rows, 'the token was found a moment ago');
  if (row.revoked_at !== null) throw invalid('was revoked');
  if (row.used >= row.uses) throw invalid(`was used ${row.uses} times, as often as it may be`);
  if (row.expires_at.getTime() <= now && !isApproved) throw invalid(`expired at ${row.expires_at.toISOString()}`);
  return { deviceTypeId: row.device_type_id, approval: row.approval };
}

/** A serial or alias that is the name of another device: a clone, or a mistake; an operator has to look. */
async function refuseBoundNames(
  tx: Tx,
  tenantId: string,
  { serial, aliases }: Applicant,
  ownId: string | null,
): Promise<void> {
  const { rows } = await tx.query<{ alias: string }>(
    `SELECT alias FROM device_aliases WHERE tenant_id = $1 AND alias = ANY ($2::text[])
      AND device_id IS DISTINCT FROM $3::uuid LIMIT 1`,
    [tenantId, [serial, ...aliases], ownId],
  );
  if (rows[0]) throw rejected(rows[0].alias);
}

async function insertEnrolment(
  tx: Tx,
  token: { tenantId: string; id: string },
  { serial, aliases, address }: Applicant,
  { deviceTypeId, keyHash, isManual }: { deviceTypeId: string; keyHash: Buffer; isManual: boolean },
  now: number,
): Promise<EnrolmentRow> {
  if (isManual) await refuseCrowd(tx, token.tenantId);
  const { rows } = await tx.query<EnrolmentRow>(
    `INSERT INTO enrolments (tenant_id, id, serial, aliases, device_type_id, public_key_hash, state, token_id, address, created_at, created_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING ${COLUMNS}`,
    [
      token.tenantId,
      randomUUID(),
      serial,
      aliases,
      deviceTypeId,
      keyHash,
      isManual ? 'pending' : 'approved',
      token.id,
      address,
      new Date(now),
      `enrolment-token:${token.id}`,
    ],
  );
  return oneRow(rows, 'the new enrolment');
}

async function refuseCrowd(tx: Tx, tenantId: string): Promise<void> {
  // Those who come at the same moment would each count without the others.
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`pending enrolments ${tenantId}`]);
  const { rows } = await tx.query<{ pending: string }>(
    `SELECT count(*) AS pending FROM enrolments WHERE tenant_id = $1 AND state = 'pending'`,
    [tenantId],
  );
  if (Number(rows[0]?.pending) >= MOST_PENDING)
    throw new DomainError(
      'REQUEST_RATE',
      `${MOST_PENDING} enrolments of this tenant wait for an operator; try again when some were approved or rejected`,
      { retryAfter: 3_600 },
    );
}

async function issueTo(
  tx: Tx,
  token: { tenantId: string; id: string },
  row: EnrolmentRow,
  { serial, aliases, publicKey, address }: Applicant,
  issue: Issue,
  now: number,
): Promise<Enrolled> {
  const { tenantId } = token;
  const deviceId = row.device_id ?? (await deviceOf(tx, tenantId, row.device_type_id, serial, aliases));
  const certificate = await issue(`${tenantId}/${deviceId}`, publicKey);
  const { id: certificateId } = await createIssuedCertificate(tx, tenantId, deviceId, certificate);
  await tx.query('UPDATE enrolment_tokens SET used = used + 1 WHERE tenant_id = $1 AND id = $2', [tenantId, token.id]);
  await tx.query(
    `UPDATE enrolments SET state = 'issued', device_id = $3, certificate_id = $4, public_key_hash = $5, token_id = $6,
      address = $7, aliases = $8, decided_at = coalesce(decided_at, $9), decided_by = coalesce(decided_by, 'token')
     WHERE tenant_id = $1 AND id = $2`,
    [tenantId, row.id, deviceId, certificateId, hashOfKey(publicKey), token.id, address, aliases, new Date(now)],
  );
  return { state: 'issued', id: row.id, deviceId, certificate, isNew: true };
}

/** @throws DomainError ENROLMENT_REJECTED where a name was given to another device in this very moment. */
async function deviceOf(
  tx: Tx,
  tenantId: string,
  deviceTypeId: string,
  serial: string,
  aliases: readonly string[],
): Promise<string> {
  const info = { name: serial, deviceTypeId, tags: [], aliases: [...new Set([serial, ...aliases])] };
  try {
    return (await createDevice(tx, tenantId, { info })).id;
  } catch (error) {
    if (!(error instanceof DomainError) || error.code !== 'DEVICE_ALIAS_CONFLICT') throw error;
    throw rejected(serial, error);
  }
}

/** Newest first. */
export function listEnrolments(
  tx: Tx,
  tenantId: string,
  state: EnrolmentState | undefined,
  page: PageRequest,
): Promise<Page<Enrolment>> {
  return readPage<EnrolmentRow, Enrolment>(
    tx,
    {
      columns: COLUMNS,
      from: 'enrolments',
      where: ['tenant_id = $1', '($2::text IS NULL OR state = $2::text)'],
      values: [tenantId, state ?? null],
      sorts: { createdAt: BY_CREATION },
      time: 'createdAt',
    },
    page,
    toEnrolment,
  );
}

/** @throws DomainError ENROLMENT_NOT_FOUND, ENROLMENT_NOT_PENDING */
export async function decideEnrolment(
  tx: Tx,
  tenantId: string,
  id: string,
  decision: 'approved' | 'rejected',
  { by, now }: { by: string; now: number },
): Promise<Enrolment> {
  const { rows } = await tx.query<EnrolmentRow>(
    `SELECT ${COLUMNS} FROM enrolments WHERE tenant_id = $1 AND id = $2 FOR UPDATE`,
    [tenantId, id],
  );
  const [row] = rows;
  if (!row) throw new DomainError('ENROLMENT_NOT_FOUND', `there is no enrolment ${id}`);
  if (row.state === decision) return toEnrolment(row);
  if (row.state !== 'pending')
    throw new DomainError('ENROLMENT_NOT_PENDING', `the enrolment of ${row.serial} is ${row.state}, no longer pending`);
  const changed = await tx.query<EnrolmentRow>(
    `UPDATE enrolments SET state = $3, decided_at = $4, decided_by = $5 WHERE tenant_id = $1 AND id = $2
     RETURNING ${COLUMNS}`,
    [tenantId, id, decision, new Date(now), by],
  );
  return toEnrolment(oneRow(changed.rows, 'the enrolment is locked'));
}

/** What an operator announces. `publicKey`: SubjectPublicKeyInfo, DER; absent = any key may come. */
export interface Announced {
  readonly serial: string;
  readonly publicKey?: Buffer | undefined;
  readonly deviceTypeId: string;
}

/**
 * A device that is announced needs no approval when it comes. One that is enrolled may come once more, as the same
 * device: with a new key where its old one is lost. @throws DomainError DEVICETYPE_NOT_FOUND
 */
export async function preauthorise(
  tx: Tx,
  tenantId: string,
  { serial, publicKey, deviceTypeId }: Announced,
  { by, now }: { by: string; now: number },
): Promise<Enrolment> {
  const type = await tx.query('SELECT FROM device_types WHERE tenant_id = $1 AND id = $2', [tenantId, deviceTypeId]);
  if (type.rowCount === 0) throw noSuchType(deviceTypeId);
  const before = await lockSerial(tx, tenantId, serial);
  const bound = await tx.query<{ device_id: string }>(
    'SELECT device_id FROM device_aliases WHERE tenant_id = $1 AND alias = $2',
    [tenantId, serial],
  );
  const { rows } = await tx.query<EnrolmentRow>(
    `INSERT INTO enrolments (tenant_id, id, serial, device_type_id, public_key_hash, state, device_id, created_at, created_by)
     VALUES ($1, $2, $3, $4, $5, 'preauthorised', $6, $7, $8)
     ON CONFLICT (tenant_id, serial) DO UPDATE SET state = 'preauthorised', public_key_hash = EXCLUDED.public_key_hash,
       device_type_id = EXCLUDED.device_type_id, device_id = EXCLUDED.device_id, decided_at = NULL, decided_by = NULL
     RETURNING ${COLUMNS}`,
    [
      tenantId,
      before?.id ?? randomUUID(),
      serial,
      deviceTypeId,
      publicKey === undefined ? null : hashOfKey(publicKey),
      before?.device_id ?? bound.rows[0]?.device_id ?? null,
      new Date(now),
      by,
    ],
  );
  return toEnrolment(oneRow(rows, 'the enrolment'));
}

/** Those that no operator looked at for a week. @returns how many. */
export async function forgetPending(tx: Tx, now: number): Promise<number> {
  const { rowCount } = await tx.query(`DELETE FROM enrolments WHERE state = 'pending' AND created_at < $1`, [
    new Date(now - PENDING_DAYS * 86_400_000),
  ]);
  return rowCount ?? 0;
}

/** A device's next certificate, beside the present one. @throws DomainError DEVICE_NOT_FOUND */
export async function renewCertificate(
  tx: Tx,
  { tenantId, deviceId }: { tenantId: string; deviceId: string },
  publicKey: Buffer,
  issue: Issue,
): Promise<{ id: string; certificate: string }> {
  const certificate = await issue(`${tenantId}/${deviceId}`, publicKey);
  const { id } = await createIssuedCertificate(tx, tenantId, deviceId, certificate);
  return { id, certificate };
}

function invalid(why: string): DomainError {
  return new DomainError('ENROLMENT_TOKEN_INVALID', `the enrolment token ${why}`);
}

function toEnrolment(row: EnrolmentRow): Enrolment {
  return {
    id: row.id,
    serial: row.serial,
    aliases: row.aliases,
    deviceTypeId: row.device_type_id,
    state: row.state,
    ...(row.token_id === null ? {} : { tokenId: row.token_id }),
    ...(row.device_id === null ? {} : { deviceId: row.device_id }),
    ...(row.public_key_hash === null ? {} : { publicKey: row.public_key_hash.toString('hex') }),
    ...(row.address === null ? {} : { address: row.address }),
    createdAt: row.created_at.toISOString(),
    ...(row.decided_at === null ? {} : { decidedAt: row.decided_at.toISOString() }),
    ...(row.decided_by === null ? {} : { decidedBy: row.decided_by }),
  };
}
