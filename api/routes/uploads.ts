import { z } from 'zod';
import { DomainError } from '../../domain/errors.js';
import { envelope, id } from '../../protocol/http/envelope.js';
import { readTus, TUS_VERSION, upload as shown } from '../../protocol/http/uploads.js';
import type { DraftAge } from '../../store/fleet/firmwares.js';
import { createUpload, readUpload, type Upload } from '../../store/fleet/uploads.js';
import { answer, NO_CONTENT, route, type Answer, type Route, type Services } from '../http/route.js';
import { assertFits } from './firmware-upload.js';
import { dropUpload, takePieces, UPLOAD_GRACE_MS } from './upload-pieces.js';

/** From its creation on: a client that is away for a night goes on in the morning. */
export const UPLOAD_LIFETIME_MS = 24 * 3_600_000;

const common = {
  tag: 'Firmware',
  validationCode: 'FIRMWARE_VALIDATION',
  permission: 'firmware:write',
  always: { 'Tus-Resumable': TUS_VERSION },
} as const;
const params = z.object({ id, uploadId: id });
const unknownCode = { id: 'FIRMWARE_NO_ACCESS_TO_RESOURCE', uploadId: 'FIRMWARE_UPLOAD_NOT_FOUND' } as const;
const VERSION = { 'Tus-Resumable': { description: 'Version of tus', example: TUS_VERSION } };
const LENGTH = { 'Upload-Length': { description: 'Bytes of the whole', example: '1048576' } };
const OFFSET = { 'Upload-Offset': { description: 'Where the body begins', example: '524288' } };
const NOT_THIS_VERSION = { 412: { description: 'tus has another version here' } } as const;

/**
 * The tus protocol 1.0 (https://tus.io/protocols/resumable-upload) with creation, termination and expiration, beside
 * the plain upload of firmware-upload.ts (docs/contracts/rest-api.md, "Uploads that resume"). Written here and not
 * taken from a server of it: the offset is a fact of PostgreSQL, so that any process takes the next piece, and the last
 * piece counts only together with the blob that it completes.
 */
export function uploadRoutes(services: Services): Route[] {
  const age = (): DraftAge => ({ lifetimeMs: services.draftLifetimeMs, now: services.now() });
  const lifetimeMs = services.uploads?.lifetimeMs ?? UPLOAD_LIFETIME_MS;
  const options = {
    'Tus-Version': TUS_VERSION,
    'Tus-Extension': 'creation,termination,expiration',
    ...(services.uploads?.maxBytes === undefined ? {} : { 'Tus-Max-Size': String(services.uploads.maxBytes) }),
  };
  return [
    route({
      ...common,
      options,
      method: 'post',
      path: '/v1/firmwares/{id}/uploads',
      operationId: 'createUpload',
      summary: 'Begin an upload that resumes (tus 1.0)',
      unknownCode: 'FIRMWARE_NO_ACCESS_TO_RESOURCE',
      params: z.object({ id }),
      requestHeaders: { ...VERSION, ...LENGTH },
      audit: null,
      answers: {
        201: { description: 'Send the bytes to Location', headers: { Location: 'Of the upload' } },
        409: { description: 'The firmware expired' },
        ...NOT_THIS_VERSION,
        413: { description: 'A blob may not have so many bytes' },
        422: { description: 'The firmware was created with another size' },
        423: { description: 'It has a blob already' },
        507: { description: 'The blob store has too little room' },
      },
      async handle({ principal, params: { id: firmwareId }, request, inTenant }) {
        request.resume();
        const { length, metadata } = readTus(request.headers, 'creation');
        await assertFits(services, request, length);
        const wanted = {
          length,
          metadata,
          expiresAt: services.now() + lifetimeMs,
          graceMs: UPLOAD_GRACE_MS,
        };
        const made = await inTenant((tx) => createUpload(tx, principal.tenantId, firmwareId, wanted, age()));
        const Location = `${services.publicUrl}/v1/firmwares/${firmwareId}/uploads/${made.id}`;
        return { status: 201, headers: { ...headersOf(made), Location } };
      },
    }),
    route({
      ...common,
      method: 'get',
      path: '/v1/firmwares/{id}/uploads/{uploadId}',
      operationId: 'readUpload',
      summary: 'Where an upload continues; tus asks with HEAD',
      params,
      unknownCode,
      answers: { 200: { description: 'The upload', schema: envelope(shown) } },
      async handle({ principal, params: { id: firmwareId, uploadId }, request, inTenant }) {
        if (request.method === 'HEAD') readTus(request.headers, 'version');
        const found = await inTenant((tx) => readUpload(tx, principal.tenantId, firmwareId, uploadId, services.now()));
        const { length, received: offset, expiresAt } = found;
        const data = { id: found.id, firmwareId, length, offset, expiresAt: new Date(expiresAt).toISOString() };
        return answer(200, data, {
          ...headersOf(found),
          'Upload-Length': String(length),
          'Cache-Control': 'no-store',
          ...(found.metadata === null ? {} : { 'Upload-Metadata': found.metadata }),
        });
      },
    }),
    route({
      ...common,
      method: 'patch',
      path: '/v1/firmwares/{id}/uploads/{uploadId}',
      operationId: 'continueUpload',
      summary: 'Send bytes of an upload; the last ones attach the blob',
      params,
      unknownCode,
      contentType: 'application/octet-stream',
      accepts: { 'application/offset+octet-stream': 'bytes' },
      requestHeaders: { ...VERSION, ...OFFSET },
      audit: { action: 'firmware.attach_blob', id: 'id', byHandler: true },
      answers: {
        204: { description: 'They are kept', headers: { 'Upload-Offset': 'Where the next ones begin' } },
        409: { description: 'It continues elsewhere: `uploadOffset` says where' },
        ...NOT_THIS_VERSION,
        413: { description: 'More bytes than were announced' },
        422: { description: 'The bytes are not those that were announced; nothing was kept' },
        423: { description: 'The firmware has a blob already' },
        507: { description: 'The blob store has too little room' },
      },
      async handle(call) {
        try {
          const { offset } = readTus(call.request.headers, 'piece');
          const upload = await takePieces(services, call, call.params.id, call.params.uploadId, offset);
          return { status: 204, headers: headersOf(upload) };
        } catch (error) {
          call.request.resume(); // what is still under way is thrown away, or the client would never read the answer
          throw error;
        }
      },
    }),
    route({
      ...common,
      method: 'delete',
      path: '/v1/firmwares/{id}/uploads/{uploadId}',
      operationId: 'deleteUpload',
      summary: 'Give up an upload',
      params,
      unknownCode,
      requestHeaders: VERSION,
      audit: null,
      answers: { 204: { description: 'It is gone' }, ...NOT_THIS_VERSION },
      async handle({ principal: { tenantId }, params: { id: firmwareId, uploadId }, request, inTenant }) {
        readTus(request.headers, 'version');
        const found = await inTenant((tx) => readUpload(tx, tenantId, firmwareId, uploadId, services.now()));
        if (found.isFinished)
          throw new DomainError('FIRMWARE_UPLOAD_NOT_FOUND', 'the upload is finished; delete its firmware instead');
        await dropUpload(services, tenantId, uploadId);
        return NO_CONTENT;
      },
    }),
  ];
}

function headersOf({ received, expiresAt }: Upload): Exclude<Answer, { handled: true }>['headers'] & object {
  return { 'Upload-Offset': String(received), 'Upload-Expires': new Date(expiresAt).toUTCString() };
}
