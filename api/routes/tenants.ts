import { z } from 'zod';
import { DomainError } from '../../domain/errors.js';
import { printKey } from '../../protocol/http/api-keys.js';
import { envelope, pageOf, shortListQuery, text } from '../../protocol/http/envelope.js';
import {
  newTenant,
  printTenant,
  tenant,
  tenantPatch,
  tenantWithKey,
  tenantWithUsage,
} from '../../protocol/http/tenants.js';
import { beginRemovalOfTenant } from '../../store/commands/remove-tenant.js';
import { changeTenant, createTenant, listTenants, readTenant, whyNoTenantId } from '../../store/commands/tenants.js';
import { readUsage } from '../../store/db/quotas.js';
import { refuseFaults } from '../http/errors.js';
import { pageOfShortList } from '../http/paging.js';
import { answer, route, type Route, type Services } from '../http/route.js';

const TENANTS = '/v1/tenants';
const ONE = `${TENANTS}/{id}`;
const VALIDATION = 'REQUEST_VALIDATION';
const common = { tag: 'Tenants', validationCode: VALIDATION, unknownCode: 'TENANT_NOT_FOUND' } as const;
const byId = z.object({ id: text(1, 64) });
const READ = 'tenants:read';
const WRITE = 'tenants:write';

/** Tenants, for the operator of the installation (docs/contracts/operators.md, "Tenants"). */
export function tenantRoutes({ now }: Pick<Services, 'now'>): Route[] {
  return [
    route({
      ...common,
      method: 'post',
      path: TENANTS,
      operationId: 'createTenant',
      summary: "Make a tenant with a first owner's key",
      description:
        'The key is shown this once. A repetition with the same Idempotency-Key cannot show it again: 409 `AUTH_KEY_SHOWN`.',
      permission: WRITE,
      audit: { action: 'tenant.create' },
      body: newTenant,
      answers: {
        201: { description: 'The tenant, and its first key', schema: envelope(tenantWithKey) },
        409: { description: 'There is such a tenant; or this Idempotency-Key made one before' },
      },
      handle: (call) =>
        call.answerOnceAsService(async (tx) => {
          const refusal = whyNoTenantId(call.body.id);
          if (refusal !== undefined) throw refuseFaults(VALIDATION, [{ pointer: '/id', detail: refusal }]);
          const { view, made } = await createTenant(tx, call.principal.id, call.body, now());
          const repeated = new DomainError(
            'AUTH_KEY_SHOWN',
            `this Idempotency-Key made the tenant "${view.id}" before, and its key was shown in that answer only; where that was lost, delete the tenant and make it again`,
            { tenant: view.id },
          );
          const apiKey = { ...printKey(made.view), key: made.key };
          return { ...answer(201, { ...printTenant(view), apiKey, key: made.key }), repeated };
        }),
    }),
    route({
      ...common,
      method: 'get',
      path: TENANTS,
      operationId: 'listTenants',
      summary: 'List tenants, newest first',
      permission: READ,
      query: shortListQuery,
      answers: { 200: { description: 'A page of tenants', schema: pageOf(tenant) } },
      handle: async (call) =>
        pageOfShortList((await call.asService((tx) => listTenants(tx))).map(printTenant), call.query),
    }),
    route({
      ...common,
      method: 'get',
      path: ONE,
      operationId: 'readTenant',
      summary: 'Read a tenant, with what it uses beside each quota',
      permission: READ,
      params: byId,
      answers: { 200: { description: 'The tenant', schema: envelope(tenantWithUsage) } },
      handle: (call) =>
        call.asService(async (tx) => {
          const view = await readTenant(tx, call.params.id);
          return answer(200, { ...printTenant(view), usage: await readUsage(tx, view.id) });
        }),
    }),
    route({
      ...common,
      method: 'patch',
      path: ONE,
      operationId: 'patchTenant',
      summary: 'Rename, suspend or bound a tenant, or take that back',
      description:
        'Suspended: operators get 403 `TENANT_SUSPENDED`, devices are listened to and what they report is kept, and what was offered continues. Nothing new begins.',
      permission: WRITE,
      audit: { action: 'tenant.change', id: 'id' },
      params: byId,
      body: tenantPatch,
      answers: {
        200: { description: 'The tenant as it is now', schema: envelope(tenant) },
        409: { description: 'Its state does not allow it' },
      },
      handle: (call) =>
        call.asService(async (tx) => answer(200, printTenant(await changeTenant(tx, call.params.id, call.body)))),
    }),
    route({
      ...common,
      method: 'delete',
      path: ONE,
      operationId: 'deleteTenant',
      summary: 'Remove a suspended tenant with everything of it',
      description: 'It goes in pages, and cannot be brought back: `confirm` repeats its id.',
      permission: WRITE,
      audit: { action: 'tenant.delete', id: 'id' },
      params: byId,
      query: z.strictObject({ confirm: text(1, 64) }),
      answers: {
        202: { description: 'It is being removed', schema: envelope(tenant) },
        409: { description: 'It is not suspended' },
      },
      handle: (call) =>
        call.asService(async (tx) => {
          if (call.query.confirm !== call.params.id)
            throw refuseFaults(VALIDATION, [{ pointer: '/query/confirm', detail: 'is not the id of the tenant' }]);
          return answer(202, printTenant(await beginRemovalOfTenant(tx, call.params.id)));
        }),
    }),
  ];
}
