import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { DomainError } from '../../domain/errors.js';
import { envelope, id, pageOf, shortListQuery } from '../../protocol/http/envelope.js';
import { nothing } from '../../protocol/http/installations.js';
import {
  delivery,
  deliveryQuery,
  newWebhook,
  printDelivery,
  printWebhook,
  webhook,
  webhookPatch,
  webhookWithSecret,
} from '../../protocol/http/webhooks.js';
import { privateLiteral } from '../../store/history/webhook-addresses.js';
import {
  changeWebhook,
  createWebhook,
  deleteWebhook,
  listDeliveries,
  listWebhooks,
  readWebhook,
  redeliver,
  type WebhookChange,
} from '../../store/history/webhooks.js';
import { pageOfShortList, toPageRequest } from '../http/paging.js';
import { answer, answerPage, NO_CONTENT, route, type Route, type Services } from '../http/route.js';

const WEBHOOKS = '/v1/webhooks';
const ONE = `${WEBHOOKS}/{id}`;
const VALIDATION = 'WEBHOOK_VALIDATION';
const common = {
  tag: 'Webhooks',
  validationCode: VALIDATION,
  unknownCode: { id: 'WEBHOOK_NOT_FOUND', deliveryId: 'WEBHOOK_DELIVERY_NOT_FOUND' },
} as const;
const byId = z.object({ id });
const one = envelope(webhook);
/** Standard Webhooks asks for 24 to 64. */
const SECRET_BYTES = 32;
const READ = 'webhooks:read';
const WRITE = 'webhooks:write';

/** Who is told, by HTTP, of what happens. The bridge's leader sends (bridge/webhooks). */
export function webhookRoutes(services: Pick<Services, 'now' | 'webhooksAllowPrivate'>): Route[] {
  const { now } = services;
  /** What a name leads to is known when it is connected to; an address is known now. @throws DomainError */
  const requirePublic = (url: string | undefined) => {
    const literal = url === undefined || services.webhooksAllowPrivate === true ? undefined : privateLiteral(url);
    if (literal === undefined) return;
    const detail = `${literal} is a loopback, link-local or private address, which webhooks do not lead to unless SLIPWAY_WEBHOOKS_ALLOW_PRIVATE is true`;
    throw new DomainError(VALIDATION, detail, { errors: [{ pointer: '/url', detail }] });
  };
  return [
    route({
      ...common,
      method: 'post',
      path: WEBHOOKS,
      operationId: 'createWebhook',
      summary: 'Create a webhook: events are posted to a URL',
      description:
        'From the next entry of the history on, each at least once, in order unless one had to be tried again. Signed after [Standard Webhooks](https://www.standardwebhooks.com): `webhook-id` is the id of the delivery, `webhook-timestamp` its time in Unix seconds, and `webhook-signature: v1,<base64>` the HMAC-SHA-256 over `<id>.<timestamp>.<body>`; its key is the secret after `whsec_`, read as base64. A repetition with the same Idempotency-Key cannot show the secret again: 409 `WEBHOOK_SECRET_SHOWN`.',
      permission: WRITE,
      body: newWebhook,
      audit: { action: 'webhook.create' },
      answers: {
        201: { description: 'The webhook, with its secret, shown this once', schema: envelope(webhookWithSecret) },
        409: { description: 'There are too many; or this Idempotency-Key made one before' },
      },
      handle: (call) =>
        call.answerOnce(async (tx) => {
          const { url, events = [], description = null } = call.body;
          requirePublic(url);
          const secret = `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
          const made = await createWebhook(
            tx,
            call.principal.tenantId,
            { url, events, description, secret, createdBy: call.principal.id },
            now(),
          );
          const repeated = new DomainError(
            'WEBHOOK_SECRET_SHOWN',
            `this Idempotency-Key made webhook ${made.id} before, and its secret was shown in that answer only; delete it and make another with a new key`,
            { webhookId: made.id },
          );
          return { ...answer(201, { ...printWebhook(made), secret }), repeated };
        }),
    }),
    route({
      ...common,
      method: 'get',
      path: WEBHOOKS,
      operationId: 'listWebhooks',
      summary: 'List webhooks, newest first',
      permission: READ,
      query: shortListQuery,
      answers: { 200: { description: 'A page of webhooks', schema: pageOf(webhook) } },
      handle: async (call) =>
        pageOfShortList(
          (await call.inTenant((tx) => listWebhooks(tx, call.principal.tenantId))).map(printWebhook),
          call.query,
        ),
    }),
    route({
      ...common,
      method: 'get',
      path: ONE,
      operationId: 'readWebhook',
      summary: 'Read a webhook',
      permission: READ,
      params: byId,
      answers: { 200: { description: 'The webhook; where it is disabled, why', schema: one } },
      handle: async (call) =>
        answer(
          200,
          printWebhook(await call.inTenant((tx) => readWebhook(tx, call.principal.tenantId, call.params.id))),
        ),
    }),
    route({
      ...common,
      method: 'patch',
      path: ONE,
      operationId: 'patchWebhook',
      summary: 'Change a webhook, disable it, or enable it again',
      description:
        'A webhook to which nothing could be delivered for a day is disabled; enabled again it continues where it stopped.',
      permission: WRITE,
      params: byId,
      body: webhookPatch,
      audit: { action: 'webhook.change', id: 'id' },
      answers: { 200: { description: 'The webhook as it is now', schema: one } },
      async handle(call) {
        const { tenantId, id: by } = call.principal;
        requirePublic(call.body.url);
        const change = Object.fromEntries(
          Object.entries(call.body).filter(([, value]) => value !== undefined),
        ) as WebhookChange;
        return answer(
          200,
          printWebhook(await call.inTenant((tx) => changeWebhook(tx, tenantId, call.params.id, by, change, now()))),
        );
      },
    }),
    route({
      ...common,
      method: 'delete',
      path: ONE,
      operationId: 'deleteWebhook',
      summary: 'Delete a webhook and its pending deliveries',
      permission: WRITE,
      params: byId,
      audit: { action: 'webhook.delete', id: 'id' },
      answers: { 204: { description: 'Gone' } },
      async handle(call) {
        await call.inTenant((tx) => deleteWebhook(tx, call.principal.tenantId, call.params.id));
        return NO_CONTENT;
      },
    }),
    route({
      ...common,
      method: 'get',
      path: `${ONE}/deliveries`,
      operationId: 'listWebhookDeliveries',
      summary: 'List deliveries of a webhook, newest first',
      description: 'What failed is tried again with growing pauses for a day. What ended is kept for a week.',
      permission: READ,
      params: byId,
      query: deliveryQuery,
      answers: { 200: { description: 'A page of deliveries', schema: pageOf(delivery) } },
      async handle(call) {
        const { state, ...paging } = call.query;
        const request = toPageRequest(paging, VALIDATION);
        return answerPage(
          await call.inTenant((tx) => listDeliveries(tx, call.principal.tenantId, call.params.id, state, request)),
          request,
          printDelivery,
        );
      },
    }),
    route({
      ...common,
      method: 'post',
      path: `${ONE}/deliveries/{deliveryId}/redeliver`,
      operationId: 'redeliverWebhook',
      summary: 'Deliver once more',
      permission: WRITE,
      params: byId.extend({ deliveryId: id }),
      body: nothing,
      audit: { action: 'webhook.redeliver', id: 'id' },
      answers: { 202: { description: 'A delivery of its own, of the same entry', schema: envelope(delivery) } },
      handle: (call) =>
        call.answerOnce(async (tx) =>
          answer(
            202,
            printDelivery(await redeliver(tx, call.principal.tenantId, call.params.id, call.params.deliveryId, now())),
          ),
        ),
    }),
  ];
}
