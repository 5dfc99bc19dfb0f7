import { z } from 'zod';
import { certificate, certificatePatch, newCertificate } from '../../protocol/http/credentials.js';
import { envelope, id, listQuery, pageOf } from '../../protocol/http/envelope.js';
import {
  createCertificate,
  deleteCertificate,
  listCertificates,
  setCertificateStatus,
} from '../../store/commands/certificates.js';
import { toPageRequest } from '../http/paging.js';
import { answer, answerPage, NO_CONTENT, route, type Route } from '../http/route.js';

const VALIDATION = 'DEVICE_VALIDATION';
const PATH = '/v1/devices/{id}/certificates';
const common = {
  tag: 'Certificates',
  validationCode: VALIDATION,
  unknownCode: { id: 'DEVICE_NOT_FOUND', certificateId: 'DEVICE_CERTIFICATE_NOT_FOUND' },
} as const;
const ofDevice = z.object({ id });
const byId = ofDevice.extend({ certificateId: id });
const one = envelope(certificate);

/** docs/contracts/rest-api.md, "Devices". */
export function certificateRoutes(): Route[] {
  return [
    route({
      ...common,
      method: 'post',
      path: PATH,
      operationId: 'createCertificate',
      summary: 'Register a certificate of a device',
      permission: 'device_certificates:write',
      params: ofDevice,
      body: newCertificate,
      audit: { action: 'certificate.create' },
      answers: {
        201: { description: 'The certificate', schema: one },
        409: { description: 'It is registered already' },
      },
      handle: (call) =>
        call.answerOnce(async (tx) =>
          answer(
            201,
            await createCertificate(tx, call.principal.tenantId, call.params.id, call.body.cert, call.body.status),
          ),
        ),
    }),
    route({
      ...common,
      method: 'get',
      path: PATH,
      operationId: 'listCertificates',
      summary: 'List the certificates of a device, newest first',
      permission: 'device_certificates:read',
      params: ofDevice,
      query: listQuery({}),
      answers: { 200: { description: 'A page of certificates', schema: pageOf(certificate) } },
      handle: async (call) => {
        const page = toPageRequest(call.query, VALIDATION);
        return answerPage(
          await call.inTenant((tx) => listCertificates(tx, call.principal.tenantId, call.params.id, page)),
          page,
        );
      },
    }),
    route({
      ...common,
      method: 'patch',
      path: `${PATH}/{certificateId}`,
      operationId: 'patchCertificate',
      summary: 'Revoke a certificate, or make it valid again',
      permission: 'device_certificates:write',
      params: byId,
      body: certificatePatch,
      audit: { action: 'certificate.change', id: 'certificateId' },
      answers: { 200: { description: 'The certificate as it is now', schema: one } },
      handle: async (call) =>
        answer(
          200,
          await call.inTenant((tx) =>
            setCertificateStatus(
              tx,
              call.principal.tenantId,
              call.params.id,
              call.params.certificateId,
              call.body.status,
            ),
          ),
        ),
    }),
    route({
      ...common,
      method: 'delete',
      path: `${PATH}/{certificateId}`,
      operationId: 'deleteCertificate',
      summary: 'Delete a certificate',
      permission: 'device_certificates:write',
      params: byId,
      audit: { action: 'certificate.delete', id: 'certificateId' },
      answers: { 204: { description: 'Gone' } },
      handle: async (call) => {
        await call.inTenant((tx) =>
          deleteCertificate(tx, call.principal.tenantId, call.params.id, call.params.certificateId),
        );
        return NO_CONTENT;
      },
    }),
  ];
}
