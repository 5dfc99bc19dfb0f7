import { chmod, mkdir, open, readdir, readFile, rm, stat, statfs, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { backOff, type BackOffBounds } from '../../domain/back-off.js';
import type { Clock } from './clock.js';
import type { Desired } from '../../protocol/mqtt/payloads.js';
import { fetchFrom, UnreachableError, type Piece } from './fetch-range.js';
import { hashOf, sizeOf } from './hash.js';
import { InstallError, isInstallError } from './installer.js';
import { forgetRetryAfter, keepRetryAfter, retryAfterLeft } from './retry-after.js';
import { codeOf, isDiskFull, messageOf, replaceFile, writeWhole } from './write-file.js';

/** Where partial downloads stand, and how a failed try is repeated. `durable`: synced to the disk. */
export interface DownloadOptions {
  readonly dir: string;
  readonly durable: boolean;
  /** Between two tries. */
  readonly backoff: BackOffBounds;
  readonly clock: Clock;
  /** 0 ≤ x < 1 */
  readonly random: () => number;
}

/** What a caller sees of one download, and how it ends it. */
export interface Watch {
  /** Sees each piece before it is written, and may give another one in its place. */
  readonly received: (bytes: Buffer, offset: number) => Promise<Buffer>;
  readonly progress: (bytes: number) => void;
  /** A try failed and there will be another one. */
  readonly retrying: (reason: string, at: number) => void;
  /** Removes what can be spared. */
  readonly needsRoom: () => Promise<void>;
  /** The folder in which the slot will hold a second copy of the file, where that is known. */
  readonly copiedTo?: string | undefined;
  readonly signal: AbortSignal;
}

/** What must stay free for the rest of the device, and for what a file takes beside its bytes. */
const SPARE_BYTES = 256 * 1024;

/** A try that brought this much does not count: a poor line makes its way, and 100 tries more are the bound. */
const ADVANCE = 1 / 100;

/** What a download must become. */
export interface Content {
  readonly sha256: string;
  readonly size: number;
}

/**
 * Downloads are named by what they must become, `<sha256>-<size>.part`, and the ETag they were begun with stands
 * beside: so they are resumed after any crash, by any document that asks for the same content. The size is a part of
 * the name because a slot may share a finished file (a hard link): a document that gives another size to the same
 * digest must not write into it.
 */
export class Downloads {
  constructor(private readonly options: DownloadOptions) {}

  pathOf(desired: Desired): string {
    return join(this.options.dir, `${nameOf(desired.firmware)}.part`);
  }

  /**
   * @returns when the whole file is there and its size and SHA-256 are those of the document.
   * @throws InstallError DOWNLOAD_FAILED, HASH_MISMATCH, NO_SPACE; what `received` throws beyond an Error of the line;
   * AbortError.
   */
  async fetch(desired: Desired, watch: Watch): Promise<void> {
    const path = this.pathOf(desired);
    await this.makePrivate(path);
    await this.makeSpace(desired, watch);
    const isSure = await this.complete(desired, watch);
    try {
      await this.verify(desired, watch.signal);
    } catch (error) {
      if (isSure || !isInstallError(error)) throw error;
      // It was resumed without an ETag: perhaps the bytes of two files.
      watch.retrying(error.message, 0);
      await this.complete(desired, watch);
      await this.verify(desired, watch.signal);
    }
  }

  /** Tries until the file has its size. @returns false where its parts may be of different files */
  private async complete(desired: Desired, watch: Watch): Promise<boolean> {
    const path = this.pathOf(desired);
    const { backoff, random, clock, durable } = this.options;
    let isSure = true;
    await this.waitAsTold(desired, watch);
    // What the server puts off is no failure of the download; its pauses grow all the same.
    for (let failures = 0, putOff = 0; ;) {
      const before = (await sizeOf(path)) ?? 0;
      isSure = before === 0 || (isSure && (await readEtag(`${path}.etag`)) !== undefined);
      const failure = await this.tryOnce(desired, watch);
      if (failure === undefined) return isSure;
      const after = (await sizeOf(path)) ?? 0;
      if (failure.retryAfterMs !== undefined) putOff += 1;
      else if (after - before < desired.firmware.size * ADVANCE) failures += 1;
      if (!failure.passing || failures > desired.policy.retryDownload)
        throw new InstallError(failure.code, failure.message, true, { cause: failure });
      const ms = Math.max(backOff(failures + putOff, backoff, random()), failure.retryAfterMs ?? 0);
      const isTold = failure.retryAfterMs !== undefined;
      if (isTold) await keepRetryAfter(path, { url: desired.download.url, ms, clock, durable });
      watch.retrying(failure.message, after);
      await pause(ms, undefined, { signal: watch.signal });
      if (isTold) await forgetRetryAfter(path);
    }
  }

  /** What the server told an agent that has ended since. */
  private async waitAsTold(desired: Desired, watch: Watch): Promise<void> {
    const path = this.pathOf(desired);
    const ms = await retryAfterLeft(path, desired.download.url, this.options.clock);
    if (ms > 0) {
      watch.retrying(`the server said to wait ${Math.ceil(ms / 1_000)} s more`, (await sizeOf(path)) ?? 0);
      await pause(ms, undefined, { signal: watch.signal });
    }
    await forgetRetryAfter(path);
  }

  /** Removes what no open document asks for. */
  async keepOnly(wanted: () => readonly Content[]): Promise<void> {
    await mkdir(this.options.dir, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.options.dir)) {
      // Asked anew for each: meanwhile another device may have begun to want it.
      if (!wanted().some((one) => name.startsWith(`${nameOf(one)}.`)))
        await rm(join(this.options.dir, name), { force: true });
    }
  }

  private async tryOnce(desired: Desired, watch: Watch): Promise<UnreachableError | undefined> {
    try {
      await this.receive(desired, watch);
      return undefined;
    } catch (error) {
      watch.signal.throwIfAborted();
      if (isDiskFull(error)) {
        // It will not be tried again, and what came so far holds room that the device needs.
        await this.remove(desired);
        throw new InstallError('NO_SPACE', messageOf(error), false, { cause: error });
      }
      if (!(error instanceof UnreachableError)) throw error;
      if (error.outdated) await rm(this.pathOf(desired), { force: true });
      return error;
    }
  }

  private async receive(desired: Desired, watch: Watch): Promise<void> {
    const path = this.pathOf(desired);
    const { size } = desired.firmware;
    const from = (await sizeOf(path)) ?? 0;
    if (from === size) return;
    const etag = from === 0 ? undefined : await readEtag(`${path}.etag`);
    const { durable } = this.options;
    const answer = await fetchFrom({
      url: desired.download.url,
      from: from > size ? 0 : from,
      etag,
      size,
      signal: watch.signal,
    });
    if (answer.start === 0) {
      // Before the first byte: bytes without the ETag of their version could not be told from those of another.
      await replaceFile(`${path}.etag`, answer.etag ?? '', durable);
    }
    const file = await open(path, answer.start === 0 ? 'w' : 'r+', 0o600);
    try {
      await writePieces(file, answer, size, watch);
      if (durable) await file.sync();
    } finally {
      await file.close();
    }
  }

  /**
   * A wrong file is removed: the next attempt begins anew, and the slot has not been touched.
   * @throws InstallError HASH_MISMATCH
   */
  async verify(desired: Desired, signal: AbortSignal): Promise<void> {
    const path = this.pathOf(desired);
    const { size, sha256 } = desired.firmware;
    const there = await sizeOf(path);
    if (there === undefined) throw new InstallError('HASH_MISMATCH', 'the download is gone', true);
    const actual = { size: there, sha256: await hashOf(path, signal) };
    if (actual.size === size && actual.sha256 === sha256) return;
    await this.remove(desired);
    const message =
      actual.size === size
        ? `the download has the SHA-256 ${actual.sha256} instead of ${sha256}`
        : `the download has ${actual.size} bytes instead of ${size}`;
    throw new InstallError('HASH_MISMATCH', message, true);
  }

  /** What is downloaded may be secret, also in a folder that was there before, also what an older agent began. */
  private async makePrivate(path: string): Promise<void> {
    await mkdir(this.options.dir, { recursive: true, mode: 0o700 });
    if (((await stat(this.options.dir)).mode & 0o077) !== 0) await chmod(this.options.dir, 0o700);
    if ((await sizeOf(path)) !== undefined) await chmod(path, 0o600);
  }

  private async remove(desired: Desired): Promise<void> {
    const path = this.pathOf(desired);
    await Promise.all([rm(path, { force: true }), rm(`${path}.etag`, { force: true })]);
  }

  /** What another attempt may want counts less than what is wanted now. */
  private async makeSpace(desired: Desired, watch: Watch): Promise<void> {
    const have = async () => (await sizeOf(this.pathOf(desired))) ?? 0;
    try {
      await this.assertSpace(desired, await have(), watch.copiedTo);
    } catch (error) {
      if (!isInstallError(error)) throw error;
      await watch.needsRoom();
      await this.assertSpace(desired, await have(), watch.copiedTo);
    }
  }

  /** Before the first byte: of each file system that will hold the file. */
  private async assertSpace({ firmware }: Desired, have: number, copiedTo?: string): Promise<void> {
    const needs = [{ dir: this.options.dir, bytes: Math.max(0, firmware.size - have) }];
    if (copiedTo !== undefined) needs.push({ dir: copiedTo, bytes: firmware.size });
    const byDevice = new Map<number, { dir: string; bytes: number }>();
    for (const { dir, bytes } of needs) {
      const { dev } = await stat(dir);
      byDevice.set(dev, { dir, bytes: bytes + (byDevice.get(dev)?.bytes ?? 0) });
    }
    for (const { dir, bytes } of byDevice.values()) {
      const { bavail, bsize } = await statfs(dir);
      const free = Math.max(0, bavail * bsize - SPARE_BYTES);
      if (bytes > free)
        throw new InstallError('NO_SPACE', `${bytes} bytes are needed in ${dir} and ${free} can be used`, false);
    }
  }
}

function nameOf({ sha256, size }: Content): string {
  return `${sha256}-${size}`;
}

async function writePieces(
  file: FileHandle,
  answer: { start: number; isWhole: boolean; pieces: AsyncIterable<Piece> },
  size: number,
  watch: Watch,
): Promise<void> {
  let offset = answer.start;
  for await (const piece of answer.pieces) {
    const bytes = await watch.received(piece, offset);
    watch.signal.throwIfAborted();
    if (offset + bytes.length > size) throw wrongFile(`the server sends more than the ${size} bytes of the document`);
    await writeWhole(file, bytes, offset);
    offset += bytes.length;
    watch.progress(offset);
  }
  if (offset < size && answer.isWhole) throw wrongFile(`the server's file has ${offset} bytes instead of ${size}`);
  if (offset < size) throw new UnreachableError(`the download ended after ${offset} of ${size} bytes`, true);
}

/** What is there of it is removed: the next try begins anew. */
function wrongFile(message: string): UnreachableError {
  return new UnreachableError(message, true, true, { isWrongFile: true });
}

/** Strong (RFC 9110 §8.8.3). A power cut may have left anything here, which no request could carry. */
const ETAG = /^"[\x21\x23-\x7e]*"$/;

async function readEtag(path: string): Promise<string | undefined> {
  try {
    const text = await readFile(path, 'utf8');
    return ETAG.test(text) ? text : undefined;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
