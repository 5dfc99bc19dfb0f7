import type { Request, Response } from 'express';
import { servingOf, type Serving } from '../../../protocol/http/multi-ranges.js';
import { sendParts } from '../../http/parts.js';
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
 * (docs/contracts/hawkbit-ddi.md, "Downloads"). The bytes come through this process from a disk and from S3 alike.
 * @param sent hears how far into the file the client will be with the next bytes, which wait for its answer
 * @returns 'missing' where the store does not have the bytes, and nothing was sent
 */
export async function serveFile(
  services: Pick<Services, 'blobs' | 'log'>,
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
  if (request.method !== 'GET') {
    response.set({ 'Content-Type': TYPE, 'Content-Length': String(size) });
    return empty(response, 200);
  }
  const serving = wantedOf(request, file);
  if (serving.how !== 'whole' && serving.how !== 'parts') {
    response.set('Content-Range', `bytes */${size}`);
    return empty(response, 416);
  }
  const parts = serving.how === 'parts' ? serving.parts : undefined;
  const done = await sendParts(services, response, { sha256, size, contentType: TYPE }, parts, sent);
  if (done === 'missing') for (const name of OF_THE_FILE) response.removeHeader(name);
  if (done === 'cut') services.log.debug({ sha256 }, 'a device went away in the middle of its download');
  return done === 'missing' ? 'missing' : 'served';
}

function empty(response: Response, status: number): 'served' {
  response.status(status).end();
  return 'served';
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
