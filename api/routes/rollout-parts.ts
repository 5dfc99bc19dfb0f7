import { pageOf } from '../../protocol/http/envelope.js';
import { printRolloutEvent, printTarget, rolloutEvent, rolloutTarget } from '../../protocol/http/rollout.js';
import { eventQuery, targetQuery } from '../../protocol/http/rollouts.js';
import type { Tx } from '../../store/pool.js';
import { listRolloutEvents, listTargets, parseEntryCursor, parseTargetCursor } from '../../store/rollout-lists.js';
import { noSuchRollout, readRollout } from '../../store/rollouts.js';
import { keysetOf } from '../paging.js';
import { answerPage, route, type Route } from '../route.js';
import { byId, common, ROLLOUTS, VALIDATION } from './rollouts.js';

/** specs/rollouts.md, "States": the devices of a rollout, and what happened to it. Long lists, read by cursor only. */
export function rolloutPartRoutes(): Route[] {
  return [
    route({
      ...common, method: 'get', path: `${ROLLOUTS}/{id}/devices`, operationId: 'listRolloutDevices', summary: 'List the targets of a rollout, in the order in which they are taken',
      permission: 'rollouts:read', params: byId, query: targetQuery,
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
      ...common, method: 'get', path: `${ROLLOUTS}/{id}/events`, operationId: 'listRolloutEvents', summary: 'What happened to a rollout, oldest first',
      description: 'Commands, and each decision of the planner that did something.',
      permission: 'rollouts:read', params: byId, query: eventQuery,
      answers: { 200: { description: 'A page of its history', schema: pageOf(rolloutEvent) } },
      async handle(call) {
        const request = keysetOf(call.query, parseEntryCursor, VALIDATION);
        const page = await call.inTenant(async (tx) => {
          await mustBe(tx, call.principal.tenantId, call.params.id);
          return listRolloutEvents(tx, call.principal.tenantId, call.params.id, request);
        });
        return answerPage(page, { ...request, page: 0 }, printRolloutEvent);
      },
    }),
  ];
}

async function mustBe(tx: Tx, tenantId: string, id: string): Promise<void> {
  if (!(await readRollout(tx, tenantId, id))) throw noSuchRollout(id);
}
