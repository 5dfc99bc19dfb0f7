import { z } from 'zod';
import { id } from '../../protocol/http/envelope.js';
import { printEntry, printNow, timeline, timelineQuery } from '../../protocol/http/timeline.js';
import { requireDevice } from '../../store/commands/devices.js';
import { readDeviceNow, readTimeline } from '../../store/installations/timeline.js';
import { keysetOf } from '../http/paging.js';
import { metaOf, route, type Route } from '../http/route.js';
import { parseEntryCursor } from '../../store/db/cursors.js';

const VALIDATION = 'DEVICE_VALIDATION';

/**
 * docs/contracts/rollouts.md, "History": one device in sentences. It needs what `GET …/slots` needs, and what it tells
 * of installations and rollouts, too.
 */
export function timelineRoutes(): Route[] {
  return [
    route({
      tag: 'Devices',
      validationCode: VALIDATION,
      unknownCode: 'DEVICE_NOT_FOUND',
      method: 'get',
      path: '/v1/devices/{id}/timeline',
      operationId: 'readDeviceTimeline',
      summary: 'Why a device has this version, why now, and what it waits for',
      description: '`now` says where each slot stands; `entries` what happened, newest first, each in one sentence.',
      permission: ['devices_states:read', 'firmware:read', 'rollouts:read'],
      params: z.object({ id }),
      query: timelineQuery,
      answers: { 200: { description: 'Where it stands, and a page of what happened', schema: timeline } },
      async handle(call) {
        const request = keysetOf(call.query, parseEntryCursor, VALIDATION);
        const { tenantId } = call.principal;
        const { now, page } = await call.inTenant(async (tx) => {
          await requireDevice(tx, tenantId, call.params.id);
          return {
            now: await readDeviceNow(tx, tenantId, call.params.id),
            page: await readTimeline(tx, tenantId, call.params.id, {
              ...request,
              since: call.query.since,
              until: call.query.until,
            }),
          };
        });
        const meta = metaOf(page, { ...request, page: 0 });
        return { status: 200, body: { data: { now: now.map(printNow), entries: page.items.map(printEntry) }, meta } };
      },
    }),
  ];
}
