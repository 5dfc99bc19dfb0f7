import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Response } from 'express';
import { frameOf, type Frame, type Part } from '../../protocol/http/multi-ranges.js';
import type { Services } from './route.js';

/** What is served: its address in the store, its length in bytes, and its media type. */
export interface ServedContent {
  readonly sha256: string;
  readonly size: number;
  readonly contentType: string;
}

/**
 * Sends content or parts of it, from a disk and from S3 alike: one read of the store for each part. Several are one
 * `multipart/byteranges` with an exact `Content-Length`.
 * @param parts undefined = the whole, with 200
 * @param sent hears how far into the content the client will be with the next bytes, which wait for its answer
 * @returns `missing` where the store does not have the bytes, and nothing was sent; `cut` where the client went away
 */
export async function sendParts(
  { blobs }: Pick<Services, 'blobs'>,
  response: Response,
  content: ServedContent,
  parts: readonly Part[] | undefined,
  sent?: (upTo: number) => Promise<void> | undefined,
): Promise<'sent' | 'missing' | 'cut'> {
  const all = parts ?? [{ start: 0, end: content.size - 1 }];
  // Before a header is sent: a store that lost the bytes must not look like a broken connection.
  const first = await blobs.open(content.sha256, all[0]);
  if (!first) return 'missing';
  const frame = announce(response, content, all, parts !== undefined);
  const isPlain = frame === undefined && sent === undefined;
  try {
    await pipeline(isPlain ? first : Readable.from(bytesOf(blobs, content.sha256, all, first, frame, sent)), response);
    return 'sent';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    return 'cut';
  } finally {
    first.destroy();
  }
}

function announce(
  response: Response,
  { size, contentType }: ServedContent,
  parts: readonly Part[],
  isPartial: boolean,
): Frame | undefined {
  response.status(isPartial ? 206 : 200);
  if (parts.length > 1) {
    const boundary = randomBytes(16).toString('hex');
    const frame = frameOf(parts, size, contentType, boundary);
    response.set({
      'Content-Type': `multipart/byteranges; boundary=${boundary}`,
      'Content-Length': String(frame.length),
    });
    return frame;
  }
  const [{ start, end } = { start: 0, end: -1 }] = parts;
  response.set({ 'Content-Type': contentType, 'Content-Length': String(end - start + 1) });
  if (isPartial) response.set('Content-Range', `bytes ${start}-${end}/${size}`);
  return undefined;
}

async function* bytesOf(
  blobs: Services['blobs'],
  sha256: string,
  parts: readonly Part[],
  first: Readable,
  frame: Frame | undefined,
  sent: ((upTo: number) => Promise<void> | undefined) | undefined,
): AsyncGenerator<Uint8Array> {
  for (const [index, part] of parts.entries()) {
    const head = frame?.heads[index];
    if (head) yield head;
    const bytes = index === 0 ? first : await blobs.open(sha256, part);
    if (!bytes) throw new Error(`the bytes of ${sha256} went away in the middle of a download`);
    let at = part.start;
    for await (const chunk of bytes) {
      at += (chunk as Buffer).length;
      // Before the bytes go: a device that has the last ones may say at once that it installs them.
      await sent?.(at);
      yield chunk as Buffer;
    }
  }
  if (frame) yield frame.tail;
}
