import { z } from 'zod';
import { configData } from '../../../protocol/ddi/config-data.js';
import { autoConfirmation, installedVersion } from '../../../protocol/ddi/confirmation.js';
import { confirmation, feedback } from '../../../protocol/ddi/feedback.js';
import { ANYONE } from '../../auth/authentication.js';
import { type AnswerDoc, type Call, type Route, type Services } from '../../http/route.js';
import type { Dialect } from '../dialect.js';
import { readCancel, readOffer, takeCancelFeedback, takeConfirmation, takeFeedback } from './actions.js';
import { download, listArtifacts } from './artifacts.js';
import { activateAutoConfirm, deactivateAutoConfirm, takeConfigData, takeInstalled } from './attributes.js';
import type { DdiServices } from './controllers.js';
import { confirmationState, poll } from './polls.js';
import { answering, type DdiAnswer } from './respond.js';
import { Sightings } from './sightings.js';
import { TenantNames } from './tenant-names.js';

const BASE = '/{tenant}/controller/v1/{controllerId}';
const device = z.object({
  tenant: z.string().meta({ description: 'In any case of letters', example: 'DEFAULT' }),
  controllerId: z.string().meta({ description: 'An alias of the device, or its id', example: 'device-1' }),
});
const action = device.extend({ number: z.string().meta({ description: 'The number of the action', example: '7' }) });
const file = action.extend({ fileName: z.string().meta({ example: 'rootfs-1.2.0.swu' }) });
const opaque = z.string().optional().meta({ description: 'Part of the link; ignored' });
const actionQuery = z.object({
  c: opaque,
  actionHistory: z.int().optional().meta({ description: 'Newest lines of feedback to show with it; below 0 = all' }),
});
const linkQuery = z.object({ c: opaque });

const anything = z.record(z.string(), z.unknown());
const shown = (description: string, example: unknown): AnswerDoc => ({
  description,
  schema: anything,
  contentType: 'application/hal+json',
  example,
});
const TAKEN: AnswerDoc = { description: 'Taken; no body' };
const GONE: AnswerDoc = { description: 'The action is over; no body' };
const NONE: AnswerDoc = { description: 'There is no such action, or not in this state' };
const href = (path: string) => ({ href: `https://slipway.example/DEFAULT/controller/v1/device-1/${path}` });

const common = {
  tag: "hawkBit's device interface",
  permission: null,
  security: ['targetToken', 'gatewayToken'],
  readsBody: true,
} as const;

/**
 * hawkBit's device interface (DDI): SWUpdate, rauc-hawkbit-updater, Zephyr and others ask here, unchanged
 * (docs/contracts/hawkbit-ddi.md). It lets devices in by itself, and answers errors as hawkBit does.
 */
export function hawkbitDialect(services: Services): Dialect {
  const on: DdiServices = {
    ...services,
    tenantNames: new TenantNames(services.pool),
    sightings: new Sightings(services),
  };
  return {
    routes: [...pollRoutes(on), ...actionRoutes(on), ...artifactRoutes(on)],
    identify: () => Promise.resolve(ANYONE),
    securitySchemes: {
      targetToken: {
        type: 'apiKey',
        in: 'header',
        name: 'Authorization',
        description: "`TargetToken …`: the device's own (`type: hawkbitToken`)",
      },
      gatewayToken: {
        type: 'apiKey',
        in: 'header',
        name: 'Authorization',
        description: "`GatewayToken …`: the tenant's",
      },
    },
  };
}

type Handle = (services: DdiServices, call: Call) => Promise<DdiAnswer | 'handled'>;
type Declared = Pick<Route, 'method' | 'path' | 'operationId' | 'summary' | 'answers'> &
  Partial<Pick<Route, 'params' | 'query' | 'body' | 'audit' | 'description'>>;

/** Refusals as hawkBit gives them: `{exceptionClass, errorCode, message, info}`, or no body. */
const REFUSED: Readonly<Record<number, string>> = {
  400: 'It does not fit the contract',
  401: 'Not let in; no body',
  404: 'There is no such device, action or file',
  406: 'None of the media types that are accepted is given',
  415: 'The media type is not taken',
  429: 'Too much of it',
};

function bare(answers: Route['answers']): Route['answers'] {
  const refused = Object.entries(REFUSED).map(([status, description]) => [status, { description }] as const);
  const all: [string, AnswerDoc][] = [...refused, ...Object.entries(answers)].map(([status, doc]) => [
    status,
    Number(status) < 400 ? doc : { ...doc, bare: true },
  ]);
  return Object.fromEntries(all);
}

function declare(services: DdiServices, handle: Handle, declared: Declared): Route {
  return {
    ...common,
    params: device,
    ...declared,
    answers: bare(declared.answers),
    ...(declared.method === 'get' ? {} : { audit: null }),
    handle: answering(services, (call) => handle(services, call)),
  };
}

function pollRoutes(on: DdiServices): Route[] {
  return [
    declare(on, poll, {
      method: 'get',
      path: BASE,
      operationId: 'hawkbitPoll',
      summary: 'Ask what is to be done',
      answers: {
        200: shown('How long to sleep, and links to what is to be done', {
          config: { polling: { sleep: '00:05:00' } },
          _links: { deploymentBase: href('deploymentBase/7?c=1') },
        }),
        404: { description: 'There is no such device, and the tenant makes none of it' },
      },
    }),
    declare(on, takeConfigData, {
      method: 'put',
      path: `${BASE}/configData`,
      operationId: 'hawkbitPutConfigData',
      summary: 'Send attributes of the device',
      body: configData,
      answers: { 200: TAKEN, 429: { description: 'More than 100 attributes' } },
    }),
    declare(on, takeInstalled, {
      method: 'put',
      path: `${BASE}/installedBase`,
      operationId: 'hawkbitPutInstalled',
      summary: 'Say which firmware runs',
      body: installedVersion,
      answers: { 200: { description: 'It was known; no body' }, 201: TAKEN, 404: { description: 'No such firmware' } },
    }),
    declare(on, confirmationState, {
      method: 'get',
      path: `${BASE}/confirmationBase`,
      operationId: 'hawkbitConfirmationState',
      summary: 'Ask whether a person at the device is asked',
      answers: { 200: shown('Whether, and what waits for it', { autoConfirm: { active: false } }) },
    }),
    declare(on, activateAutoConfirm, {
      method: 'post',
      path: `${BASE}/confirmationBase/activateAutoConfirm`,
      operationId: 'hawkbitActivateAutoConfirm',
      summary: 'Ask no person at the device from now on',
      body: autoConfirmation.optional(),
      answers: { 200: TAKEN, 409: { description: 'It is so already' } },
    }),
    declare(on, deactivateAutoConfirm, {
      method: 'post',
      path: `${BASE}/confirmationBase/deactivateAutoConfirm`,
      operationId: 'hawkbitDeactivateAutoConfirm',
      summary: 'Ask a person at the device again',
      answers: { 200: TAKEN },
    }),
  ];
}

function actionRoutes(on: DdiServices): Route[] {
  const offer = (kind: string, member: string) =>
    shown('The action', { id: '7', [member]: { download: 'forced', update: 'forced', chunks: [] }, kind });
  return [
    declare(on, (services, call) => readOffer(services, call, 'deployment'), {
      method: 'get',
      path: `${BASE}/deploymentBase/{number}`,
      operationId: 'hawkbitDeployment',
      summary: 'Read an action',
      params: action,
      query: actionQuery,
      answers: { 200: offer('deploymentBase', 'deployment'), 404: NONE },
    }),
    declare(on, takeFeedback, {
      method: 'post',
      path: `${BASE}/deploymentBase/{number}/feedback`,
      operationId: 'hawkbitFeedback',
      summary: 'Say how far an action is',
      params: action,
      query: linkQuery,
      body: feedback,
      answers: { 200: TAKEN, 404: NONE, 410: GONE },
    }),
    declare(on, readCancel, {
      method: 'get',
      path: `${BASE}/cancelAction/{number}`,
      operationId: 'hawkbitCancel',
      summary: 'Read what is to be stopped',
      params: action,
      query: linkQuery,
      answers: {
        200: shown('The action to stop', { id: '7', cancelAction: { stopId: '7' } }),
        404: NONE,
      },
    }),
    declare(on, takeCancelFeedback, {
      method: 'post',
      path: `${BASE}/cancelAction/{number}/feedback`,
      operationId: 'hawkbitCancelFeedback',
      summary: 'Say whether an action was stopped',
      params: action,
      query: linkQuery,
      body: feedback,
      answers: { 200: TAKEN, 404: NONE, 405: { description: 'It is not to be stopped' }, 410: GONE },
    }),
    declare(on, (services, call) => readOffer(services, call, 'installed'), {
      method: 'get',
      path: `${BASE}/installedBase/{number}`,
      operationId: 'hawkbitInstalled',
      summary: 'Read an action that is over',
      params: action,
      query: actionQuery,
      answers: { 200: offer('installedBase', 'deployment'), 404: NONE },
    }),
    declare(on, (services, call) => readOffer(services, call, 'confirmation'), {
      method: 'get',
      path: `${BASE}/confirmationBase/{number}`,
      operationId: 'hawkbitConfirmation',
      summary: 'Read an action that waits for a person at the device',
      params: action,
      query: actionQuery,
      answers: { 200: offer('confirmationBase', 'confirmation'), 404: NONE },
    }),
    declare(on, takeConfirmation, {
      method: 'post',
      path: `${BASE}/confirmationBase/{number}/feedback`,
      operationId: 'hawkbitConfirm',
      summary: 'Say what a person at the device decided',
      params: action,
      query: linkQuery,
      body: confirmation,
      answers: { 200: TAKEN, 404: NONE, 410: GONE },
    }),
  ];
}

function artifactRoutes(on: DdiServices): Route[] {
  return [
    declare(on, listArtifacts, {
      method: 'get',
      path: `${BASE}/softwaremodules/{number}/artifacts`,
      operationId: 'hawkbitArtifacts',
      summary: 'List the files of an action',
      params: action,
      answers: { 200: { description: 'The one file', schema: z.array(anything) }, 404: NONE },
    }),
    declare(on, download, {
      method: 'get',
      path: `${BASE}/softwaremodules/{number}/artifacts/{fileName}`,
      operationId: 'hawkbitDownload',
      summary: 'Download the file of an action',
      description: 'Up to 256 ranges that are sorted; with `.MD5SUM` behind the name, what `md5sum` prints of it.',
      params: file,
      answers: {
        200: { description: 'The file', contentType: '*/*', schema: z.string().meta({ format: 'binary' }) },
        206: { description: 'Parts of it', contentType: '*/*', schema: z.string().meta({ format: 'binary' }) },
        404: NONE,
        410: { description: 'The firmware was deleted' },
        412: { description: 'The file is not the one that If-Match names' },
        416: { description: 'The ranges lie behind the end' },
      },
    }),
  ];
}
