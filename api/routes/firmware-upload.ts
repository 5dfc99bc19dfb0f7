import { createHash, type Hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Request } from 'express';
import type { ReceivedBlob } from '../../adapters/blobs/port.js';
import type { Firmware } from '../../domain/artifact/firmware.js';
import { DomainError } from '../../domain/errors.js';
import { sentDigests, type SentDigest } from '../../protocol/http/digests.js';
import { attachContent, keepDraftAlive, lockContent, readFirmware } from '../../store/fleet/firmwares.js';
import { isBeingRemoved, markRemovable } from '../../store/fleet/removable-contents.js';
import { removeContent } from '../http/content-removal.js';
import type { Tx } from '../../store/db/pool.js';
import { asService } from '../../store/db/transaction.js';
import { refuseFaults } from '../http/errors.js';
import { idsIn } from '../http/request-log.js';
import type { Call, Services } from '../http/route.js';
import { UploadedHashes } from './uploaded-hashes.js';

/** After so many bytes of an upload its room is looked at again: others write there, too. */
const ROOM_EVERY_BYTES = 16 * 1024 * 1024;
/** How often the draft is told that its upload goes on; at least three times in its lifetime. */
const TOUCH_MS = 30_000;
/** A removal of the same bytes takes milliseconds on a disk, and a minute where S3 is slow. */
const REMOVAL_WAIT_MS = 90_000;
const LOOK_AGAIN_MS = 100;
/** How long a request waits for a removal that follows from it. */
const REMOVED_SOON_MS = 2_000;

/**
 * Takes the raw body as the firmware's blob, in constant memory. Of two uploads at once the one that is complete first
 * wins. What broke off, came second or is empty leaves nothing behind.
 * @throws DomainError FIRMWARE_NO_ACCESS_TO_RESOURCE, FIRMWARE_BLOB_EXISTS, FIRMWARE_EXPIRED, FIRMWARE_VALIDATION,
 * REQUEST_TOO_LARGE, FIRMWARE_STORE_FULL, FIRMWARE_BLOB_MISMATCH where the bytes are not those that were announced
 */
export async function uploadBlob(services: Services, call: Call, firmwareId: string): Promise<void> {
  const { tenantId } = call.principal;
  const age = () => ({ lifetimeMs: services.draftLifetimeMs, now: services.now() });
  const touch = (): Promise<void> => call.inTenant((tx) => keepDraftAlive(tx, tenantId, firmwareId, age()));
  const digests = announced(call.request);
  await assertFits(services, call.request, Number(call.request.headers['content-length'] ?? 0));
  await touch();
  const firmware = await call.inTenant((tx) => readFirmware(tx, tenantId, firmwareId, age()));
  const hashes = new Map(
    digests.filter(({ algorithm }) => algorithm !== 'sha-256').map((sent) => [sent, createHash(NAMES[sent.algorithm])]),
  );
  const old = new UploadedHashes(services);
  try {
    const received = await receive(services, call.request, touch, old, [...hashes.values()]);
    try {
      if (received.size === 0)
        throw new DomainError('FIRMWARE_VALIDATION', 'the blob is empty; send its bytes as the body');
      assertExpected(firmware, received);
      for (const sent of digests) {
        const hex = hashes.get(sent)?.digest('hex') ?? received.sha256;
        if (hex !== sent.hex) throw mismatch(`${sent.header} (${sent.algorithm}) ${sent.hex}`, hex);
      }
      await attach(services, call, firmwareId, received);
      old.keep(tenantId, firmwareId, received.sha256);
    } finally {
      await received.discard();
    }
  } finally {
    old.abort();
  }
}

const NAMES = { 'sha-256': 'sha256', 'sha-512': 'sha512', md5: 'md5' } as const;

/** @throws DomainError FIRMWARE_VALIDATION: a part is never the whole; a digest that cannot be read is none. */
function announced(request: Request): SentDigest[] {
  const { digests, faults } = sentDigests(request.headers);
  if (request.headers['content-range'] !== undefined)
    faults.push({
      pointer: '/header/Content-Range',
      detail: 'is refused: the body is the whole blob, it is not sent in parts',
    });
  if (faults.length > 0) {
    request.resume();
    throw refuseFaults('FIRMWARE_VALIDATION', faults);
  }
  return digests;
}

/** @throws DomainError FIRMWARE_BLOB_MISMATCH where the firmware was created for other bytes */
export function assertExpected({ expected }: Pick<Firmware, 'expected'>, received: ReceivedBlob): void {
  if (expected?.size !== undefined && expected.size !== received.size)
    throw mismatch(`size ${expected.size}, which the firmware was created with,`, `${received.size} bytes`);
  if (expected?.sha256 !== undefined && expected.sha256 !== received.sha256)
    throw mismatch(`sha256 ${expected.sha256}, which the firmware was created with,`, received.sha256);
}

function mismatch(announcedAs: string, got: string): DomainError {
  return new DomainError(
    'FIRMWARE_BLOB_MISMATCH',
    `${announcedAs} does not fit what arrived: ${got}; nothing was kept, send the right bytes`,
  );
}

async function receive(
  services: Services,
  request: Request,
  touch: () => Promise<void>,
  old: UploadedHashes,
  hashes: readonly Hash[],
): Promise<ReceivedBlob> {
  let lost: unknown;
  const noteLoss = (error: unknown): void => {
    // Only a refusal ends the upload early; while the database is away it goes on, and the draft is judged at the end.
    if ((error as Error).name === 'DomainError') lost = error;
    else services.log.warn({ err: error, ...idsIn(request.path) }, 'an upload could not keep its firmware alive');
  };
  const timer = setInterval(() => void touch().catch(noteLoss), Math.min(TOUCH_MS, services.draftLifetimeMs / 3));
  try {
    return await services.blobs.receive(old.through(bytesOf(services, request, () => lost, hashes)));
  } catch (error) {
    request.resume(); // what is still under way is thrown away, or the client would never come to read the answer
    throw request.destroyed && !request.complete
      ? new DomainError(
          'REQUEST_VALIDATION',
          'the upload broke off; nothing of it was kept, send it again',
          {},
          { cause: error },
        )
      : outOfRoom(error);
  } finally {
    clearInterval(timer);
  }
}

/**
 * The stream is not destroyed where the reader gives up: the socket is needed for the answer. One on which nothing
 * moves ends in api/http/listener.ts.
 */
async function* bytesOf(
  services: Services,
  request: Request,
  lost: () => unknown,
  hashes: readonly Hash[],
): AsyncGenerator<Uint8Array> {
  let [size, looked] = [0, 0];
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    if (lost() !== undefined) throw lost();
    size += (chunk as Buffer).length;
    if (size > (services.uploads?.maxBytes ?? Infinity)) throw tooLarge(services);
    if (size - looked >= ROOM_EVERY_BYTES) {
      looked = size;
      await assertRoom(services, 0);
    }
    // Before it is given: then it belongs to the store.
    for (const hash of hashes) hash.update(chunk as Buffer);
    yield chunk as Buffer;
  }
  if (!request.complete) throw new Error('the body ended early');
}

/** @throws DomainError REQUEST_TOO_LARGE, FIRMWARE_STORE_FULL: by what the request says, before the first byte. */
export async function assertFits(services: Services, request: Request, declared: number): Promise<void> {
  try {
    if (declared > (services.uploads?.maxBytes ?? Infinity)) throw tooLarge(services);
    await assertRoom(services, declared);
  } catch (error) {
    request.resume();
    throw error;
  }
}

async function assertRoom({ blobs, uploads }: Services, wanted: number): Promise<void> {
  if (uploads?.minFreeBytes === undefined) return;
  const free = await blobs.room();
  if (free === undefined || free - wanted >= uploads.minFreeBytes) return;
  throw new DomainError(
    'FIRMWARE_STORE_FULL',
    'the disk of the blob store has too little room for these bytes; delete firmware that is not needed, or make room',
  );
}

function tooLarge({ uploads }: Services): DomainError {
  return new DomainError('REQUEST_TOO_LARGE', `a blob has at most ${uploads?.maxBytes} bytes`, {
    maxBytes: uploads?.maxBytes,
  });
}

/** What a store without room threw, as a refusal; other errors as they are. */
export function outOfRoom(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOSPC' || code === 'EDQUOT'
    ? new DomainError('FIRMWARE_STORE_FULL', 'the blob store has no room left', {}, { cause: error })
    : error;
}

/**
 * First the bytes, then the fact: a crash in between leaves unknown bytes, never a firmware without them. The
 * long part of the commit comes before the transaction; in it, under the content's lock, it is only looked at again,
 * because a removal may have come between. While one is under way, it is waited for.
 * @param before is done first in that transaction
 */
export async function attach(
  services: Services,
  call: Call,
  firmwareId: string,
  received: ReceivedBlob,
  before?: (tx: Tx) => Promise<void>,
): Promise<void> {
  const { sha256 } = received;
  try {
    for (const end = performance.now() + REMOVAL_WAIT_MS; ; await sleep(LOOK_AGAIN_MS)) {
      await received.commit();
      const isAttached = await call.inTenant(async (tx) => {
        await lockContent(tx, sha256);
        if (await isBeingRemoved(tx, sha256)) return false;
        await received.commit();
        await before?.(tx);
        await attachContent(tx, call.principal.tenantId, firmwareId, received, services.now());
        await call.recordAct(tx, undefined, { size: received.size, sha256, state: 'ready' });
        return true;
      });
      if (isAttached) return;
      if (performance.now() > end)
        throw new DomainError(
          'SERVICE_UNAVAILABLE',
          'the same bytes are being removed from the blob store, which takes long; send them again in some minutes',
        );
    }
  } catch (error) {
    await asService(services.pool, (tx) => markRemovable(tx, sha256)).catch((failure: unknown) =>
      services.log.warn({ err: failure, sha256 }, 'bytes that are not needed could not be marked: they stay'),
    );
    await removeSoon(services, sha256);
    throw error;
  }
}

/**
 * Removes marked bytes that no firmware of any tenant needs. A store that is slow, or away, keeps no request waiting:
 * housekeeping goes on.
 */
export async function removeSoon({ pool, blobs, log }: Services, sha256: string): Promise<void> {
  const removed = removeContent(pool, blobs, sha256).catch((error: unknown) =>
    log.warn({ err: error, sha256 }, 'a blob that may not be needed any more could not be removed; tried again later'),
  );
  await Promise.race([removed, sleep(REMOVED_SOON_MS)]);
}
