import type { Response } from 'express';
import { z } from 'zod';
import { DomainError } from '../../domain/errors.js';
import { linkFault, type LinkFault } from '../../protocol/http/download-links.js';
import { id } from '../../protocol/http/envelope.js';
import { attachment, isStillThis, isUnchanged, whatToServe } from '../../protocol/http/ranges.js';
import { downloadOfFirmware, downloadOfInstallation, type Download } from '../../store/fleet/downloads.js';
import type { Tx } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';
import { sendParts } from '../http/parts.js';
import { idsIn } from '../http/request-log.js';
import { linkSigner, LINK_LIFETIME_MS } from '../http/links.js';
import { route, type Answer, type AnswerDoc, type Call, type Route, type Services } from '../http/route.js';

const tenant = z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/);
const sig = z.string().optional().meta({ description: 'Signature of everything before it; the last parameter' });
const common = {
  method: 'get',
  tag: 'Downloads',
  permission: null,
  validationCode: 'FIRMWARE_LINK_INVALID',
  unknownCode: 'FIRMWARE_LINK_INVALID',
} as const;
const REQUEST_HEADERS = {
  Range: {
    description: 'Ranges of bytes: one, or up to 256 that are sorted and do not overlap',
    example: 'bytes=0-1023',
  },
  'If-Range': {
    description: 'The ETag that the range belongs to: another one gets the whole',
    example: '"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"',
  },
  'If-Match': {
    description: 'The ETag that is wanted: 412 where the content is another one',
    example: '"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"',
  },
  'If-None-Match': {
    description: 'An ETag that the client has: 304 where it is still this one',
    example: '"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"',
  },
};
const HEADERS = {
  ETag: 'The SHA-256 of the content',
  'Accept-Ranges': 'bytes',
  'Repr-Digest': 'RFC 9530: sha-256 of the whole content',
  Digest: 'RFC 3230: the same, for older clients',
};
const answers: Record<number, AnswerDoc> = {
  200: {
    description: 'The content',
    headers: HEADERS,
    contentType: '*/*',
    schema: z.string().meta({ format: 'binary' }),
  },
  206: {
    description: 'The part that was asked for; several are `multipart/byteranges`',
    headers: { ...HEADERS, 'Content-Range': 'Which part' },
    contentType: '*/*',
    schema: z.string().meta({ format: 'binary' }),
  },
  302: { description: 'The blob store serves it', headers: { Location: 'A short-lived link of the blob store' } },
  304: { description: 'The client has it already' },
  403: { description: 'The link was changed, or is not valid any more' },
  410: { description: 'What the link was made for has ended' },
  412: {
    description: 'The content is not the one that If-Match names',
    headers: { ETag: 'The SHA-256 of the content' },
  },
  416: { description: 'The range lies beyond the end', headers: { 'Content-Range': 'How long the content is' } },
};

const FAULTS: Record<LinkFault, string> = {
  unsigned:
    'the link is not signed; take it as it is from downloadUrl or from the instruction, with all that is behind the question mark',
  tampered:
    'the signature does not fit the link: something was changed, cut off or added; take it as it is from downloadUrl or from the instruction',
  expired: 'the link has expired; ask for a fresh one with GET /v1/firmwares/{id} or GET /v1/firmwares/{id}/blob',
};

/** Links that work without a token: their signature is the right (protocol/http/download-links.ts). GET and HEAD. */
export function downloadRoutes(services: Services): Route[] {
  const signer = linkSigner(services.pool);
  const find = async (
    call: Pick<Call, 'request'>,
    tenantId: string,
    look: (tx: Tx) => Promise<Download | undefined>,
  ): Promise<Download> => {
    const fault = linkFault(call.request.originalUrl, await signer(), services.now(), LINK_LIFETIME_MS);
    if (fault) throw new DomainError('FIRMWARE_LINK_INVALID', FAULTS[fault]);
    const found = await asTenant(services.pool, tenantId, look);
    if (!found?.open)
      throw new DomainError(
        'FIRMWARE_LINK_ENDED',
        'what this link was made for has ended: the installation is over, or the firmware was deleted',
      );
    return found;
  };
  return [
    route({
      ...common,
      requestHeaders: REQUEST_HEADERS,
      path: '/download/firmwares/{tenant}/{firmwareId}',
      operationId: 'downloadFirmware',
      summary: 'Download the blob of a firmware by its signed link',
      params: z.object({ tenant, firmwareId: id }),
      query: z.strictObject({ expires: z.string().optional(), sig }),
      answers,
      async handle(call) {
        const { tenant: tenantId, firmwareId } = call.params;
        return serve(services, call, await find(call, tenantId, (tx) => downloadOfFirmware(tx, tenantId, firmwareId)));
      },
    }),
    route({
      ...common,
      requestHeaders: REQUEST_HEADERS,
      path: '/download/installations/{tenant}/{installationId}',
      operationId: 'downloadForInstallation',
      summary: 'Download what an instruction names by its signed link',
      description: 'Valid until the installation ends.',
      params: z.object({ tenant, installationId: id }),
      query: z.strictObject({ sig }),
      answers,
      async handle(call) {
        const { tenant: tenantId, installationId } = call.params;
        return serve(
          services,
          call,
          await find(call, tenantId, (tx) => downloadOfInstallation(tx, tenantId, installationId)),
        );
      },
    }),
  ];
}

/** All headers come from the facts, so that HEAD and 304 touch no blob store. */
async function serve(
  services: Services,
  { request, response }: Pick<Call, 'request' | 'response'>,
  download: Download,
): Promise<Answer> {
  const { sha256, size } = download;
  const etag = `"${sha256}"`;
  const digest = Buffer.from(sha256, 'hex').toString('base64');
  const contentDisposition = attachment([download.name, download.version].filter(Boolean).join('-'));
  response.set({
    ETag: etag,
    'Accept-Ranges': 'bytes',
    'Repr-Digest': `sha-256=:${digest}:`,
    Digest: `sha-256=${digest}`,
    // no-transform: a proxy that compresses would break Range and the device's hash.
    'Cache-Control': 'private, no-transform',
    'X-Content-Type-Options': 'nosniff',
  });
  if (!isStillThis(request.headers['if-match'], etag))
    throw new DomainError(
      'REQUEST_PRECONDITION_FAILED',
      `the content has the ETag ${etag}, which If-Match does not name`,
      { etag },
    );
  if (isUnchanged(request.headers['if-none-match'], etag)) return { status: 304 };
  const served = request.method === 'GET' ? whatToServe(request.headers, etag, size) : { how: 'whole' as const };
  if (served.how === 'unsatisfiable') {
    response.set('Content-Range', `bytes */${size}`);
    throw new DomainError(
      'REQUEST_RANGE_NOT_SATISFIABLE',
      `the content has ${size} bytes; the range begins behind them`,
    );
  }
  const parts = served.how === 'parts' ? served.parts : undefined;
  // Stores do not serve several at once.
  const link =
    request.method === 'GET' && (parts === undefined || parts.length === 1)
      ? await services.blobs.link(sha256, {
          expiresSeconds: LINK_LIFETIME_MS / 1000,
          contentType: download.contentType,
          contentDisposition,
        })
      : undefined;
  if (link !== undefined) {
    // Asked first: else a device would be sent where nothing is, and the service would not learn of it.
    if (!(await services.blobs.stat(sha256))) throw missing(services, response, sha256);
    return { status: 302, headers: { Location: link, 'Cache-Control': 'no-store' } };
  }
  response.set('Content-Disposition', contentDisposition);
  if (request.method === 'HEAD') {
    response
      .status(200)
      .set({ 'Content-Type': download.contentType, 'Content-Length': String(size) })
      .end();
    return { handled: true };
  }
  const done = await sendParts(services, response, download, parts);
  if (done === 'missing') throw missing(services, response, sha256);
  // A client that takes nothing ends in api/http/listener.ts.
  if (done === 'cut')
    services.log.debug({ sha256, ...idsIn(request.path) }, 'a client went away in the middle of its download');
  return { handled: true };
}

function missing(services: Services, response: Response, sha256: string): DomainError {
  for (const name of response
    .getHeaderNames()
    .filter((one) => /^content-(?!security)|^(etag|accept-ranges|digest|repr-digest)$/.test(one)))
    response.removeHeader(name);
  services.log.error({ sha256, ...idsIn(response.req.path) }, 'a blob is missing in the store');
  return new DomainError(
    'SERVICE_UNAVAILABLE',
    'the bytes are missing in the blob store; its operator must restore them',
  );
}
