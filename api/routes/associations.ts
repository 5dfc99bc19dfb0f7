import { z } from 'zod';
import { association, newAssociation, slotName } from '../../protocol/http/device-types.js';
import { envelope, id, listQuery, pageOf } from '../../protocol/http/envelope.js';
import { createAssociation, deleteAssociation, listAssociations } from '../../store/fleet/associations.js';
import { toPageRequest } from '../http/paging.js';
import { answer, answerPage, NO_CONTENT, route, type Route } from '../http/route.js';

const VALIDATION = 'DEVICETYPE_VALIDATION';
const PATH = '/v1/device-types/{id}/slots/{slotName}/firmware-associations';
const common = {
  tag: 'Device types',
  validationCode: VALIDATION,
  unknownCode: {
    id: 'DEVICETYPE_NOT_FOUND',
    slotName: 'DEVICETYPE_SLOT_NOT_FOUND',
    associationId: 'DEVICETYPE_ASSOCIATION_NOT_FOUND',
  },
} as const;
const slotOfType = z.object({ id, slotName });

/**
 * Only an associated firmware may be installed into a slot on devices of the type (docs/contracts/rest-api.md, "Device
 * types and slots").
 */
export function associationRoutes(): Route[] {
  return [
    route({
      ...common,
      method: 'post',
      path: PATH,
      operationId: 'createFirmwareAssociation',
      summary: 'Allow a firmware in a slot of a device type',
      permission: 'devicetypes:write',
      params: slotOfType,
      body: newAssociation,
      audit: { action: 'association.create' },
      answers: {
        201: { description: 'The association', schema: envelope(association) },
        403: {
          description: 'The firmware does not exist or belongs to another tenant; or the token lacks a permission',
        },
        409: { description: 'The pair is associated already, or the firmware expired' },
      },
      handle: (call) =>
        call.answerOnce(async (tx) =>
          answer(201, await createAssociation(tx, call.principal.tenantId, at(call.params), call.body.firmwareId)),
        ),
    }),
    route({
      ...common,
      method: 'get',
      path: PATH,
      operationId: 'listFirmwareAssociations',
      summary: 'What may be installed into a slot',
      permission: 'devicetypes:read',
      params: slotOfType,
      query: listQuery({}),
      answers: { 200: { description: 'A page of associations, newest first', schema: pageOf(association) } },
      handle: async (call) => {
        const page = toPageRequest(call.query, VALIDATION);
        return answerPage(
          await call.inTenant((tx) => listAssociations(tx, call.principal.tenantId, at(call.params), page)),
          page,
        );
      },
    }),
    route({
      ...common,
      method: 'delete',
      path: `${PATH}/{associationId}`,
      operationId: 'deleteFirmwareAssociation',
      summary: 'Disallow a firmware in a slot',
      description: 'Installations that were requested already go on.',
      permission: 'devicetypes:write',
      params: slotOfType.extend({ associationId: id }),
      audit: { action: 'association.delete', id: 'associationId' },
      answers: { 204: { description: 'Gone' } },
      handle: async (call) => {
        await call.inTenant((tx) =>
          deleteAssociation(tx, call.principal.tenantId, at(call.params), call.params.associationId),
        );
        return NO_CONTENT;
      },
    }),
  ];
}

function at(params: { id: string; slotName: string }): { deviceTypeId: string; slotName: string } {
  return { deviceTypeId: params.id, slotName: params.slotName };
}
