import { randomBytes } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import { frameOf, servingOf, type Part, type Serving } from '../../../protocol/http/multi-ranges.js';
import type { Services } from '../../http/route.js';

/** A file to serve. */
export interface ServedFile {
  readonly fileName: string;
  readonly sha256: string;
  readonly sha1: string;
  readonly size: number;
  /** Epoch milliseconds; its headers tell whole seconds. */
  readonly updatedAt: number;
}

const TYPE = 'application/octet-stream';
const OF_THE_FILE = ['ETag', 'Last-Modified', 'Accept-Ranges', 'Content-Disposition', 'Cache-Control'];

/**
 * Serves a file as hawkBit does: `HEAD`, one range, many ranges, and the conditions `If-Match` and `If-Range`
 * (docs/contracts/hawkbit-ddi.md, "Downloads"). The bytes come through this process from a disk and from S3 alike: one
 * read of the store for each part.
 * @param sent hears how far into the file the client will be with the next bytes, which wait for its answer
 * @returns 'missing' where the store does not have the bytes, and nothing was sent
 */
export async function serveFile(
  { blobs, log }: Pick<Services, 'blobs' | 'log'>,
  { request, response }: { readonly request: Request; readonly response: Response },
  file: ServedFile,
  sent: (upTo: number) => Promise<void> | undefined,
): Promise<'served' | 'missing'> {
  const { sha1, sha256, size } = file;
  response.set({
    ETag: `"${sha1}"`,
    'Last-Modified': new Date(file.updatedAt).toUTCString(),
    'Accept-Ranges': 'bytes',
    'Content-Disposition': `attachment;filename=${file.fileName}`,
    'Cache-Control': 'private, no-transform',
    'X-Content-Type-Options': 'nosniff',
  });
  if (!isWanted(request.headers['if-match'], sha1)) return empty(response, 412);
  const serving = request.method === 'GET' ? wantedOf(request, file) : ({ how: 'whole' } as const);
  if (serving.how === 'unsatisfiable') {
    response.set('Content-Range', `bytes */${size}`);
    return empty(response, 416);
  }
  if (request.method !== 'GET') {
    response.set({ 'Content-Type': TYPE, 'Content-Length': String(size) });
    return empty(response, 200);
  }
  // Asked before a header is sent: a store that lost the bytes must not look like a broken connection.
  if (!(await blobs.stat(sha256))) {
    for (const name of OF_THE_FILE) response.removeHeader(name);
    return 'missing';
  }
  const parts = serving.how === 'whole' ? [{ start: 0, end: size - 1 }] : serving.parts;
  const frame = announce(response, serving, parts, size);
  try {
    await pipeline(bytesOf(blobs, sha256, parts, frame, sent), response);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    log.debug({ sha256 }, 'a device went away in the middle of its download');
  }
  return 'served';
}

function empty(response: Response, status: number): 'served' {
  response.status(status).end();
  return 'served';
}

function announce(
  response: Response,
  serving: Serving,
  parts: readonly Part[],
  size: number,
): ReturnType<typeof frameOf> | undefined {
  const [only] = parts;
  if (parts.length > 1) {
    const boundary = randomBytes(16).toString('hex');
    const frame = frameOf(parts, size, TYPE, boundary);
    response.status(206).set({
      'Content-Type': `multipart/byteranges; boundary=${boundary}`,
      'Content-Length': String(frame.length),
    });
    return frame;
  }
  response.set({ 'Content-Type': TYPE, 'Content-Length': String(only === undefined ? 0 : only.end - only.start + 1) });
  if (serving.how === 'parts' && only !== undefined)
    response.status(206).set('Content-Range', `bytes ${only.start}-${only.end}/${size}`);
  else response.status(200);
  return undefined;
}

async function* bytesOf(
  blobs: Services['blobs'],
  sha256: string,
  parts: readonly Part[],
  frame: ReturnType<typeof frameOf> | undefined,
  sent: (upTo: number) => Promise<void> | undefined,
): AsyncGenerator<Uint8Array> {
  for (const [index, part] of parts.entries()) {
    const head = frame?.heads[index];
    if (head) yield head;
    if (part.end < part.start) continue; // an empty file has no bytes to read
    const bytes = await blobs.open(sha256, part);
    if (!bytes) throw new Error(`the bytes of ${sha256} went away in the middle of a download`);
    let at = part.start;
    for await (const chunk of bytes) {
      at += (chunk as Buffer).length;
      // Before the bytes go: a device that has the last ones may say at once that it installs them.
      await sent(at);
      yield chunk as Buffer;
    }
  }
  if (frame) yield frame.tail;
}

/** hawkBit compares the bare SHA-1; others quote it, as RFC 9110 asks. */
function isWanted(ifMatch: string | undefined, sha1: string): boolean {
  if (ifMatch === undefined) return true;
  return ifMatch
    .split(',')
    .map((tag) => tag.trim().replaceAll('"', ''))
    .some((tag) => tag === '*' || tag === sha1);
}

function wantedOf({ headers }: Request, { sha1, size, updatedAt }: ServedFile): Serving {
  return isSame(headers['if-range'], sha1, updatedAt) ? servingOf(headers.range, size) : { how: 'whole' };
}

/** `If-Range` (RFC 9110 §13.1.5): the tag, or a time that is not before the file's. */
function isSame(ifRange: string | string[] | undefined, sha1: string, updatedAt: number): boolean {
  if (ifRange === undefined) return true;
  const text = String(ifRange).trim();
  if (text.startsWith('"') || /^[0-9a-f]{40}$/.test(text)) return text.replaceAll('"', '') === sha1;
  const time = Date.parse(text);
  return Number.isFinite(time) && time >= Math.floor(updatedAt / 1000) * 1000;
}
