import { randomUUID } from 'node:crypto';
import { DomainError } from '../../domain/errors.js';
import type { Firmware } from '../../domain/artifact/firmware.js';
import type { BlobStore } from '../../adapters/blobs/port.js';
import { asService } from '../../store/db/transaction.js';
import { readFirmware } from '../../store/fleet/firmwares.js';
import {
  addPiece,
  deleteUpload,
  assertDraft,
  finishUpload,
  forgetPieces,
  forgetRemovablePieces,
  readEndedUploads,
  readPieces,
  readRemovablePieces,
  readUpload,
  wrongOffset,
  type Piece,
  type Upload,
} from '../../store/fleet/uploads.js';
import type { Call, Services } from '../http/route.js';
import { assertExpected, assertFits, attach, outOfRoom } from './firmware-upload.js';
import { UploadedHashes } from './uploaded-hashes.js';

/** Held in memory until it is full: what a crash of this process costs a client at most. */
const PIECE_BYTES = 8 * 1024 * 1024;
/** What expired goes after this time: a request that finishes it may be under way. */
export const UPLOAD_GRACE_MS = 60 * 60_000;
/** After one of these the upload is worth nothing: no other bytes can follow. */
const ENDS = new Set([
  'FIRMWARE_BLOB_MISMATCH',
  'FIRMWARE_BLOB_EXISTS',
  'FIRMWARE_EXPIRED',
  'FIRMWARE_UPLOAD_NOT_FOUND',
]);

/**
 * Takes the body of a PATCH into the blob store, piece by piece; what arrived before a connection breaks is kept. The
 * piece that completes the upload is not kept by itself: it goes into the blob with all before it, and counts once that
 * is attached. So a client that finds all bytes here has a firmware with its blob.
 * @returns the upload as it is then
 * @throws DomainError FIRMWARE_UPLOAD_NOT_FOUND, FIRMWARE_UPLOAD_OFFSET, REQUEST_TOO_LARGE, FIRMWARE_STORE_FULL, and
 * with the last bytes what a plain upload throws
 */
export async function takePieces(
  services: Services,
  call: Call,
  firmwareId: string,
  uploadId: string,
  offset: number,
): Promise<Upload> {
  const { tenantId } = call.principal;
  const { request } = call;
  const upload = await call.inTenant((tx) => readUpload(tx, tenantId, firmwareId, uploadId, services.now()));
  if (upload.received !== offset) throw wrongOffset(upload, offset);
  if (!upload.isFinished) await call.inTenant((tx) => assertDraft(tx, tenantId, firmwareId));
  const declared = Number(request.headers['content-length'] ?? 0);
  if (offset + declared > upload.length) throw moreThanAnnounced(upload);
  await assertFits(services, request, declared);
  const held = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, upload.length - offset));
  let [at, filled] = [offset, 0];
  const keep = async (): Promise<void> => {
    if (filled === 0) return;
    await keepPiece(services, call, upload, at, held.subarray(0, filled));
    [at, filled] = [at + filled, 0];
  };
  let broken: unknown;
  try {
    for await (const given of request.iterator({ destroyOnReturn: false })) {
      const chunk = given as Buffer;
      if (at + filled + chunk.length > upload.length) throw moreThanAnnounced(upload);
      for (let taken = 0; taken < chunk.length;) {
        if (filled === held.length) {
          await keep();
          await assertFits(services, request, 0);
        }
        const part = chunk.subarray(taken, taken + held.length - filled);
        held.set(part, filled);
        filled += part.length;
        taken += part.length;
      }
    }
  } catch (error) {
    if (!request.destroyed || request.complete) throw error;
    broken = error;
  }
  if (filled > 0 && at + filled === upload.length) {
    await finish(services, call, upload, at, held.subarray(0, filled));
    return { ...upload, received: upload.length, isFinished: true };
  }
  await keep();
  if (broken !== undefined || !request.complete)
    throw new DomainError('REQUEST_VALIDATION', 'the body broke off; what arrived is kept', {}, { cause: broken });
  return { ...upload, received: at };
}

function moreThanAnnounced({ length }: Upload): DomainError {
  return new DomainError('REQUEST_TOO_LARGE', `the upload has ${length} bytes, and these are more`, {
    maxBytes: length,
  });
}

async function keepPiece(services: Services, call: Call, upload: Upload, at: number, bytes: Uint8Array): Promise<void> {
  const { tenantId } = call.principal;
  const { pieces } = services.blobs;
  const piece = { name: randomUUID(), size: bytes.length };
  await pieces.keep(piece.name, bytes).catch((error: unknown) => {
    throw outOfRoom(error);
  });
  try {
    await call.inTenant((tx) => addPiece(tx, tenantId, upload, at, piece, services.now()));
  } catch (error) {
    // Where the answer of the commit was lost, the piece may count: a row names it, or the sweep removes it.
    if ((error as Error).name === 'DomainError') await pieces.remove(piece.name);
    throw error;
  }
}

async function finish(services: Services, call: Call, upload: Upload, at: number, last: Uint8Array): Promise<void> {
  const { tenantId } = call.principal;
  const age = { lifetimeMs: services.draftLifetimeMs, now: services.now() };
  const { pieces, firmware } = await call.inTenant(async (tx) => ({
    pieces: await readPieces(tx, tenantId, upload.id),
    firmware: await readFirmware(tx, tenantId, upload.firmwareId, age),
  }));
  // Nothing moves on the connection while the pieces become one blob.
  call.request.socket.setTimeout(0);
  try {
    await assemble(services, call, firmware, upload, { pieces, at, last });
  } catch (error) {
    if (ENDS.has((error as DomainError).code)) await dropUpload(services, tenantId, upload.id);
    throw error;
  }
  await dropPieces(services, tenantId, upload.id, pieces);
}

async function assemble(
  services: Services,
  call: Call,
  firmware: Firmware,
  upload: Upload,
  { pieces, at, last }: { pieces: readonly Piece[]; at: number; last: Uint8Array },
): Promise<void> {
  const { tenantId } = call.principal;
  const old = new UploadedHashes(services);
  try {
    const source = old.through(joined(services.blobs, pieces, last));
    const received = await services.blobs.receive(source).catch((error: unknown) => {
      throw outOfRoom(error);
    });
    try {
      assertExpected(firmware, received);
      await attach(services, call, firmware.id, received, (tx) =>
        finishUpload(tx, tenantId, upload, at, services.now()),
      );
      old.keep(tenantId, firmware.id, received.sha256);
    } finally {
      await received.discard();
    }
  } finally {
    old.abort();
  }
}

/** @throws DomainError FIRMWARE_UPLOAD_NOT_FOUND where a piece is gone, as after a restore of the database alone */
async function* joined(blobs: BlobStore, pieces: readonly Piece[], last: Uint8Array): AsyncGenerator<Uint8Array> {
  for (const { name, size } of pieces) {
    const stream = await blobs.pieces.open(name);
    let read = 0;
    for await (const chunk of stream ?? []) {
      read += (chunk as Buffer).length;
      yield chunk as Buffer;
    }
    if (read !== size) throw new DomainError('FIRMWARE_UPLOAD_NOT_FOUND', 'pieces of the upload are lost; begin anew');
  }
  yield last;
}

/** Ends an upload: first its pieces, then its row, so that a crash in between forgets none. */
export async function dropUpload(services: Services, tenantId: string, uploadId: string): Promise<void> {
  const { pool, blobs } = services;
  const pieces = await asService(pool, (tx) => readPieces(tx, tenantId, uploadId));
  for (const { name } of pieces) await blobs.pieces.remove(name);
  await asService(pool, (tx) => deleteUpload(tx, tenantId, uploadId));
}

/** The blob is attached, whatever becomes of the pieces: housekeeping removes those that stay. */
async function dropPieces(
  { pool, blobs, log }: Services,
  tenantId: string,
  uploadId: string,
  pieces: readonly Piece[],
): Promise<void> {
  try {
    for (const { name } of pieces) await blobs.pieces.remove(name);
    await asService(pool, (tx) => forgetPieces(tx, tenantId, uploadId));
  } catch (error) {
    log.warn({ err: error, uploadId }, 'pieces of a finished upload could not be removed; tried again later');
  }
}

/** Housekeeping: what expired, or is needed no more, and pieces that belong to no upload. @returns how many. */
export async function sweepUploads(services: Pick<Services, 'pool' | 'blobs' | 'now'>, lifetimeMs: number) {
  const { pool, blobs, now } = services;
  const ended = await readEndedUploads(pool, now() - UPLOAD_GRACE_MS);
  for (const { tenantId, id, names, stays } of ended) {
    for (const name of names) await blobs.pieces.remove(name);
    await asService(pool, (tx) => (stays ? forgetPieces(tx, tenantId, id) : deleteUpload(tx, tenantId, id)));
  }
  return ended.length + (await blobs.pieces.sweep(lifetimeMs + 2 * UPLOAD_GRACE_MS));
}

/**
 * Housekeeping: pieces of uploads whose tenant was removed. @returns how many. @throws at the first that the store does
 * not remove; a crash or an error in between leaves their names, and the next round goes on
 */
export async function removeMarkedPieces({ pool, blobs }: Pick<Services, 'pool' | 'blobs'>): Promise<number> {
  const names = await readRemovablePieces(pool);
  for (const name of names) await blobs.pieces.remove(name);
  if (names.length > 0) await forgetRemovablePieces(pool, names);
  return names.length;
}
