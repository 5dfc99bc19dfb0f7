import {
  historyEvent,
  historyQuery,
  printHistoryEvent,
  TENANT_STREAM_EXAMPLE,
} from '../../protocol/http/live-events.js';
import { pageOf } from '../../protocol/http/envelope.js';
import { listSealed } from '../../store/history/live-events.js';
import type { LiveEvents } from '../live/live-events.js';
import { LAST_EVENT_ID, placeOf, refuse, wantsStream, refuseFilters } from '../live/negotiation.js';
import { keysetOf } from '../http/paging.js';
import { answerPage, route, type Route } from '../http/route.js';
import { parseEntryCursor } from '../../store/db/cursors.js';

const VALIDATION = 'REQUEST_VALIDATION';

/** Everything that happens in a tenant, in the order in which it was sealed. It needs what the parts of it need. */
export function eventRoutes(live: LiveEvents): Route[] {
  return [
    route({
      tag: 'Events',
      validationCode: VALIDATION,
      method: 'get',
      path: '/v1/events',
      operationId: 'listEvents',
      summary: 'What happened, in the order of the sealed history or newest first',
      description:
        'With `Accept: text/event-stream` events follow within about a second, as Server-Sent Events: `id` is the number in the history, `event` what happened, `data` the entry. A reader that does not keep up is cut off, and each stream ends after 15 minutes: ask again with `Last-Event-ID`, and nothing is left out.',
      permission: ['rollouts:read', 'firmware:read', 'devices_states:read'],
      query: historyQuery,
      requestHeaders: LAST_EVENT_ID,
      answers: {
        200: {
          description: 'A page of it, or the stream',
          schema: pageOf(historyEvent),
          stream: TENANT_STREAM_EXAMPLE,
        },
      },
      async handle(call) {
        const { tenantId } = call.principal;
        if (wantsStream(call.request)) {
          refuseFilters(call.query, VALIDATION);
          const { after } = placeOf(call.request, call.query, VALIDATION);
          await live.attach(call.response, { tenantId, ...(after === undefined ? {} : { after }) });
          return { handled: true };
        }
        const request = keysetOf(call.query, parseEntryCursor, VALIDATION);
        if (request.cursor !== undefined && call.query.after !== undefined)
          throw refuse(VALIDATION, '/query/after', 'excludes cursor; send one of them');
        return answerPage(
          await call.inTenant((tx) =>
            listSealed(tx, tenantId, call.query, { ...request, newestFirst: call.query.order === 'desc' }),
          ),
          { ...request, page: 0 },
          printHistoryEvent,
        );
      },
    }),
  ];
}
