import { z } from 'zod';
import { amendmentOf, valueAt } from '../../domain/rollout/amendment.js';
import { checkPlan } from '../../domain/rollout/check-plan.js';
import type { Caller } from '../../domain/rollout/actions.js';
import type { Command } from '../../domain/rollout/commands.js';
import type { Plan } from '../../domain/rollout/plan.js';
import type { Person } from '../../domain/rollout/votes.js';
import { envelope, id, listQuery, pageOf } from '../../protocol/http/envelope.js';
import { printPlan } from '../../protocol/http/print-plan.js';
import { newRollout, rolloutRequest, type NewRollout, type RolloutRequest } from '../../protocol/http/rollout-plan.js';
import { asSent, withTemplate, type NewTemplate } from '../../protocol/http/rollout-template.js';
import { printListedRollout, printRollout, rollout } from '../../protocol/http/rollout.js';
import { byName, rolloutFilters, rolloutPatch, type RolloutPatch } from '../../protocol/http/rollouts.js';
import { toPlan } from '../../protocol/http/to-plan.js';
import type { Tx } from '../../store/db/pool.js';
import { deleteRollout } from '../../store/commands/delete-rollout.js';
import { commandRollout } from '../../store/commands/rollout-commands.js';
import { lockRollout } from '../../store/commands/observe.js';
import { readTemplate } from '../../store/rollouts/templates.js';
import {
  createRollout,
  listRollouts,
  noSuchRollout,
  readRollout,
  refuseMoved,
  type RolloutOrigin,
} from '../../store/commands/rollouts.js';
import type { RolloutView } from '../../store/rollouts/view.js';
import { faultsOf, refuseFaults } from '../http/errors.js';
import { expectedVersions, IF_MATCH, MOVED_ON } from '../http/if-match.js';
import { toPageRequest } from '../http/paging.js';
import { patched } from '../http/patch.js';
import { answer, answerPage, NO_CONTENT, route, type Principal, type Route, type Services } from '../http/route.js';

/** The code of a plan that is refused; the faults stand in `errors`. */
export const VALIDATION = 'ROLLOUT_VALIDATION';
/** Where the resource stands. */
export const ROLLOUTS = '/v1/rollouts';
/** What every operation of rollouts has. */
export const common = { tag: 'Rollouts', validationCode: VALIDATION, unknownCode: 'ROLLOUT_NOT_FOUND' } as const;
/** The parameters of a path with one rollout in it. */
export const byId = z.object({ id });
/** The answer with one rollout. */
export const oneRollout = envelope(rollout);
/** The 409 of a command, for OpenAPI. */
export const WRONG_PHASE = {
  description: 'The phase of the rollout does not allow this; the sentence says why, and when it would be',
};

/** Who asks, as the rules of approvals see it. */
export function personOf({ id, permissions }: Principal): Person {
  return { id, mayApprove: permissions.includes('rollouts:approve') };
}

/** Prints a rollout for who asks: with what they may do, and the place where its process is shown. */
export function printer(
  { workflowUrl, now }: Pick<Services, 'workflowUrl' | 'now'>,
  printed = printRollout,
): (view: RolloutView, caller: Caller) => z.input<typeof rollout> {
  return (view, caller) =>
    printed(view, {
      workflowUrl: view.processStarted ? (workflowUrl?.(`rollout-${view.id}`) ?? null) : null,
      caller,
      now: now(),
    });
}

/**
 * docs/contracts/rollouts.md: rollouts as resources. What is asked of one stands in rollout-commands.ts, what belongs
 * to one in rollout-parts.ts.
 */
export function rolloutRoutes(services: Services): Route[] {
  const [print, printListed] = [printer(services), printer(services, printListedRollout)];

  return [
    route({
      ...common,
      method: 'post',
      path: ROLLOUTS,
      operationId: 'createRollout',
      summary: 'Create a rollout',
      description:
        'A draft, unless the plan names a time to start. What is left out has a default that is safe; `defaults` of the answer points at each that was filled in. With `templateId`, what is left out is taken from the template first, and `fromTemplate` points at that: objects are put together, lists and targets are taken as a whole, and null asks for the default.',
      permission: 'rollouts:write',
      body: rolloutRequest,
      audit: { action: 'rollout.create' },
      answers: {
        201: { description: 'The rollout', schema: oneRollout },
        409: {
          description:
            'The firmware has no blob, or is not associated with the slot for a type of device that is a target',
        },
      },
      async handle(call) {
        const { tenantId, id: createdBy } = call.principal;
        return call.answerOnce(async (tx) => {
          const { plan, defaulted, template } = await planOf(tx, tenantId, call.body);
          refuse(plan, services.now());
          return answer(
            201,
            print(
              await createRollout(
                tx,
                tenantId,
                { plan, defaulted, createdBy, ...(template ? { template } : {}) },
                services.now(),
              ),
              call.principal,
            ),
          );
        });
      },
    }),
    route({
      ...common,
      method: 'get',
      path: ROLLOUTS,
      operationId: 'listRollouts',
      summary: 'List rollouts, newest first or by name',
      permission: 'rollouts:read',
      query: listQuery(rolloutFilters, ['createdAt', 'name']),
      answers: { 200: { description: 'A page of rollouts', schema: pageOf(rollout) } },
      async handle(call) {
        const { phase, q, ...paging } = call.query;
        const request = toPageRequest(paging, VALIDATION);
        const wanted = { ...(phase === undefined ? {} : { phase }), ...(q === undefined ? {} : { q }) };
        return answerPage(
          await call.inTenant((tx) => listRollouts(tx, call.principal.tenantId, wanted, request)),
          request,
          (view) => printListed(view, call.principal),
        );
      },
    }),
    route({
      ...common,
      method: 'get',
      path: `${ROLLOUTS}/{id}`,
      operationId: 'readRollout',
      summary: 'Read a rollout',
      permission: 'rollouts:read',
      params: byId,
      answers: {
        200: {
          description: 'The rollout: its plan, its phase and why, its groups with counters and what their gates say',
          schema: oneRollout,
        },
      },
      async handle(call) {
        const found = await call.inTenant((tx) => readRollout(tx, call.principal.tenantId, call.params.id));
        if (!found) throw noSuchRollout(call.params.id);
        return answer(200, print(found, call.principal));
      },
    }),
    route({
      ...common,
      method: 'delete',
      path: `${ROLLOUTS}/{id}`,
      operationId: 'deleteRollout',
      summary: 'Delete a rollout that is a draft, or has ended',
      description: 'Its history stays, and so do the installations that it made.',
      permission: 'rollouts:write',
      params: byId,
      audit: { action: 'rollout.delete', id: 'id' },
      requestHeaders: IF_MATCH,
      answers: { 204: { description: 'Gone' }, 409: WRONG_PHASE, 412: MOVED_ON },
      async handle(call) {
        const { tenantId, id: by } = call.principal;
        const expected = expectedVersions(call.request, VALIDATION);
        await call.inTenant((tx) => deleteRollout(tx, tenantId, call.params.id, by, services.now(), expected));
        return NO_CONTENT;
      },
    }),
    route({
      ...common,
      method: 'patch',
      path: `${ROLLOUTS}/{id}`,
      operationId: 'amendRollout',
      summary: 'Amend a rollout while it runs (RFC 7396)',
      description:
        'Name, description, pace, stop rules, schedule, and gate, soak and approval of groups that have not passed. Null brings the default back; the plan that comes of it is checked like a new one. Each amendment is a version in the history; one that changes nothing makes no version. One that loosens voids the votes that were given; with fourEyes it takes rollouts:approve and another person than the creator: 403.',
      permission: 'rollouts:write',
      params: byId,
      body: rolloutPatch,
      audit: { action: 'rollout.amend', id: 'id' },
      requestHeaders: IF_MATCH,
      answers: {
        200: { description: 'The rollout as it is now', schema: oneRollout },
        409: { description: 'It has ended, or the group has passed' },
        412: MOVED_ON,
      },
      async handle(call) {
        const { tenantId } = call.principal;
        const expected = expectedVersions(call.request, VALIDATION);
        const given = await call.inTenant(async (tx) => {
          // Two amendments at once: the second one is merged into what the first one left.
          await lockRollout(tx, tenantId, call.params.id);
          const found = await readRollout(tx, tenantId, call.params.id);
          if (!found) throw noSuchRollout(call.params.id);
          refuseMoved(found, expected);
          const command = amend(found.plan, call.body, services.now());
          return command
            ? commandRollout(tx, tenantId, found.id, personOf(call.principal), command, services.now())
            : found;
        });
        return answer(200, print(given, call.principal));
      },
    }),
  ];
}

/**
 * A request, put together with its template. @throws DomainError ROLLOUT_VALIDATION with a pointer for each fault, into
 * what came of both
 */
export async function planOf(
  tx: Tx,
  tenantId: string,
  { templateId, ...request }: RolloutRequest,
): Promise<{ plan: Plan; defaulted: string[]; template?: RolloutOrigin }> {
  const given = asSent(request as NewTemplate);
  if (typeof templateId !== 'string') return toPlan(whole(given));
  const found = await readTemplate(tx, tenantId, templateId);
  if (!found)
    throw refuseFaults(VALIDATION, [
      { pointer: '/templateId', detail: `template ${templateId} does not exist, or belongs to another tenant` },
    ]);
  const { body, taken } = withTemplate(found.plan, given);
  const { plan, defaulted } = toPlan(whole(body));
  // What a plan has no place for, because there is one way only, is no default.
  const values = Object.fromEntries(
    taken.map((pointer) => [pointer, valueAt(plan, pointer)] as const).filter(([, value]) => value !== undefined),
  );
  return { plan, defaulted, template: { id: templateId, values } };
}

function whole(body: unknown): NewRollout {
  const parsed = newRollout.safeParse(body);
  if (!parsed.success) throw refuseFaults(VALIDATION, faultsOf(parsed.error.issues, '', newRollout));
  return parsed.data;
}

/** @throws DomainError ROLLOUT_VALIDATION with a pointer for each fault, into the plan as it would be */
function amend(plan: Plan, wanted: RolloutPatch, now: number): Command | undefined {
  const { patch, faults } = byName(printPlan(plan), wanted);
  if (faults.length > 0) throw refuseFaults(VALIDATION, faults);
  const { plan: next } = toPlan(patched(printPlan(plan), patch, newRollout, VALIDATION));
  refuse(next, now, plan);
  const amendment = amendmentOf(plan, next);
  return amendment && { do: 'amend', amendment };
}

/**
 * @throws DomainError ROLLOUT_VALIDATION with a pointer for each fault of the plan. `now`: epoch milliseconds;
 * `before`: the plan that is amended
 */
export function refuse(plan: Plan, now: number, before?: Plan): void {
  const faults = checkPlan(plan, now, before);
  if (faults.length > 0) throw refuseFaults(VALIDATION, faults);
}
