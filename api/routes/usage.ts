import { z } from 'zod';
import { envelope, id, listQuery, pageOf } from '../../protocol/http/envelope.js';
import { printTarget } from '../../protocol/http/rollout-parts.js';
import { deviceRollout, firmwareUsage } from '../../protocol/http/usage.js';
import { requireDevice } from '../../store/commands/devices.js';
import { listRolloutsOfDevice, readFirmwareUsage } from '../../store/commands/usage.js';
import { readFirmware } from '../../store/fleet/firmwares.js';
import { toPageRequest } from '../http/paging.js';
import { answer, answerPage, route, type Route, type Services } from '../http/route.js';

const byId = z.object({ id });

/** docs/contracts/rest-api.md: where a firmware is used, and which rollouts a device is a target of. */
export function usageRoutes({ now, draftLifetimeMs }: Pick<Services, 'now' | 'draftLifetimeMs'>): Route[] {
  return [
    route({
      tag: 'Firmware',
      validationCode: 'FIRMWARE_VALIDATION',
      unknownCode: 'FIRMWARE_NO_ACCESS_TO_RESOURCE',
      method: 'get',
      path: '/v1/firmwares/{id}/usage',
      operationId: 'readFirmwareUsage',
      summary: 'Where a firmware is used',
      description: 'Up to 100 associations and rollouts, newest first; the totals count all.',
      permission: ['firmware:read', 'devicetypes:read', 'devices_states:read', 'rollouts:read'],
      params: byId,
      answers: { 200: { description: 'Associations, rollouts, devices by slot', schema: envelope(firmwareUsage) } },
      async handle(call) {
        const { tenantId } = call.principal;
        const age = { lifetimeMs: draftLifetimeMs, now: now() };
        return call.inTenant(async (tx) => {
          const firmware = await readFirmware(tx, tenantId, call.params.id, age);
          return answer(200, await readFirmwareUsage(tx, tenantId, firmware));
        });
      },
    }),
    route({
      tag: 'Devices',
      validationCode: 'DEVICE_VALIDATION',
      unknownCode: 'DEVICE_NOT_FOUND',
      method: 'get',
      path: '/v1/devices/{id}/rollouts',
      operationId: 'listDeviceRollouts',
      summary: 'List the rollouts that a device is a target of, newest first',
      permission: ['devices_states:read', 'rollouts:read'],
      params: byId,
      query: listQuery({}),
      answers: { 200: { description: 'A page of rollouts, each with its target', schema: pageOf(deviceRollout) } },
      async handle(call) {
        const { tenantId } = call.principal;
        const page = toPageRequest(call.query, 'DEVICE_VALIDATION');
        const found = await call.inTenant(async (tx) => {
          await requireDevice(tx, tenantId, call.params.id);
          return listRolloutsOfDevice(tx, tenantId, call.params.id, page);
        });
        return answerPage(found, page, ({ target, ...one }) => ({ ...one, target: printTarget(target) }));
      },
    }),
  ];
}
