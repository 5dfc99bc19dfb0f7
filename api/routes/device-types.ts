import { z } from 'zod';
import { deviceType, deviceTypeFilters, deviceTypePatch, newDeviceType } from '../../protocol/http/device-types.js';
import { envelope, id, listQuery, pageOf } from '../../protocol/http/envelope.js';
import {
  createDeviceType,
  deleteDeviceType,
  listDeviceTypes,
  noSuchType,
  readDeviceType,
  updateDeviceType,
} from '../../store/fleet/types.js';
import { toPageRequest } from '../http/paging.js';
import { patched } from '../http/patch.js';
import { answer, answerPage, NO_CONTENT, route, type Route } from '../http/route.js';

const VALIDATION = 'DEVICETYPE_VALIDATION';
const common = { tag: 'Device types', validationCode: VALIDATION, unknownCode: 'DEVICETYPE_NOT_FOUND' } as const;
const byId = z.object({ id });
const one = envelope(deviceType);

/** docs/contracts/rest-api.md, "Device types and slots". */
export function deviceTypeRoutes(): Route[] {
  return [
    route({
      ...common,
      method: 'post',
      path: '/v1/device-types',
      operationId: 'createDeviceType',
      summary: 'Register a device type',
      permission: 'devicetypes:write',
      body: newDeviceType,
      audit: { action: 'device_type.create' },
      answers: { 201: { description: 'The device type', schema: one } },
      handle: (call) =>
        call.answerOnce(async (tx) => answer(201, await createDeviceType(tx, call.principal.tenantId, call.body))),
    }),
    route({
      ...common,
      method: 'get',
      path: '/v1/device-types',
      operationId: 'listDeviceTypes',
      summary: 'List device types, newest first or by name',
      permission: 'devicetypes:read',
      query: listQuery(deviceTypeFilters, ['createdAt', 'name']),
      answers: { 200: { description: 'A page of device types', schema: pageOf(deviceType) } },
      handle: async (call) => {
        const page = toPageRequest(call.query, VALIDATION);
        return answerPage(
          await call.inTenant((tx) => listDeviceTypes(tx, call.principal.tenantId, call.query, page)),
          page,
        );
      },
    }),
    route({
      ...common,
      method: 'get',
      path: '/v1/device-types/{id}',
      operationId: 'getDeviceType',
      summary: 'Read a device type',
      permission: 'devicetypes:read',
      params: byId,
      answers: { 200: { description: 'The device type', schema: one } },
      handle: async (call) => {
        const found = await call.inTenant((tx) => readDeviceType(tx, call.principal.tenantId, call.params.id));
        if (!found) throw noSuchType(call.params.id);
        return answer(200, found);
      },
    }),
    route({
      ...common,
      method: 'patch',
      path: '/v1/device-types/{id}',
      operationId: 'patchDeviceType',
      summary: 'Change a device type (RFC 7396)',
      permission: 'devicetypes:write',
      params: byId,
      body: deviceTypePatch,
      audit: { action: 'device_type.change', id: 'id' },
      answers: {
        200: { description: 'The device type as it is now', schema: one },
        409: { description: 'A slot that is in use cannot go' },
      },
      handle: async (call) =>
        answer(
          200,
          await call.inTenant((tx) =>
            updateDeviceType(tx, call.principal.tenantId, call.params.id, (current) => {
              const {
                name,
                manufacturer,
                model,
                description,
                categories,
                reportingRules,
                schema,
                slots,
                communicationInterval,
                confirmation,
              } = current;
              const own = {
                name,
                manufacturer,
                model,
                description,
                categories,
                reportingRules,
                schema,
                slots,
                communicationInterval,
                confirmation,
              };
              return patched(own, call.body, newDeviceType, VALIDATION);
            }),
          ),
        ),
    }),
    route({
      ...common,
      method: 'delete',
      path: '/v1/device-types/{id}',
      operationId: 'deleteDeviceType',
      summary: 'Delete a device type that no device uses',
      permission: 'devicetypes:write',
      params: byId,
      audit: { action: 'device_type.delete', id: 'id' },
      answers: {
        204: { description: 'Gone, and its associations with it' },
        409: { description: 'Devices are of this type; up to 20 are named' },
      },
      handle: async (call) => {
        await call.inTenant((tx) => deleteDeviceType(tx, call.principal.tenantId, call.params.id));
        return NO_CONTENT;
      },
    }),
  ];
}
