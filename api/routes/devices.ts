import { z } from 'zod';
import { defined } from '../../domain/defined.js';
import { facetOf, type FacetCount } from '../../domain/fleet/facets.js';
import { deviceListQuery, devicePage, printRow } from '../../protocol/http/device-rows.js';
import { device, devicePatch, newDevice } from '../../protocol/http/devices.js';
import { envelope, id } from '../../protocol/http/envelope.js';
import { listDeviceRows, readFacet } from '../../store/commands/device-rows.js';
import { deleteDevice } from '../../store/commands/delete-device.js';
import {
  createDevice,
  listDevices,
  noSuchDevice,
  readConnection,
  readDevice,
  updateDevice,
} from '../../store/commands/devices.js';
import type { Page } from '../../store/db/page.js';
import type { Tx } from '../../store/db/pool.js';
import { authorize } from '../http/authorize.js';
import { toPageRequest } from '../http/paging.js';
import { patched } from '../http/patch.js';
import { answer, metaOf, NO_CONTENT, route, type Route, type Services } from '../http/route.js';

const VALIDATION = 'DEVICE_VALIDATION';
const common = { tag: 'Devices', validationCode: VALIDATION, unknownCode: 'DEVICE_NOT_FOUND' } as const;
const byId = z.object({ id });
const one = envelope(device);

/** docs/contracts/rest-api.md, "Devices". */
export function deviceRoutes({ now }: Pick<Services, 'now'>): Route[] {
  return [
    route({
      ...common,
      method: 'post',
      path: '/v1/devices',
      operationId: 'createDevice',
      summary: 'Register a device',
      permission: 'devices_base_data:write',
      body: newDevice,
      audit: { action: 'device.create' },
      answers: {
        201: { description: 'The device', schema: one },
        404: { description: 'The device type does not exist' },
        409: { description: 'The gateway is unknown, or an alias names another device' },
      },
      handle: (call) =>
        call.answerOnce(async (tx) => answer(201, await createDevice(tx, call.principal.tenantId, call.body))),
    }),
    route({
      ...common,
      method: 'get',
      path: '/v1/devices',
      operationId: 'listDevices',
      summary: 'List devices, newest first or by name',
      description: 'Each filter is a comma list and matches any of its values; filters all match.',
      permission: 'devices_base_data:read',
      query: deviceListQuery,
      answers: { 200: { description: 'A page of devices', schema: devicePage } },
      handle: async (call) => {
        const page = toPageRequest(call.query, VALIDATION);
        const { tenantId } = call.principal;
        const { fields, facets = [] } = call.query;
        if (fields?.includes('installation')) authorize(call.principal, ['firmware:read']);
        const read = async (tx: Tx): Promise<Page<unknown>> => {
          if (!fields) return listDevices(tx, tenantId, call.query, page);
          const found = await listDeviceRows(tx, tenantId, call.query, page, fields.includes('installation'));
          return { ...found, items: found.items.map((row) => printRow(row, fields)) };
        };
        return call.inTenant(async (tx) => {
          const found = await read(tx);
          const counted: Record<string, readonly FacetCount[]> = {};
          for (const name of facets) {
            const facet = defined(facetOf(name), 'the query has known facets only');
            counted[name] = await readFacet(tx, tenantId, call.query, page, facet);
          }
          const meta = { ...metaOf(found, page), ...(facets.length > 0 ? { facets: counted } : {}) };
          return { status: 200, body: { data: found.items, meta } };
        });
      },
    }),
    route({
      ...common,
      method: 'get',
      path: '/v1/devices/{id}',
      operationId: 'getDevice',
      summary: 'Read a device',
      permission: 'devices_base_data:read',
      params: byId,
      answers: { 200: { description: 'The device', schema: one } },
      handle: async (call) => {
        const { tenantId } = call.principal;
        const found = await call.inTenant(async (tx) => {
          const one = await readDevice(tx, tenantId, call.params.id);
          return one && { ...one, connection: await readConnection(tx, tenantId, one.id) };
        });
        if (!found) throw noSuchDevice(call.params.id);
        return answer(200, found);
      },
    }),
    route({
      ...common,
      method: 'patch',
      path: '/v1/devices/{id}',
      operationId: 'patchDevice',
      summary: 'Change a device (RFC 7396)',
      permission: 'devices_base_data:write',
      params: byId,
      body: devicePatch,
      audit: { action: 'device.change', id: 'id' },
      answers: {
        200: { description: 'The device as it is now', schema: one },
        404: { description: 'The device or device type does not exist' },
        409: {
          description:
            'The gateway is unknown or would close a circle; an alias names another device; or the type cannot change under open installations',
        },
      },
      handle: async (call) => {
        const topology = call.body.info?.connectedBy !== undefined;
        return answer(
          200,
          await call.inTenant((tx) =>
            updateDevice(tx, call.principal.tenantId, call.params.id, topology, ({ info, configuration, custom }) =>
              patched(
                {
                  info,
                  ...(configuration === undefined ? {} : { configuration }),
                  ...(custom === undefined ? {} : { custom }),
                },
                call.body,
                newDevice,
                VALIDATION,
              ),
            ),
          ),
        );
      },
    }),
    route({
      ...common,
      method: 'delete',
      path: '/v1/devices/{id}',
      operationId: 'deleteDevice',
      summary: 'Delete a device',
      permission: 'devices_base_data:write',
      params: byId,
      query: z.strictObject({
        force: z
          .boolean()
          .default(false)
          .meta({ description: 'Cancels what is open on it first; children of a gateway stay, without a gateway' }),
      }),
      audit: { action: 'device.delete', id: 'id' },
      answers: {
        204: { description: 'Gone' },
        409: { description: 'Installations are open on it (up to 20 are named), or it is the gateway of others' },
      },
      handle: async (call) => {
        await call.inTenant((tx) => deleteDevice(tx, call.principal.tenantId, call.params.id, call.query.force, now()));
        return NO_CONTENT;
      },
    }),
  ];
}
