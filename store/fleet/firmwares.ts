import { oneRow } from '../db/one-row.js';
import { randomUUID } from 'node:crypto';
import type { Firmware, FirmwareState } from '../../domain/artifact/firmware.js';
import { DomainError } from '../../domain/errors.js';
import type { Page, PageRequest } from '../db/page.js';
import type { Pool, Tx } from '../db/pool.js';
import { assertQuota } from '../db/quotas.js';
import { wildcards } from '../../domain/fleet/filter-tree.js';
import { namePattern } from '../db/name-part.js';
import { BY_CREATION, BY_NAME, readPage } from '../db/read-page.js';
import { asService } from '../db/transaction.js';
import { textCondition } from './filter.js';

/** What a caller says of firmware before it has a blob; null = not given. */
export interface NewFirmware {
  name: string;
  description: string | null;
  version: string | null;
  contentType: string;
  labels: Record<string, string>;
  createdBy: string;
  /** What its blob must be: lower-case hex, bytes. */
  sha256?: string | undefined;
  size?: number | undefined;
}

interface FirmwareRow {
  tenant_id: string;
  id: string;
  name: string;
  description: string | null;
  version: string | null;
  state: FirmwareState;
  size: string | null;
  sha256: string | null;
  content_type: string;
  labels: Record<string, string>;
  created_by: string;
  created_at: Date;
  updated_at: Date;
  upload_seen_at: Date | null;
  expected_sha256: string | null;
  expected_size: string | null;
}

const COLUMNS =
  'tenant_id, id, name, description, version, state, size, sha256, content_type, labels, created_by, created_at, updated_at, upload_seen_at, expected_sha256, expected_size';

/** What a draft's age is judged by: how long it may wait for its blob, and the present. Milliseconds. */
export interface DraftAge {
  lifetimeMs: number;
  now: number;
}

/** Makes a draft without a blob, with a new id. `now`: epoch milliseconds. */
export async function createFirmware(tx: Tx, tenantId: string, firmware: NewFirmware, now: number): Promise<Firmware> {
  await assertQuota(tx, tenantId, 'firmwares');
  const { rows } = await tx.query<FirmwareRow>(
    `INSERT INTO firmwares (tenant_id, id, name, description, version, content_type, labels, created_by, created_at,
      updated_at, expected_sha256, expected_size)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11) RETURNING ${COLUMNS}`,
    [
      tenantId,
      randomUUID(),
      firmware.name,
      firmware.description,
      firmware.version,
      firmware.contentType,
      JSON.stringify(firmware.labels),
      firmware.createdBy,
      new Date(now),
      firmware.sha256 ?? null,
      firmware.size ?? null,
    ],
  );
  return toFirmware(oneRow(rows, 'the new firmware'), { lifetimeMs: Infinity, now });
}

/** @throws DomainError FIRMWARE_NO_ACCESS_TO_RESOURCE, also for what was deleted. */
export async function readFirmware(tx: Tx, tenantId: string, id: string, age: DraftAge): Promise<Firmware> {
  const { rows } = await tx.query<FirmwareRow>(
    `SELECT ${COLUMNS} FROM firmwares WHERE tenant_id = $1 AND id = $2 AND state <> 'retired'`,
    [tenantId, id],
  );
  if (!rows[0]) throw noSuchFirmware(id);
  return toFirmware(rows[0], age);
}

/** What a list of firmwares may be asked for. All must match; absent = any. */
export interface FirmwareFilter {
  /** Part of the name, in any case of letters. */
  readonly q?: string | undefined;
  /** Any of these; `*` stands for any characters. Likewise `version`. */
  readonly name?: readonly string[] | undefined;
  readonly version?: readonly string[] | undefined;
  /** Any of these, in lower case. */
  readonly sha256?: readonly string[] | undefined;
  /** Any of these, as they are shown: a draft is expired from the moment on that it is too old. */
  readonly state?: readonly string[] | undefined;
}

/** Newest first or by `name`, without tombstones. */
export function listFirmwares(
  tx: Tx,
  tenantId: string,
  filter: FirmwareFilter,
  page: PageRequest,
  age: DraftAge,
): Promise<Page<Firmware>> {
  const values: unknown[] = [tenantId];
  const where = ['tenant_id = $1', `state <> 'retired'`];
  const named = namePattern(filter.q);
  if (named !== undefined) {
    values.push(named);
    where.push(`name ILIKE $${values.length}`);
  }
  if (filter.name) where.push(textCondition('name', filter.name.map(wildcards), values));
  if (filter.version) where.push(textCondition('version', filter.version.map(wildcards), values));
  if (filter.sha256) {
    values.push(filter.sha256);
    where.push(`sha256 = ANY($${values.length}::text[])`);
  }
  if (filter.state) {
    values.push(filter.state, new Date(age.now - age.lifetimeMs));
    where.push(
      `CASE WHEN state = 'draft' AND greatest(created_at, upload_seen_at) < $${values.length}::timestamptz
        THEN 'expired' ELSE state END = ANY($${values.length - 1}::text[])`,
    );
  }
  return readPage<FirmwareRow, Firmware>(
    tx,
    {
      columns: COLUMNS,
      from: 'firmwares',
      where,
      values,
      sorts: { createdAt: BY_CREATION, name: BY_NAME },
      time: 'createdAt',
    },
    page,
    (row) => toFirmware(row, age),
  );
}

/**
 * An upload begins or goes on: the draft stays alive.
 * @throws DomainError FIRMWARE_NO_ACCESS_TO_RESOURCE, FIRMWARE_BLOB_EXISTS, FIRMWARE_EXPIRED
 */
export async function keepDraftAlive(tx: Tx, tenantId: string, id: string, age: DraftAge): Promise<void> {
  const { rowCount } = await tx.query(
    `UPDATE firmwares SET upload_seen_at = greatest(upload_seen_at, $3) WHERE tenant_id = $1 AND id = $2 AND state = 'draft'
      AND greatest(created_at, upload_seen_at) >= $4`,
    [tenantId, id, new Date(age.now), new Date(age.now - age.lifetimeMs)],
  );
  if (rowCount === 0) throw await whyNoDraft(tx, tenantId, id, age);
}

/** An upload that may go on later has begun: the draft lives as if one were under way until `until` (milliseconds). */
export async function keepDraftUntil(tx: Tx, tenantId: string, id: string, until: number): Promise<void> {
  await tx.query(
    `UPDATE firmwares SET upload_seen_at = greatest(upload_seen_at, $3) WHERE tenant_id = $1 AND id = $2
      AND state = 'draft'`,
    [tenantId, id, new Date(until)],
  );
}

/**
 * The blob's bytes are in the store: compare and set, so that of two uploads exactly one wins. The age is not asked for
 * any more: an upload in progress keeps the draft alive.
 * @throws DomainError FIRMWARE_NO_ACCESS_TO_RESOURCE, FIRMWARE_BLOB_EXISTS, FIRMWARE_EXPIRED
 */
export async function attachContent(
  tx: Tx,
  tenantId: string,
  id: string,
  content: { sha256: string; size: number },
  now: number,
): Promise<void> {
  await assertQuota(tx, tenantId, 'bytes', content.size);
  const { rowCount } = await tx.query(
    `UPDATE firmwares SET state = 'ready', sha256 = $3, size = $4, updated_at = $5 WHERE tenant_id = $1 AND id = $2
      AND state = 'draft'`,
    [tenantId, id, content.sha256, content.size, new Date(now)],
  );
  if (rowCount === 0) throw await whyNoDraft(tx, tenantId, id, { lifetimeMs: 0, now });
}

async function whyNoDraft(tx: Tx, tenantId: string, id: string, age: DraftAge): Promise<DomainError> {
  const firmware = await readFirmware(tx, tenantId, id, age);
  return firmware.state === 'ready'
    ? blobExists(id)
    : new DomainError('FIRMWARE_EXPIRED', `firmware ${id} expired before a blob was attached; create a new one`);
}

/** A firmware gets its blob once. */
export function blobExists(id: string): DomainError {
  return new DomainError(
    'FIRMWARE_BLOB_EXISTS',
    `firmware ${id} has a blob already, which cannot change; create a new firmware for other content`,
  );
}

/**
 * Drafts that got no blob in time. They are shown as expired from that moment on; this writes it down. @returns
 * how many.
 */
export async function expireDrafts(pool: Pool, lifetimeMs: number, now: number): Promise<number> {
  const expired = await asService(pool, (tx) =>
    tx.query(
      `UPDATE firmwares SET state = 'expired', updated_at = $1 WHERE state = 'draft' AND created_at < $2
        AND greatest(created_at, upload_seen_at) < $2`,
      [new Date(now), new Date(now - lifetimeMs)],
    ),
  );
  return expired.rowCount ?? 0;
}

/**
 * Holds the content's lock to the end of the transaction. An attach holds the lock while it checks that the
 * bytes are there, a removal while it checks that they are not needed: so no firmware is left with bytes that are
 * gone.
 */
export async function lockContent(tx: Tx, sha256: string): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('content:' || $1, 0))`, [sha256]);
}

/** Whether any firmware of any tenant needs these bytes. Call it as a service: the API sees one tenant only. */
export async function isContentNeeded(tx: Tx, sha256: string): Promise<boolean> {
  const { rows } = await tx.query(`SELECT FROM firmwares WHERE sha256 = $1 AND state = 'ready' LIMIT 1`, [sha256]);
  return rows.length > 0;
}

/**
 * Locks a firmware's row: nothing can refer to it newly until the end of the transaction.
 * @throws DomainError FIRMWARE_NO_ACCESS_TO_RESOURCE
 */
export async function lockFirmware(tx: Tx, tenantId: string, id: string, now: number): Promise<Firmware> {
  const { rows } = await tx.query<FirmwareRow>(
    `SELECT ${COLUMNS} FROM firmwares WHERE tenant_id = $1 AND id = $2 AND state <> 'retired' FOR UPDATE`,
    [tenantId, id],
  );
  if (!rows[0]) throw noSuchFirmware(id);
  return toFirmware(rows[0], { lifetimeMs: Infinity, now });
}

/** Of a deleted firmware, name, version, size and hash stay; its associations go. */
export async function leaveTombstone(tx: Tx, tenantId: string, id: string, now: number): Promise<void> {
  await tx.query(`DELETE FROM firmware_associations WHERE tenant_id = $1 AND firmware_id = $2`, [tenantId, id]);
  await tx.query(
    `UPDATE firmwares SET state = 'retired', retired_at = $3, updated_at = $3 WHERE tenant_id = $1 AND id = $2`,
    [tenantId, id, new Date(now)],
  );
}

function noSuchFirmware(id: string): DomainError {
  return new DomainError(
    'FIRMWARE_NO_ACCESS_TO_RESOURCE',
    `firmware ${id} does not exist, or belongs to another tenant`,
  );
}

function expectedOf({ expected_sha256: sha256, expected_size: size }: FirmwareRow): Firmware['expected'] {
  if (sha256 === null && size === null) return null;
  return { ...(sha256 === null ? {} : { sha256 }), ...(size === null ? {} : { size: Number(size) }) };
}

function toFirmware(row: FirmwareRow, age: DraftAge): Firmware {
  const seen = Math.max(row.created_at.getTime(), row.upload_seen_at?.getTime() ?? 0);
  return {
    tenantId: row.tenant_id,
    id: row.id,
    name: row.name,
    description: row.description,
    version: row.version,
    state: row.state === 'draft' && age.now - seen > age.lifetimeMs ? 'expired' : row.state,
    content: row.sha256 === null || row.size === null ? null : { sha256: row.sha256, size: Number(row.size) },
    expected: expectedOf(row),
    contentType: row.content_type,
    labels: row.labels,
    createdBy: row.created_by,
    createdAt: row.created_at.getTime(),
    updatedAt: row.updated_at.getTime(),
  };
}
