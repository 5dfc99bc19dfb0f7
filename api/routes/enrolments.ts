import { z } from 'zod';
import { DomainError } from '../../domain/errors.js';
import { envelope, id, listQuery, pageOf } from '../../protocol/http/envelope.js';
import {
  enrolment,
  enrolmentDecision,
  enrolmentQuery,
  enrolmentToken,
  enrolmentTokenWithSecret,
  newEnrolmentToken,
  preauthorisation,
} from '../../protocol/http/enrolments.js';
import {
  createEnrolmentToken,
  listEnrolmentTokens,
  revokeEnrolmentToken,
} from '../../store/commands/enrolment-tokens.js';
import { decideEnrolment, listEnrolments, preauthorise } from '../../store/commands/enrolments.js';
import { toPageRequest } from '../http/paging.js';
import { answer, answerPage, NO_CONTENT, route, type Route, type Services } from '../http/route.js';

const VALIDATION = 'REQUEST_VALIDATION';
const TOKENS = '/v1/enrolment-tokens';
const ENROLMENTS = '/v1/enrolments';
const token = { tag: 'Enrolment', validationCode: VALIDATION, unknownCode: 'ENROLMENT_TOKEN_NOT_FOUND' } as const;
const common = { tag: 'Enrolment', validationCode: VALIDATION, unknownCode: 'ENROLMENT_NOT_FOUND' } as const;
const byId = z.object({ id });

/** What operators do about devices that come by themselves (docs/contracts/trust.md, "Certificates and enrolment"). */
export function enrolmentRoutes(services: Pick<Services, 'now' | 'authority'>): Route[] {
  const { now, authority } = services;
  const decision = (verb: 'approve' | 'reject', to: 'approved' | 'rejected', summary: string) =>
    route({
      ...common,
      method: 'post',
      path: `${ENROLMENTS}/{id}/${verb}`,
      operationId: `${verb}Enrolment`,
      summary,
      permission: 'devices_base_data:write',
      params: byId,
      body: enrolmentDecision,
      audit: { action: `enrolment.${verb}`, id: 'id' },
      answers: {
        200: { description: 'The enrolment as it is now', schema: envelope(enrolment) },
        409: { description: 'It is no longer pending' },
      },
      handle: (call) =>
        call.answerOnce(async (tx) => {
          const by = { by: call.principal.id, now: now() };
          return answer(200, await decideEnrolment(tx, call.principal.tenantId, call.params.id, to, by));
        }),
    });
  return [
    route({
      ...token,
      method: 'post',
      path: TOKENS,
      operationId: 'createEnrolmentToken',
      summary: 'Make a token by which a batch of devices enrols',
      permission: 'enrolments:write',
      body: newEnrolmentToken,
      audit: { action: 'enrolment_token.create' },
      answers: { 201: { description: 'The token, shown this once', schema: envelope(enrolmentTokenWithSecret) } },
      handle: (call) =>
        call.answerOnce(async (tx) => {
          const maker = { tenantId: call.principal.tenantId, by: call.principal.id };
          const wanted = { ...call.body, expiresAt: Date.parse(call.body.expiresAt) };
          const shown = new DomainError(
            'ENROLMENT_TOKEN_SHOWN',
            'the token was shown in the first answer; make another',
          );
          return { ...answer(201, await createEnrolmentToken(tx, maker, wanted, now())), repeated: shown };
        }),
    }),
    route({
      ...token,
      method: 'get',
      path: TOKENS,
      operationId: 'listEnrolmentTokens',
      summary: 'List enrolment tokens, newest first',
      permission: 'enrolments:write',
      query: listQuery({}),
      answers: { 200: { description: 'A page of tokens', schema: pageOf(enrolmentToken) } },
      async handle(call) {
        const page = toPageRequest(call.query, VALIDATION);
        const read = await call.inTenant((tx) => listEnrolmentTokens(tx, call.principal.tenantId, page, now()));
        return answerPage(read, page);
      },
    }),
    route({
      ...token,
      method: 'delete',
      path: `${TOKENS}/{id}`,
      operationId: 'revokeEnrolmentToken',
      summary: 'Revoke an enrolment token',
      permission: 'enrolments:write',
      params: byId,
      audit: { action: 'enrolment_token.revoke', id: 'id' },
      answers: { 204: { description: 'No device enrols by it any more' } },
      async handle(call) {
        await call.inTenant((tx) => revokeEnrolmentToken(tx, call.principal.tenantId, call.params.id, now()));
        return NO_CONTENT;
      },
    }),
    route({
      ...common,
      method: 'get',
      path: ENROLMENTS,
      operationId: 'listEnrolments',
      summary: 'List devices that asked to come, newest first',
      permission: 'devices_base_data:read',
      query: enrolmentQuery,
      answers: { 200: { description: 'A page of enrolments', schema: pageOf(enrolment) } },
      async handle(call) {
        const page = toPageRequest(call.query, VALIDATION);
        const { state } = call.query;
        return answerPage(await call.inTenant((tx) => listEnrolments(tx, call.principal.tenantId, state, page)), page);
      },
    }),
    decision('approve', 'approved', 'Let a device come'),
    decision('reject', 'rejected', 'Let a device not come'),
    route({
      ...common,
      unknownCode: 'DEVICETYPE_NOT_FOUND',
      method: 'post',
      path: `${ENROLMENTS}/preauthorised`,
      operationId: 'preauthoriseEnrolment',
      summary: 'Announce a device, or open an enrolled serial for once more',
      permission: 'devices_base_data:write',
      body: preauthorisation,
      audit: { action: 'enrolment.preauthorise' },
      answers: {
        201: { description: 'It needs no approval when it comes', schema: envelope(enrolment) },
        404: { description: 'The device type does not exist' },
      },
      handle: (call) =>
        call.answerOnce(async (tx) => {
          const { serial, idData, pubkey, deviceTypeId } = call.body;
          const announced = {
            serial: serial ?? idData ?? '',
            deviceTypeId,
            publicKey: pubkey === undefined ? undefined : publicKeyOf(pubkey),
          };
          const by = { by: call.principal.id, now: now() };
          return answer(201, await preauthorise(tx, call.principal.tenantId, announced, by));
        }),
    }),
  ];

  function publicKeyOf(pem: string): Buffer {
    try {
      return authority.readPublicKey(pem);
    } catch (error) {
      const detail = (error as Error).message;
      throw new DomainError(
        VALIDATION,
        `pubkey ${detail}`,
        { errors: [{ pointer: '/pubkey', detail }] },
        { cause: error },
      );
    }
  }
}
