import { randomUUID } from 'node:crypto';
import { DomainError } from '../../domain/errors.js';
import type { Pool, Tx } from '../db/pool.js';
import { assertQuota } from '../db/quotas.js';
import { asService } from '../db/transaction.js';
import { blobExists, keepDraftAlive, keepDraftUntil, readFirmware, type DraftAge } from './firmwares.js';

/** With pieces of 8 MiB an upload may have 80 GiB. More pieces come only from a client that sends crumbs. */
const MAX_PIECES = 10_000;
/** Uploads of one round of housekeeping. */
const AT_MOST = 100;
/** 8 GiB of them. */
const PIECES_AT_ONCE = 1_000;

/** An upload that resumes (docs/contracts/rest-api.md, "Uploads that resume"). Bytes and epoch milliseconds. */
export interface Upload {
  readonly id: string;
  readonly firmwareId: string;
  readonly length: number;
  /** So many bytes are kept: the next piece begins here. */
  readonly received: number;
  /** What the client said of it, as it said it. */
  readonly metadata: string | null;
  readonly expiresAt: number;
  readonly isFinished: boolean;
}

/** A part of an upload that is in the blob store under `name`. */
export interface Piece {
  readonly name: string;
  readonly size: number;
}

/** What the maker of an upload says; `expiresAt` in epoch milliseconds. */
export interface NewUpload {
  readonly length: number;
  readonly metadata: string | null;
  readonly expiresAt: number;
  /** How long what it is for is kept after that. */
  readonly graceMs: number;
}

interface UploadRow {
  id: string;
  firmware_id: string;
  length: string;
  received: string;
  pieces: number;
  metadata: string | null;
  expires_at: Date;
  finished_at: Date | null;
}

const COLUMNS = 'u.id, u.firmware_id, u.length, u.received, u.pieces, u.metadata, u.expires_at, u.finished_at';

/**
 * Begins an upload; its firmware stays a draft for as long. Its length counts in the quota `bytes` until it ends.
 * @throws DomainError FIRMWARE_NO_ACCESS_TO_RESOURCE, FIRMWARE_BLOB_EXISTS, FIRMWARE_EXPIRED, TENANT_QUOTA,
 * FIRMWARE_BLOB_MISMATCH where the firmware was created with another size
 */
export async function createUpload(
  tx: Tx,
  tenantId: string,
  firmwareId: string,
  wanted: NewUpload,
  age: DraftAge,
): Promise<Upload> {
  await keepDraftAlive(tx, tenantId, firmwareId, age);
  const { expected } = await readFirmware(tx, tenantId, firmwareId, age);
  if (expected?.size !== undefined && expected.size !== wanted.length)
    throw new DomainError(
      'FIRMWARE_BLOB_MISMATCH',
      `the firmware was created with size ${expected.size}, and Upload-Length is ${wanted.length}`,
    );
  await assertQuota(tx, tenantId, 'bytes', wanted.length);
  await keepDraftUntil(tx, tenantId, firmwareId, wanted.expiresAt + wanted.graceMs - age.lifetimeMs);
  const id = randomUUID();
  await tx.query(
    `INSERT INTO firmware_uploads (tenant_id, id, firmware_id, length, metadata, created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [tenantId, id, firmwareId, wanted.length, wanted.metadata, new Date(age.now), new Date(wanted.expiresAt)],
  );
  return { ...wanted, id, firmwareId, received: 0, isFinished: false };
}

/** @throws DomainError FIRMWARE_UPLOAD_NOT_FOUND, also once it has expired or its firmware is deleted */
export async function readUpload(
  tx: Tx,
  tenantId: string,
  firmwareId: string,
  id: string,
  now: number,
): Promise<Upload> {
  const { rows } = await tx.query<UploadRow>(
    `SELECT ${COLUMNS} FROM firmware_uploads u JOIN firmwares f ON f.tenant_id = u.tenant_id AND f.id = u.firmware_id
     WHERE u.tenant_id = $1 AND u.firmware_id = $2 AND u.id = $3 AND u.expires_at > $4 AND f.state <> 'retired'`,
    [tenantId, firmwareId, id, new Date(now)],
  );
  const [row] = rows;
  if (!row)
    throw new DomainError(
      'FIRMWARE_UPLOAD_NOT_FOUND',
      `firmware ${firmwareId} has no upload ${id}, or it has expired; begin a new one`,
    );
  return {
    id: row.id,
    firmwareId: row.firmware_id,
    length: Number(row.length),
    received: Number(row.received),
    metadata: row.metadata,
    expiresAt: row.expires_at.getTime(),
    isFinished: row.finished_at !== null,
  };
}

/** Another upload may have been faster. @throws DomainError FIRMWARE_BLOB_EXISTS */
export async function assertDraft(tx: Tx, tenantId: string, firmwareId: string): Promise<void> {
  const { rows } = await tx.query(`SELECT FROM firmwares WHERE tenant_id = $1 AND id = $2 AND state = 'ready'`, [
    tenantId,
    firmwareId,
  ]);
  if (rows.length > 0) throw blobExists(firmwareId);
}

/** The pieces of an upload, in their order. */
export async function readPieces(tx: Tx, tenantId: string, uploadId: string): Promise<Piece[]> {
  const { rows } = await tx.query<Piece>(
    'SELECT name, size FROM firmware_upload_pieces WHERE tenant_id = $1 AND upload_id = $2 ORDER BY at',
    [tenantId, uploadId],
  );
  return rows;
}

/**
 * A piece is in the blob store: from now on it counts. Compare and set, so that of two that begin at the same place one
 * counts.
 * @param at where it begins
 * @throws DomainError FIRMWARE_UPLOAD_OFFSET, FIRMWARE_UPLOAD_NOT_FOUND, FIRMWARE_VALIDATION where there are too many
 */
export async function addPiece(
  tx: Tx,
  tenantId: string,
  { id, firmwareId }: Pick<Upload, 'id' | 'firmwareId'>,
  at: number,
  { name, size }: Piece,
  now: number,
): Promise<void> {
  const { rows } = await tx.query<{ pieces: number }>(
    `UPDATE firmware_uploads SET received = received + $5, pieces = pieces + 1
     WHERE tenant_id = $1 AND id = $2 AND firmware_id = $3 AND received = $4 AND received + $5 < length
       AND finished_at IS NULL AND expires_at > $6 RETURNING pieces`,
    [tenantId, id, firmwareId, at, size, new Date(now)],
  );
  if (!rows[0]) throw wrongOffset(await readUpload(tx, tenantId, firmwareId, id, now), at);
  if (rows[0].pieces > MAX_PIECES)
    throw new DomainError(
      'FIRMWARE_VALIDATION',
      `an upload has at most ${MAX_PIECES} pieces; begin a new one and send more bytes with each PATCH`,
    );
  await tx.query(
    'INSERT INTO firmware_upload_pieces (tenant_id, upload_id, at, size, name) VALUES ($1, $2, $3, $4, $5)',
    [tenantId, id, at, size, name],
  );
}

/**
 * Its last bytes came. In the transaction that attaches them, and before that: the quota counts them once.
 * @param at where the last piece begins, which is not kept
 * @throws DomainError FIRMWARE_UPLOAD_OFFSET, FIRMWARE_UPLOAD_NOT_FOUND
 */
export async function finishUpload(tx: Tx, tenantId: string, upload: Upload, at: number, now: number): Promise<void> {
  const { rowCount } = await tx.query(
    `UPDATE firmware_uploads SET received = length, finished_at = $4
     WHERE tenant_id = $1 AND id = $2 AND received = $3 AND finished_at IS NULL`,
    [tenantId, upload.id, at, new Date(now)],
  );
  if (rowCount !== 1) throw wrongOffset(await readUpload(tx, tenantId, upload.firmwareId, upload.id, now), at);
}

/** What a PATCH that begins elsewhere is answered. */
export function wrongOffset({ received }: Upload, at: number): DomainError {
  return new DomainError(
    'FIRMWARE_UPLOAD_OFFSET',
    `Upload-Offset is ${at}, and ${received} bytes are here; ask with HEAD where to go on`,
    { uploadOffset: received },
  );
}

/** Pieces that were removed from the blob store are forgotten. */
export async function forgetPieces(tx: Tx, tenantId: string, uploadId: string): Promise<void> {
  await tx.query('DELETE FROM firmware_upload_pieces WHERE tenant_id = $1 AND upload_id = $2', [tenantId, uploadId]);
}

/** Ends an upload for good; its pieces are removed from the blob store before. */
export async function deleteUpload(tx: Tx, tenantId: string, uploadId: string): Promise<void> {
  await tx.query('DELETE FROM firmware_uploads WHERE tenant_id = $1 AND id = $2', [tenantId, uploadId]);
}

/** An upload whose pieces nothing needs any more. */
export interface EndedUpload {
  readonly tenantId: string;
  readonly id: string;
  /** Whether clients may still ask for it: then its row stays. */
  readonly stays: boolean;
  readonly names: readonly string[];
}

/**
 * Uploads that expired before `before`, whose firmware takes no blob any more, or that were finished and still have
 * pieces. Some at a time.
 */
export async function readEndedUploads(pool: Pool, before: number): Promise<EndedUpload[]> {
  const { rows } = await asService(pool, (tx) =>
    tx.query<{ tenant_id: string; id: string; stays: boolean; names: string[] }>(
      `SELECT u.tenant_id, u.id, u.finished_at IS NOT NULL AND u.expires_at >= $1 AS stays,
         ARRAY(SELECT p.name::text FROM firmware_upload_pieces p
           WHERE p.tenant_id = u.tenant_id AND p.upload_id = u.id ORDER BY p.at) AS names
       FROM firmware_uploads u JOIN firmwares f ON f.tenant_id = u.tenant_id AND f.id = u.firmware_id
       WHERE u.expires_at < $1 OR (u.finished_at IS NULL AND f.state <> 'draft')
         OR (u.finished_at IS NOT NULL AND EXISTS (SELECT FROM firmware_upload_pieces p
           WHERE p.tenant_id = u.tenant_id AND p.upload_id = u.id))
       ORDER BY u.expires_at LIMIT ${AT_MOST}`,
      [new Date(before)],
    ),
  );
  return rows.map(({ tenant_id: tenantId, ...row }) => ({ tenantId, ...row }));
}

/** Pieces in the blob store whose tenant was removed. Some at a time. */
export async function readRemovablePieces(pool: Pool): Promise<string[]> {
  const { rows } = await asService(pool, (tx) =>
    tx.query<{ name: string }>('SELECT name::text FROM removable_pieces ORDER BY name LIMIT $1', [PIECES_AT_ONCE]),
  );
  return rows.map(({ name }) => name);
}

/** They are removed from the blob store, and forgotten. */
export async function forgetRemovablePieces(pool: Pool, names: readonly string[]): Promise<void> {
  await asService(pool, (tx) => tx.query('DELETE FROM removable_pieces WHERE name = ANY($1::uuid[])', [names]));
}
