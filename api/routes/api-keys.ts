import { z } from 'zod';
import { DomainError } from '../../domain/errors.js';
import { printDuration } from '../../domain/duration.js';
import {
  apiKey,
  apiKeyWithSecret,
  DEFAULT_OVERLAP_MS,
  keyPatch,
  keyQuery,
  newKey,
  OWN_OVERLAP_MS,
  printKey,
  rotation,
} from '../../protocol/http/api-keys.js';
import { envelope, id, pageOf } from '../../protocol/http/envelope.js';
import {
  changeKey,
  createKey,
  listKeys,
  readKey,
  revokeKey,
  rotateKey,
  type KeyMaker,
  type MadeKey,
} from '../../store/commands/api-keys.js';
import { authorize } from '../http/authorize.js';
import { refuseFaults } from '../http/errors.js';
import { toPageRequest } from '../http/paging.js';
import { answer, answerPage, NO_CONTENT, route, type Answer, type Principal, type Route } from '../http/route.js';
import type { Services } from '../http/route.js';

const KEYS = '/v1/api-keys';
const ONE = `${KEYS}/{id}`;
const VALIDATION = 'REQUEST_VALIDATION';
const common = { tag: 'API keys', validationCode: VALIDATION, unknownCode: 'AUTH_KEY_NOT_FOUND' } as const;
const byId = z.object({ id });
const READ = 'api_keys:read';
const WRITE = 'api_keys:write';

/** Keys of people and programs (docs/contracts/operators.md, "API keys"). */
export function apiKeyRoutes(services: Pick<Services, 'now' | 'signIn'>): Route[] {
  const { now } = services;
  const terms = () => ({ now: now(), hasIssuer: services.signIn !== undefined });
  return [
    route({
      ...common,
      method: 'post',
      path: KEYS,
      operationId: 'createApiKey',
      summary: 'Make a key',
      description:
        'With a role, or with permissions that are named one by one: no more than the caller holds. A repetition with the same Idempotency-Key cannot show the key again: 409 `AUTH_KEY_SHOWN`.',
      permission: WRITE,
      body: newKey,
      audit: { action: 'api_key.create' },
      answers: {
        201: { description: 'The key, shown this once', schema: envelope(apiKeyWithSecret) },
        409: { description: 'This Idempotency-Key made a key before' },
      },
      handle: (call) =>
        call.answerOnce(async (tx) => {
          const { expiresAt, ...wanted } = call.body;
          const end = timeOf(expiresAt, now());
          return shownOnce(await createKey(tx, makerOf(call.principal), { ...wanted, expiresAt: end }, now()));
        }),
    }),
    route({
      ...common,
      method: 'get',
      path: KEYS,
      operationId: 'listApiKeys',
      summary: 'List keys, newest first, without secrets',
      description: 'With those that expired or were revoked: they stand in the history.',
      permission: READ,
      query: keyQuery,
      answers: { 200: { description: 'A page of keys', schema: pageOf(apiKey) } },
      async handle(call) {
        const request = toPageRequest(call.query, VALIDATION);
        return answerPage(
          await call.inTenant((tx) => listKeys(tx, call.principal.tenantId, request, now())),
          request,
          printKey,
        );
      },
    }),
    route({
      ...common,
      method: 'get',
      path: ONE,
      operationId: 'readApiKey',
      summary: 'Read a key, without its secret',
      permission: READ,
      params: byId,
      answers: { 200: { description: 'The key', schema: envelope(apiKey) } },
      handle: async (call) =>
        answer(200, printKey(await call.inTenant((tx) => readKey(tx, call.principal.tenantId, call.params.id, now())))),
    }),
    route({
      ...common,
      method: 'patch',
      path: ONE,
      operationId: 'patchApiKey',
      summary: 'Rename a key, or move its end',
      description: 'Its role or permissions are not changed: make another key. `expiresAt: null` takes its end away.',
      permission: WRITE,
      params: byId,
      body: keyPatch,
      audit: { action: 'api_key.change', id: 'id' },
      answers: {
        200: { description: 'The key as it is now', schema: envelope(apiKey) },
        409: { description: "It is the last owner's key that does not expire" },
      },
      async handle(call) {
        const { name, expiresAt } = call.body;
        const change = {
          ...(name === undefined ? {} : { name }),
          ...(expiresAt === undefined ? {} : { expiresAt: timeOf(expiresAt, now()) }),
        };
        const maker = makerOf(call.principal);
        return answer(
          200,
          printKey(await call.inTenant((tx) => changeKey(tx, maker, call.params.id, change, terms()))),
        );
      },
    }),
    route({
      ...common,
      method: 'delete',
      path: ONE,
      operationId: 'revokeApiKey',
      summary: 'Revoke a key',
      permission: WRITE,
      params: byId,
      audit: { action: 'api_key.revoke', id: 'id' },
      answers: {
        204: { description: 'Revoked; it stops working everywhere in under 5 seconds' },
        409: { description: "It is the last owner's key that does not expire" },
      },
      async handle(call) {
        await call.inTenant((tx) => revokeKey(tx, call.principal.tenantId, call.params.id, terms()));
        return NO_CONTENT;
      },
    }),
    route({
      ...common,
      method: 'post',
      path: `${ONE}/rotate`,
      operationId: 'rotateApiKey',
      summary: 'Make the successor of a key',
      description:
        'With the same name, permissions and end. The old key works until the overlap ends. Needs `api_keys:write`; a key may rotate itself without it, with an overlap from PT1H to P7D. One successor at a time.',
      permission: [],
      params: byId,
      body: rotation,
      audit: { action: 'api_key.rotate', id: 'id' },
      answers: {
        201: { description: 'The successor, shown this once', schema: envelope(apiKeyWithSecret) },
        409: { description: 'It has a successor, or does not work any more; or this Idempotency-Key was used before' },
      },
      handle: (call) =>
        call.answerOnce(async (tx) => {
          const overlapMs = call.body?.overlap ?? DEFAULT_OVERLAP_MS;
          const maker = rotatorOf(call.principal, call.params.id, overlapMs);
          return shownOnce(await rotateKey(tx, maker, call.params.id, overlapMs, now()));
        }),
    }),
  ];
}

function makerOf({ tenantId, id: by, permissions }: Principal): KeyMaker {
  return { tenantId, by, permissions };
}

/** @throws DomainError AUTH_FORBIDDEN, REQUEST_VALIDATION where a key that rotates itself asks for another overlap */
function rotatorOf(principal: Principal, keyId: string, overlapMs: number): KeyMaker {
  if (principal.permissions.includes(WRITE)) return makerOf(principal);
  if (principal.kind !== 'key' || principal.subject !== keyId) authorize(principal, [WRITE]);
  const { min, max } = OWN_OVERLAP_MS;
  if (overlapMs < min || overlapMs > max)
    throw refuseFaults(VALIDATION, [
      { pointer: '/overlap', detail: `must lie between ${printDuration(min)} and ${printDuration(max)}` },
    ]);
  return makerOf(principal);
}

/** @returns epoch milliseconds; null = no end. @throws DomainError REQUEST_VALIDATION where it lies in the past */
function timeOf(expiresAt: string | null | undefined, now: number): number | null {
  if (expiresAt === null || expiresAt === undefined) return null;
  const at = Date.parse(expiresAt);
  if (at <= now) throw refuseFaults(VALIDATION, [{ pointer: '/expiresAt', detail: 'must lie in the future' }]);
  return at;
}

function shownOnce({ view, key }: MadeKey): Answer {
  const repeated = new DomainError(
    'AUTH_KEY_SHOWN',
    `this Idempotency-Key made key ${view.id} before, and it was shown in that answer only; where that was lost, revoke it with DELETE ${KEYS}/${view.id} and make another with a new Idempotency-Key`,
    { keyId: view.id },
  );
  return { ...answer(201, { ...printKey(view), key }), repeated };
}
