import { z } from 'zod';
import { id, pageOf, shortListQuery } from '../../protocol/http/envelope.js';
import { deviceSlot, diagnostic, printSlot } from '../../protocol/http/slots.js';
import { requireDevice } from '../../store/commands/devices.js';
import { readDiagnostics } from '../../store/fleet/diagnostics-read.js';
import { readDeviceSlots } from '../../store/fleet/slots.js';
import { pageOfShortList } from '../http/paging.js';
import { route, type Route } from '../http/route.js';

const common = {
  tag: 'Devices',
  validationCode: 'DEVICE_VALIDATION',
  unknownCode: 'DEVICE_NOT_FOUND',
  permission: 'devices_states:read',
  params: z.object({ id }),
  query: shortListQuery,
} as const;

/**
 * What a device holds and is to hold, and what of its messages was refused (docs/contracts/rest-api.md, "Firmware
 * installations").
 */
export function slotRoutes(): Route[] {
  return [
    route({
      ...common,
      method: 'get',
      path: '/v1/devices/{id}/slots',
      operationId: 'listDeviceSlots',
      summary: 'Current and desired content per slot',
      answers: {
        200: { description: "A page of the slots of the device's type, by name", schema: pageOf(deviceSlot) },
      },
      handle: async (call) =>
        pageOfShortList(
          await call.inTenant(async (tx) => {
            await requireDevice(tx, call.principal.tenantId, call.params.id);
            return (await readDeviceSlots(tx, call.principal.tenantId, call.params.id)).map(printSlot);
          }),
          call.query,
        ),
    }),
    route({
      ...common,
      method: 'get',
      path: '/v1/devices/{id}/last-diagnostics',
      operationId: 'listDiagnostics',
      summary: 'Messages of the last hour that were refused, and why',
      description: 'MQTT 3.1.1 returns no errors: engineers of devices look here.',
      answers: { 200: { description: 'Newest first; 100 are kept', schema: pageOf(diagnostic) } },
      handle: async (call) =>
        pageOfShortList(
          await call.inTenant(async (tx) => {
            await requireDevice(tx, call.principal.tenantId, call.params.id);
            return readDiagnostics(tx, call.principal.tenantId, call.params.id);
          }),
          call.query,
        ),
    }),
  ];
}
