import { ROLLOUT_STREAM_EXAMPLE, rolloutEventQuery } from '../../protocol/http/live-events.js';
import { printDuration } from '../../domain/duration.js';
import { defaultStep, finestStep, MOST_POINTS, withoutGaps } from '../../domain/rollout/series.js';
import { envelope, pageOf } from '../../protocol/http/envelope.js';
import { printSeries, series, seriesQuery } from '../../protocol/http/rollout-series.js';
import { readSeries, seriesRange } from '../../store/rollouts/series.js';
import { printRolloutEvent, printTarget, rolloutEvent, rolloutTarget } from '../../protocol/http/rollout-parts.js';
import { targetQuery } from '../../protocol/http/rollouts.js';
import { sealedOf } from '../../store/history/live-events.js';
import type { Tx } from '../../store/db/pool.js';
import { hasRolloutHistory, listRolloutEvents, listTargets } from '../../store/rollouts/lists.js';
import { noSuchRollout, readRollout } from '../../store/commands/rollouts.js';
import type { RolloutView } from '../../store/rollouts/view.js';
import { isOver, type LiveEvents } from '../live/live-events.js';
import { LAST_EVENT_ID, placeOf, refuse, wantsStream, refuseFilters } from '../live/negotiation.js';
import { keysetOf } from '../http/paging.js';
import { answer, answerPage, NO_CONTENT, route, type Route } from '../http/route.js';
import { byId, common, ROLLOUTS, VALIDATION } from './rollouts.js';
import { parseTargetCursor, parseEntryCursor } from '../../store/db/cursors.js';

const STREAM =
  'Commands, and each decision of the planner that did something. With `Accept: text/event-stream` they are sent within about a second, as Server-Sent Events: `id` is the number in the history, `event` what happened, `data` the entry. `event: counters`, without an id, says how the rollout and its groups stand, at the beginning and when that changed, at most once a second. When the rollout is over and everything was sent, `event: end` follows and the stream ends; asked again with `Last-Event-ID` it is 204. A reader that does not keep up is cut off, and each stream ends after 15 minutes: ask again with `Last-Event-ID`, and nothing is left out.';

/**
 * docs/contracts/rollouts.md, "States": the devices of a rollout, and what happened to it. Long lists, read by cursor
 * only.
 */
export function rolloutPartRoutes(live: LiveEvents): Route[] {
  return [
    route({
      ...common,
      method: 'get',
      path: `${ROLLOUTS}/{id}/devices`,
      operationId: 'listRolloutDevices',
      summary: 'List the targets of a rollout, in the order in which they are taken',
      permission: 'rollouts:read',
      params: byId,
      query: targetQuery,
      answers: { 200: { description: 'A page of targets', schema: pageOf(rolloutTarget) } },
      async handle(call) {
        const { state, group } = call.query;
        const request = keysetOf(call.query, parseTargetCursor, VALIDATION);
        const wanted = { ...(state === undefined ? {} : { state }), ...(group === undefined ? {} : { group }) };
        const page = await call.inTenant(async (tx) => {
          await mustBe(tx, call.principal.tenantId, call.params.id);
          return listTargets(tx, call.principal.tenantId, call.params.id, wanted, request);
        });
        return answerPage(page, { ...request, page: 0 }, printTarget);
      },
    }),
    route({
      ...common,
      method: 'get',
      path: `${ROLLOUTS}/{id}/series`,
      operationId: 'readRolloutSeries',
      summary: 'How many installations of a rollout started, ended and failed over time',
      permission: 'rollouts:read',
      params: byId,
      query: seriesQuery,
      answers: { 200: { description: 'What it did in each step', schema: envelope(series) } },
      async handle(call) {
        const { tenantId } = call.principal;
        const { id } = call.params;
        return call.inTenant(async (tx) => {
          const range = await seriesRange(tx, tenantId, id);
          if (!range) await mustBe(tx, tenantId, id);
          const length = range ? range.last - range.first : 0;
          const step = call.query.step ?? defaultStep(length);
          if (step < finestStep(length))
            throw refuse(
              VALIDATION,
              '/query/step',
              `gives more than ${MOST_POINTS} points; the finest step of this rollout is ${printDuration(finestStep(length))}`,
            );
          return answer(200, printSeries(step, withoutGaps(await readSeries(tx, tenantId, id, step), step)));
        });
      },
    }),
    route({
      ...common,
      method: 'get',
      path: `${ROLLOUTS}/{id}/events`,
      operationId: 'listRolloutEvents',
      summary: 'What happened to a rollout, oldest first or newest first',
      description: STREAM,
      permission: 'rollouts:read',
      params: byId,
      query: rolloutEventQuery,
      requestHeaders: LAST_EVENT_ID,
      answers: {
        200: {
          description: 'A page of its history, or the stream',
          schema: pageOf(rolloutEvent),
          stream: ROLLOUT_STREAM_EXAMPLE,
        },
        204: {
          description:
            'The rollout is over, and `Last-Event-ID` names its last entry: there is nothing to come again for',
        },
      },
      async handle(call) {
        const { tenantId } = call.principal;
        if (wantsStream(call.request)) {
          refuseFilters(call.query, VALIDATION);
          const { after, resumes } = placeOf(call.request, call.query, VALIDATION);
          const { view, left } = await call.inTenant(async (tx) => {
            const found = await readRollout(tx, tenantId, call.params.id);
            if (!found) await mustHaveHistory(tx, tenantId, call.params.id);
            const sealed = found && resumes && isOver(found) ? await sealedOf(tx, tenantId, call.params.id) : undefined;
            return { view: found, left: !sealed?.whole || after === undefined || sealed.newest > after };
          });
          // One that was deleted tells nothing more; its pages stay.
          if (!left || !view) return NO_CONTENT;
          await live.attach(call.response, { tenantId, rollout: view, ...(after === undefined ? {} : { after }) });
          return { handled: true };
        }
        if (call.query.after !== undefined)
          throw refuse(VALIDATION, '/query/after', 'is for Accept: text/event-stream; pages go on with cursor');
        const request = keysetOf(call.query, parseEntryCursor, VALIDATION);
        const page = await call.inTenant(async (tx) => {
          const newestFirst = call.query.order === 'desc';
          const found = await listRolloutEvents(tx, call.principal.tenantId, call.params.id, {
            ...request,
            newestFirst,
            since: call.query.since,
            until: call.query.until,
          });
          if (found.items.length === 0) await mustHaveHistory(tx, call.principal.tenantId, call.params.id);
          return found;
        });
        return answerPage(page, { ...request, page: 0 }, printRolloutEvent);
      },
    }),
  ];
}

/** One that was deleted has its history, and nothing else. @throws DomainError ROLLOUT_NOT_FOUND */
async function mustHaveHistory(tx: Tx, tenantId: string, id: string): Promise<void> {
  if (!(await hasRolloutHistory(tx, tenantId, id))) throw noSuchRollout(id);
}

async function mustBe(tx: Tx, tenantId: string, id: string): Promise<RolloutView> {
  const found = await readRollout(tx, tenantId, id);
  if (!found) throw noSuchRollout(id);
  return found;
}
