import { z } from 'zod';
import { checkPlan } from '../../domain/rollout/check-plan.js';
import { envelope, id, listQuery, pageOf } from '../../protocol/http/envelope.js';
import {
  asSent,
  faultsOfTemplate,
  newTemplate,
  printTemplate,
  standIn,
  template,
  templateFilters,
} from '../../protocol/http/rollout-template.js';
import { toPlan } from '../../protocol/http/to-plan.js';
import {
  createTemplate,
  deleteTemplate,
  listTemplates,
  noSuchTemplate,
  readTemplate,
} from '../../store/rollouts/templates.js';
import { refuseFaults } from '../http/errors.js';
import { toPageRequest } from '../http/paging.js';
import { answer, answerPage, NO_CONTENT, route, type Route, type Services } from '../http/route.js';
import { VALIDATION } from './rollouts.js';

const TEMPLATES = '/v1/rollout-templates';
const common = {
  tag: 'Rollout templates',
  validationCode: VALIDATION,
  unknownCode: 'ROLLOUT_TEMPLATE_NOT_FOUND',
} as const;
const byId = z.object({ id });
const one = envelope(template);

/** docs/contracts/rollouts.md: plans to reuse. */
export function rolloutTemplateRoutes({ now }: Pick<Services, 'now'>): Route[] {
  return [
    route({
      ...common,
      method: 'post',
      path: TEMPLATES,
      operationId: 'createRolloutTemplate',
      summary: 'Create a rollout template from a part of a plan',
      description:
        'What it holds is checked like a plan, with defaults for what it leaves out; whether the firmware and the devices that it names are there is asked when a rollout is created from it.',
      permission: 'rollouts:write',
      body: newTemplate,
      audit: { action: 'template.create' },
      answers: { 201: { description: 'The template', schema: one } },
      async handle(call) {
        const plan = asSent(call.body);
        const faults = faultsOfTemplate(plan, checkPlan(toPlan(standIn(call.body)).plan, now()));
        if (faults.length > 0) throw refuseFaults(VALIDATION, faults);
        const { tenantId, id: by } = call.principal;
        return call.answerOnce(async (tx) =>
          answer(201, printTemplate(await createTemplate(tx, tenantId, plan, by, now()))),
        );
      },
    }),
    route({
      ...common,
      method: 'get',
      path: TEMPLATES,
      operationId: 'listRolloutTemplates',
      summary: 'List templates, newest first or by name',
      permission: 'rollouts:read',
      query: listQuery(templateFilters, ['createdAt', 'name']),
      answers: { 200: { description: 'A page of templates', schema: pageOf(template) } },
      async handle(call) {
        const { q, ...paging } = call.query;
        const request = toPageRequest(paging, VALIDATION);
        return answerPage(
          await call.inTenant((tx) => listTemplates(tx, call.principal.tenantId, q, request)),
          request,
          printTemplate,
        );
      },
    }),
    route({
      ...common,
      method: 'get',
      path: `${TEMPLATES}/{id}`,
      operationId: 'readRolloutTemplate',
      summary: 'Read a template',
      permission: 'rollouts:read',
      params: byId,
      answers: { 200: { description: 'The template', schema: one } },
      async handle(call) {
        const found = await call.inTenant((tx) => readTemplate(tx, call.principal.tenantId, call.params.id));
        if (!found) throw noSuchTemplate(call.params.id);
        return answer(200, printTemplate(found));
      },
    }),
    route({
      ...common,
      method: 'delete',
      path: `${TEMPLATES}/{id}`,
      operationId: 'deleteRolloutTemplate',
      summary: 'Delete a template',
      description: 'Rollouts that were created from it keep what they took.',
      permission: 'rollouts:write',
      params: byId,
      audit: { action: 'template.delete', id: 'id' },
      answers: { 204: { description: 'Gone' } },
      async handle(call) {
        await call.inTenant((tx) => deleteTemplate(tx, call.principal.tenantId, call.params.id));
        return NO_CONTENT;
      },
    }),
  ];
}
