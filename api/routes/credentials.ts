import { z } from 'zod';
import { credential, credentialWithSecret, newCredential } from '../../protocol/http/credentials.js';
import { DomainError } from '../../domain/errors.js';
import { envelope, id, pageOf, shortListQuery } from '../../protocol/http/envelope.js';
import { createCredential, listCredentials, revokeCredential } from '../../store/commands/credentials.js';
import { answer, NO_CONTENT, route, type Route } from '../http/route.js';
import { pageOfShortList } from '../http/paging.js';

const PATH = '/v1/devices/{id}/credentials';
const common = {
  tag: 'Credentials',
  validationCode: 'DEVICE_VALIDATION',
  unknownCode: { id: 'DEVICE_NOT_FOUND', credentialId: 'DEVICE_CREDENTIAL_NOT_FOUND' },
} as const;
const ofDevice = z.object({ id });

/** Passwords and tokens of devices (docs/contracts/rest-api.md, "Devices"). Only the device that connects needs one. */
export function credentialRoutes(): Route[] {
  return [
    route({
      ...common,
      method: 'post',
      path: PATH,
      operationId: 'createCredential',
      summary: 'Make a password or a token',
      description:
        'A password is for MQTT, a token for HTTP, a hawkbitToken for clients of hawkBit (`/openapi-devices.json`). Two of a type may be valid at a time, so that a device can be given the next before it gives up the last.\n\n' +
        'A repetition with the same Idempotency-Key makes no second secret and cannot show the first one again, because it is kept nowhere: ' +
        'it answers 409 `DEVICE_CREDENTIAL_SHOWN` with `credentialId`. Where the first answer was lost, revoke that credential and make another with a new key.',
      permission: 'device_certificates:write',
      params: ofDevice,
      body: newCredential,
      audit: { action: 'credential.create' },
      answers: {
        201: { description: 'With its secret, shown this once', schema: envelope(credentialWithSecret) },
        409: { description: 'Two of this type are already valid; or this Idempotency-Key made one before' },
      },
      handle: (call) =>
        call.answerOnce(async (tx) => {
          const { type, token } = call.body;
          const { secret, ...made } = await createCredential(tx, call.principal.tenantId, call.params.id, type, token);
          const member = type === 'password' ? 'password' : 'token';
          return { ...answer(201, { ...made, [member]: secret }), repeated: alreadyShown(call.params.id, made.id) };
        }),
    }),
    route({
      ...common,
      method: 'get',
      path: PATH,
      operationId: 'listCredentials',
      summary: 'List the valid credentials, without secrets',
      permission: 'device_certificates:read',
      params: ofDevice,
      query: shortListQuery,
      answers: { 200: { description: 'A page of credentials', schema: pageOf(credential) } },
      handle: async (call) =>
        pageOfShortList(
          await call.inTenant((tx) => listCredentials(tx, call.principal.tenantId, call.params.id)),
          call.query,
        ),
    }),
    route({
      ...common,
      method: 'delete',
      path: `${PATH}/{credentialId}`,
      operationId: 'revokeCredential',
      summary: 'Revoke a password or a token',
      permission: 'device_certificates:write',
      params: ofDevice.extend({ credentialId: id }),
      audit: { action: 'credential.revoke', id: 'credentialId' },
      answers: {
        204: {
          description:
            'Revoked; a client that is connected with it is disconnected within seconds, and its token is refused at once',
        },
      },
      handle: async (call) => {
        await call.inTenant((tx) =>
          revokeCredential(tx, call.principal.tenantId, call.params.id, call.params.credentialId),
        );
        return NO_CONTENT;
      },
    }),
  ];
}

function alreadyShown(deviceId: string, credentialId: string): DomainError {
  return new DomainError(
    'DEVICE_CREDENTIAL_SHOWN',
    `this Idempotency-Key made credential ${credentialId} before, and its secret was shown in that answer only; where that was lost, revoke it with DELETE /v1/devices/${deviceId}/credentials/${credentialId} and make another with a new key`,
    { credentialId },
  );
}
