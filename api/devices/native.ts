import type { z } from 'zod';
import { defined } from '../../domain/defined.js';
import { DomainError } from '../../domain/errors.js';
import {
  answeredAck,
  childParam,
  desiredDocument,
  desiredDocuments,
  SENT,
  unknownAnswer,
  slotParam,
  waitQuery,
} from '../../protocol/http/device-twin.js';
import { ackOf } from '../../protocol/mqtt/receipts.js';
import { takeMessages, type Reading } from '../../store/commands/device-messages.js';
import { prolongPoll } from '../../store/commands/polls.js';
import { byDeviceToken } from '../auth/device-tokens.js';
import { NO_CONTENT, route, type Answer, type AnswerDoc, type Call, type Route, type Services } from '../http/route.js';
import { certificateOf, clientOf } from './client-certificates.js';
import { DesiredAnswers, LINGER_MS } from './desired.js';
import type { Dialect } from './dialect.js';
import { ProgressGate } from './progress-gate.js';
import { readSent, refusalError } from './sent.js';
import type { Waits } from './waits.js';

type Type = keyof typeof SENT;

const STATUS_OF = { ok: 200, stale: 409, forbidden: 403, unknown: 404 } as const;
/** Reports that come together wake the senders once. */
const WAKE_AFTER_MS = 25;

/**
 * The native protocol over HTTP (docs/contracts/device-mqtt.md, "The HTTP twin"): the payloads of MQTT, taken by the
 * same code, for the device itself and for the children behind it.
 */
export function nativeDialect(services: Services, waits: Waits): Dialect {
  const gate = new ProgressGate();
  const byToken = byDeviceToken(services.pool);
  // A token goes before a certificate, as a password does over MQTT.
  const identify: Dialect['identify'] = (request) =>
    request.headers.authorization === undefined && certificateOf(request) !== undefined
      ? clientOf(services, request, 'login')
      : byToken(request);
  const desired = new DesiredAnswers(services, waits, identify);
  const wake = soon(services.notifyOutbox);
  const take = (call: Call<{ device?: string }>, type: Type): Promise<Answer> =>
    taken(services, gate, wake, call, type);
  return {
    routes: [...(Object.keys(SENT) as Type[]).flatMap((type) => sending(type, take)), ...asking(desired)],
    identify,
    securitySchemes: {
      bearer: { type: 'http', scheme: 'bearer', description: 'The token that was made for the device' },
    },
  };
}

const common = {
  permission: [],
  security: ['bearer', 'mutualTls'],
  unknownCode: 'DEVICE_NOT_FOUND',
  validationCode: 'REQUEST_VALIDATION',
} as const;
const OWN = { tag: 'Device' } as const;
const CHILD = { tag: 'Children', params: childParam } as const;
/** The same operation of the device itself and of a child behind it. */
const FACES = [
  { path: '/device/v1', suffix: '', of: 'of the device itself', ...OWN },
  { path: '/device/v1/children/{device}', suffix: 'OfChild', of: 'of a child behind it', ...CHILD },
] as const;

const RECEIPT: Record<number, AnswerDoc> = {
  200: { description: 'Taken; the receipt', schema: answeredAck },
  403: { description: 'The device is neither this one nor behind it; the receipt', schema: answeredAck },
  404: { description: 'It names what is unknown; the receipt, where the path names a device', schema: unknownAnswer },
  409: { description: 'It comes too late; the receipt', schema: answeredAck },
};
const NOTED: Record<number, AnswerDoc> = {
  204: { description: 'Taken, or of no use any more' },
  403: { description: 'The device is neither this one nor behind it' },
  404: { description: 'There is no such device' },
};
const SUMMARY: Record<Type, string> = {
  hello: 'Say what each slot holds',
  status: 'Report a change of state',
  progress: 'Tell how far it is',
  log: 'Send lines of diagnostics',
};

function sending(type: Type, take: (call: Call<{ device?: string }>, type: Type) => Promise<Answer>): Route[] {
  return FACES.map(({ path, suffix, of, ...face }) =>
    route({
      ...common,
      ...face,
      method: 'post',
      path: `${path}/${type}`,
      operationId: `${type}${suffix}`,
      summary: `${SUMMARY[type]}, ${of}`,
      body: SENT[type],
      readsBody: true,
      audit: null,
      answers: type === 'hello' || type === 'status' ? RECEIPT : NOTED,
      handle: (call) => take(call as unknown as Call<{ device?: string }>, type),
    }),
  );
}

const ASKED = {
  requestHeaders: {
    'If-None-Match': { description: 'The ETag of what the device knows', example: '"7"' },
  },
  query: waitQuery,
} as const;
const HEADERS = {
  ETag: 'The revision',
  'Slipway-Cmd': 'What is wanted of the device: `cancel`, `hello`, or both',
};
const shown = (schema: z.ZodType): Record<number, AnswerDoc> => ({
  200: { description: 'What is to be installed', schema, headers: HEADERS },
  204: { description: 'Nothing is to be installed' },
  304: { description: 'It is what the device knows' },
  403: { description: 'The device is neither this one nor behind it' },
});

function asking(desired: DesiredAnswers): Route[] {
  return FACES.flatMap(({ path, suffix, of, ...face }) => [
    route({
      ...common,
      ...ASKED,
      ...face,
      method: 'get',
      path: `${path}/desired`,
      operationId: `desired${suffix}`,
      summary: `What is to be installed in each slot ${of}`,
      answers: shown(desiredDocuments),
      handle: (call) => desired.answer(call as unknown as Call<{ device?: string }, { wait?: number }>),
    }),
    route({
      ...common,
      ...ASKED,
      ...face,
      params: 'params' in face ? childParam.extend(slotParam.shape) : slotParam,
      method: 'get',
      path: `${path}/desired/{slot}`,
      operationId: `desiredInSlot${suffix}`,
      summary: `What is to be installed in one slot ${of}`,
      answers: shown(desiredDocument),
      handle: (call) => desired.answer(call as unknown as Call<{ device?: string; slot?: string }, { wait?: number }>),
    }),
  ]);
}

async function taken(
  services: Services,
  gate: ProgressGate,
  wake: () => void,
  { principal, params, request, inTenant }: Call<{ device?: string }>,
  type: Type,
): Promise<Answer> {
  const { tenantId, subject: node } = principal;
  const reading = await readSent(request, { tenant: tenantId, node, device: params.device ?? node }, type);
  if (isTooSoon(gate, reading)) return NO_CONTENT;
  const [told] = await inTenant(async (tx) => {
    const now = services.now();
    const all = await takeMessages(tx, [reading], now);
    await prolongPoll(tx, { tenantId, deviceId: node }, now + LINGER_MS);
    return all;
  });
  const { recorded, refusals, outcome } = defined(told, 'each message is answered');
  if ('refusal' in reading) throw refusalError(reading);
  if (recorded > 0 && type !== 'progress') wake();
  const ack = outcome && ackOf(reading.message, outcome);
  if (ack) return { status: STATUS_OF[ack.result], body: ack };
  if (refusals.includes('forbidden'))
    throw new DomainError('DEVICE_FOREIGN', 'the device is neither the one that asks nor in its connectedBy chain');
  if (refusals.includes('unknown_device'))
    throw new DomainError('DEVICE_NOT_FOUND', `device "${params.device}" does not exist`);
  return NO_CONTENT;
}

function isTooSoon(gate: ProgressGate, reading: Reading): boolean {
  if (!('message' in reading) || reading.message.type !== 'progress') return false;
  const { device, body } = reading.message;
  return !gate.takes(`${device} ${body.installationId} ${body.phase}`, body);
}

function soon(work: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  return () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      work();
    }, WAKE_AFTER_MS);
  };
}
