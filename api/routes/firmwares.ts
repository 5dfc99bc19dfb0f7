import { z } from 'zod';
import { DomainError } from '../../domain/errors.js';
import { firmwareDownloadUrl, type Sign } from '../../protocol/http/download-links.js';
import { envelope, id, listQuery, pageOf } from '../../protocol/http/envelope.js';
import {
  attached,
  deletion,
  DRAFT_EXAMPLE,
  firmware,
  firmwareFilters,
  newFirmware,
  printFirmware,
} from '../../protocol/http/firmware.js';
import { retireFirmware } from '../../store/commands/retire-firmware.js';
import { createFirmware, listFirmwares, readFirmware, type DraftAge } from '../../store/fleet/firmwares.js';
import { linkSigner, LINK_LIFETIME_MS } from '../http/links.js';
import { toPageRequest } from '../http/paging.js';
import { answer, answerPage, NO_CONTENT, route, type Route, type Services } from '../http/route.js';
import { removeSoon, uploadBlob } from './firmware-upload.js';

const VALIDATION = 'FIRMWARE_VALIDATION';
const common = { tag: 'Firmware', validationCode: VALIDATION, unknownCode: 'FIRMWARE_NO_ACCESS_TO_RESOURCE' } as const;
const byId = z.object({ id });
const one = { description: 'The firmware', schema: envelope(firmware) };

const UPLOAD_HEADERS = {
  'Repr-Digest': {
    description: 'RFC 9530: checked, 422 where the bytes are others. Content-Digest, Digest and Content-MD5 likewise',
    example: 'sha-256=:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=:',
  },
};

/** docs/contracts/rest-api.md, "Firmware". Metadata is immutable: there is no PATCH. */
export function firmwareRoutes(services: Services): Route[] {
  const signer = linkSigner(services.pool);
  const linkOf = (sign: Sign, tenantId: string) => (firmwareId: string) =>
    firmwareDownloadUrl(services.publicUrl, sign, tenantId, firmwareId, services.now() + LINK_LIFETIME_MS);
  const age = (): DraftAge => ({ lifetimeMs: services.draftLifetimeMs, now: services.now() });
  return [
    route({
      ...common,
      method: 'post',
      path: '/v1/firmwares',
      operationId: 'createFirmware',
      summary: 'Create a firmware',
      description: `Attach its blob within ${services.draftLifetimeMs / 1000} s, or it expires; an upload in progress keeps it alive.`,
      permission: 'firmware:write',
      body: newFirmware,
      audit: { action: 'firmware.create' },
      answers: {
        201: {
          description: 'The firmware, without a blob yet',
          schema: envelope(firmware),
          example: { data: DRAFT_EXAMPLE },
        },
      },
      async handle(call) {
        const { principal, body } = call;
        const request = {
          ...body,
          description: body.description ?? null,
          version: body.version ?? null,
          createdBy: principal.id,
        };
        const link = linkOf(await signer(), principal.tenantId);
        return call.answerOnce(async (tx) =>
          answer(201, printFirmware(await createFirmware(tx, principal.tenantId, request, services.now()), link)),
        );
      },
    }),
    route({
      ...common,
      method: 'get',
      path: '/v1/firmwares',
      operationId: 'listFirmwares',
      summary: 'List firmwares, newest first or by name',
      permission: 'firmware:read',
      query: listQuery(firmwareFilters, ['createdAt', 'name']),
      answers: { 200: { description: 'A page of firmwares', schema: pageOf(firmware) } },
      async handle(call) {
        const { principal, query } = call;
        const request = toPageRequest(query, VALIDATION);
        const page = await call.inTenant((tx) => listFirmwares(tx, principal.tenantId, query, request, age()));
        const link = linkOf(await signer(), principal.tenantId);
        return answerPage(page, request, (item) => printFirmware(item, link));
      },
    }),
    route({
      ...common,
      method: 'get',
      path: '/v1/firmwares/{id}',
      operationId: 'readFirmware',
      summary: 'Read a firmware',
      permission: 'firmware:read',
      params: byId,
      answers: { 200: one },
      async handle(call) {
        const { principal, params } = call;
        const found = await call.inTenant((tx) => readFirmware(tx, principal.tenantId, params.id, age()));
        return answer(200, printFirmware(found, linkOf(await signer(), principal.tenantId)));
      },
    }),
    route({
      ...common,
      method: 'delete',
      path: '/v1/firmwares/{id}',
      operationId: 'deleteFirmware',
      summary: 'Delete a firmware and its blob',
      description: 'Name, version, size and hash stay as a tombstone for the audit trail. Associations go.',
      permission: 'firmware:write',
      params: byId,
      query: deletion,
      audit: { action: 'firmware.delete', id: 'id' },
      answers: {
        204: { description: 'It is gone' },
        409: { description: 'Installations of it have not ended: `installations` names up to 20 of them' },
      },
      async handle(call) {
        const { principal, params, query } = call;
        const retired = await call.inTenant((tx) =>
          retireFirmware(tx, principal.tenantId, params.id, query, services.now()),
        );
        if (query.force) services.notifyOutbox();
        if (retired.content) await removeSoon(services, retired.content.sha256);
        return NO_CONTENT;
      },
    }),
    route({
      ...common,
      method: 'post',
      path: '/v1/firmwares/{id}/blob',
      operationId: 'attachBlob',
      summary: 'Attach the blob of a firmware, once',
      description: 'The raw bytes. The way out of 423 is a new firmware.',
      permission: 'firmware:write',
      params: byId,
      contentType: 'application/octet-stream',
      requestHeaders: UPLOAD_HEADERS,
      audit: { action: 'firmware.attach_blob', id: 'id', byHandler: true },
      answers: {
        200: { description: 'It is attached', schema: envelope(attached) },
        409: { description: 'The firmware expired before its blob was attached' },
        422: { description: 'The bytes are not those that were announced; nothing was kept' },
        413: { description: 'A blob may not have so many bytes' },
        423: { description: 'It has a blob already, or another upload was faster' },
        507: { description: 'The blob store has too little room' },
      },
      async handle(call) {
        await uploadBlob(services, call, call.params.id);
        return answer(200, { downloadUrl: linkOf(await signer(), call.principal.tenantId)(call.params.id) });
      },
    }),
    route({
      ...common,
      method: 'get',
      path: '/v1/firmwares/{id}/blob',
      operationId: 'downloadBlob',
      summary: 'Download the blob of a firmware',
      permission: 'firmware:read',
      params: byId,
      answers: {
        302: {
          description: 'Where it is',
          headers: {
            Location: 'A signed link that works by itself for some minutes, with Range, ETag and a digest header',
          },
        },
        409: { description: 'It has no blob' },
      },
      async handle(call) {
        const { principal, params } = call;
        const found = await call.inTenant((tx) => readFirmware(tx, principal.tenantId, params.id, age()));
        if (!found.content)
          throw new DomainError(
            'FIRMWARE_BLOB_MISSING',
            `firmware "${found.name}" has no blob; attach one with POST /v1/firmwares/${found.id}/blob`,
          );
        return {
          status: 302,
          headers: { Location: linkOf(await signer(), principal.tenantId)(found.id), 'Cache-Control': 'no-store' },
        };
      },
    }),
  ];
}
