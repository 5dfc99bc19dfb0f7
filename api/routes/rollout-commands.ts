import { z } from 'zod';
import type { Command } from '../../domain/rollout/commands.js';
import { id } from '../../protocol/http/envelope.js';
import { nothing } from '../../protocol/http/installations.js';
import { groupName } from '../../protocol/http/rollout-plan.js';
import { abortBody, pauseBody, rejectBody, resumeBody, retryBody, skipBody } from '../../protocol/http/rollouts.js';
import { commandRollout } from '../../store/commands/rollout-commands.js';
import { expectedVersions, IF_MATCH, MOVED_ON } from '../http/if-match.js';
import { answer, route, type Answer, type Call, type Route, type Services } from '../http/route.js';
import { byId, common, oneRollout, personOf, printer, ROLLOUTS, VALIDATION, WRONG_PHASE } from './rollouts.js';

const ONE = `${ROLLOUTS}/{id}`;
const GROUP = `${ONE}/groups/{name}`;
const byGroup = z.object({ id, name: groupName });
const FOUR_EYES = 'For the plan as it is now. With four eyes, not by who created it or loosened it: 403.';

/**
 * docs/contracts/rollouts.md, "States": what a person asks of a rollout. Each is done under the lock of its row, and
 * answered with what it is then.
 */
export function rolloutCommandRoutes(services: Services): Route[] {
  const print = printer(services);

  const act = (
    { principal, request, answerOnce }: Pick<Call, 'principal' | 'request' | 'answerOnce'>,
    rolloutId: string,
    command: Command,
  ): Promise<Answer> => {
    const expected = expectedVersions(request, VALIDATION);
    return answerOnce(async (tx) => {
      const person = personOf(principal);
      const view = await commandRollout(tx, principal.tenantId, rolloutId, person, command, services.now(), expected);
      return answer(202, print(view, principal));
    });
  };
  const accepted = (description: string) => ({
    202: { description, schema: oneRollout },
    409: WRONG_PHASE,
    412: MOVED_ON,
  });
  const conditional = { ...common, requestHeaders: IF_MATCH };

  return [
    route({
      ...conditional,
      method: 'post',
      path: `${ONE}/start`,
      operationId: 'startRollout',
      summary: 'Start a rollout',
      permission: 'rollouts:write',
      params: byId,
      body: nothing,
      audit: { action: 'rollout.start', id: 'id' },
      answers: accepted('It starts, or waits for its approvals or its time'),
      handle: (call) => act(call, call.params.id, { do: 'start' }),
    }),
    route({
      ...conditional,
      method: 'post',
      path: `${ONE}/pause`,
      operationId: 'pauseRollout',
      summary: 'Pause a rollout',
      description: 'Nothing more starts; open installations continue.',
      permission: 'rollouts:write',
      params: byId,
      body: pauseBody,
      audit: { action: 'rollout.pause', id: 'id' },
      answers: accepted('It is paused'),
      handle: (call) => act(call, call.params.id, { do: 'pause', because: call.body?.reason ?? null }),
    }),
    route({
      ...conditional,
      method: 'post',
      path: `${ONE}/resume`,
      operationId: 'resumeRollout',
      summary: 'End one pause of a rollout',
      description:
        'Pauses are a set of reasons: this ends the one that it names, and no other. A gate that failed is overridden with it, for which it takes a comment. To go on despite a gate or a stop rule loosens the plan, as an amendment may.',
      permission: 'rollouts:write',
      params: byId,
      body: resumeBody,
      audit: { action: 'rollout.resume', id: 'id' },
      answers: accepted('The pause has ended; others may be left'),
      handle: (call) => act(call, call.params.id, { do: 'resume', ...call.body }),
    }),
    route({
      ...conditional,
      method: 'post',
      path: `${ONE}/abort`,
      operationId: 'abortRollout',
      summary: 'Abort a rollout',
      description:
        'For ever. What is pending ends as canceled, and so does what devices have not begun; with cancelOpen, they are asked to stop what they have begun.',
      permission: 'rollouts:write',
      params: byId,
      body: abortBody,
      audit: { action: 'rollout.abort', id: 'id' },
      answers: accepted('It is aborted'),
      handle: (call) =>
        act(call, call.params.id, {
          do: 'abort',
          cancelOpen: call.body?.cancelOpen ?? false,
          because: call.body?.reason ?? null,
        }),
    }),
    route({
      ...conditional,
      method: 'post',
      path: `${ONE}/rollback`,
      operationId: 'rollBackRollout',
      summary: 'Roll a rollout back',
      description:
        'What is pending or open is cancelled, and every device that was updated returns to what its slot held before, the newest group first, under the same cap and pace. Then it ends as aborted; devices that cannot return are named with the reason.',
      permission: 'rollouts:write',
      params: byId,
      body: pauseBody,
      audit: { action: 'rollout.rollback', id: 'id' },
      answers: accepted('It rolls back'),
      handle: (call) => act(call, call.params.id, { do: 'rollback', because: call.body?.reason ?? null }),
    }),
    route({
      ...conditional,
      method: 'post',
      path: `${ONE}/retry`,
      operationId: 'retryRollout',
      summary: 'Retry targets that ended badly',
      description:
        'Under the same pace and gates; gates that failed are judged anew. A rollout that has finished runs again.',
      permission: 'rollouts:write',
      params: byId,
      body: retryBody,
      audit: { action: 'rollout.retry', id: 'id' },
      answers: accepted('The targets are pending again'),
      handle: (call) =>
        act(call, call.params.id, { do: 'retry', outcomes: call.body?.outcomes ?? ['failed', 'timedOut'] }),
    }),
    route({
      ...conditional,
      method: 'post',
      path: `${ONE}/approve`,
      operationId: 'approveRollout',
      summary: 'Approve a rollout, so that it may start',
      description: FOUR_EYES,
      permission: 'rollouts:approve',
      params: byId,
      body: nothing,
      audit: { action: 'rollout.approve', id: 'id' },
      answers: accepted('It is approved, or waits for further approvals'),
      handle: (call) => act(call, call.params.id, { do: 'approve', group: null }),
    }),
    route({
      ...conditional,
      method: 'post',
      path: `${ONE}/reject`,
      operationId: 'rejectRollout',
      summary: 'Reject a rollout that waits for its approval',
      description: 'It ends as aborted.',
      permission: 'rollouts:approve',
      params: byId,
      body: rejectBody,
      audit: { action: 'rollout.reject', id: 'id' },
      answers: accepted('It is aborted'),
      handle: (call) => act(call, call.params.id, { do: 'reject', group: null, because: call.body.reason }),
    }),
    route({
      ...conditional,
      method: 'post',
      path: `${GROUP}/approve`,
      operationId: 'approveRolloutGroup',
      summary: 'Approve a group, so that the next one may begin',
      description: FOUR_EYES,
      permission: 'rollouts:approve',
      params: byGroup,
      body: nothing,
      audit: { action: 'rollout.approve_group', id: 'id' },
      answers: accepted('It is approved, or waits for further approvals'),
      handle: (call) => act(call, call.params.id, { do: 'approve', group: call.params.name }),
    }),
    route({
      ...conditional,
      method: 'post',
      path: `${GROUP}/skip`,
      operationId: 'skipRolloutGroup',
      summary: 'Skip the targets of a group that are away',
      description:
        'They end as skipped, which leaves every share; a gate that was inconclusive because of them is judged anew.',
      permission: 'rollouts:write',
      params: byGroup,
      body: skipBody,
      audit: { action: 'rollout.skip_group', id: 'id' },
      answers: accepted('They are skipped'),
      handle: (call) => act(call, call.params.id, { do: 'skip', group: call.params.name }),
    }),
    route({
      ...conditional,
      method: 'post',
      path: `${GROUP}/reject`,
      operationId: 'rejectRolloutGroup',
      summary: 'Reject a group',
      description: 'The rollout pauses for the reason `approval`; resuming it asks again.',
      permission: 'rollouts:approve',
      params: byGroup,
      body: rejectBody,
      audit: { action: 'rollout.reject_group', id: 'id' },
      answers: accepted('It is paused'),
      handle: (call) => act(call, call.params.id, { do: 'reject', group: call.params.name, because: call.body.reason }),
    }),
  ];
}
