import { z } from 'zod';
import { DomainError } from '../../domain/errors.js';
import type { FacetCount } from '../../domain/fleet/facets.js';
import type { InstallationEvent } from '../../domain/installation/events.js';
import type { Permission } from '../../domain/permissions.js';
import { envelope, id, listQuery, pageOf } from '../../protocol/http/envelope.js';
import { installation, printInstallation } from '../../protocol/http/installation.js';
import {
  cancellation,
  INSTALLATION_SORTS,
  installationReport,
  newInstallation,
  nothing,
  toEvent,
  toRequest,
} from '../../protocol/http/installations.js';
import {
  installationListQuery,
  installationPage,
  printInstallationRow,
} from '../../protocol/http/installation-rows.js';
import { readDevice } from '../../store/commands/devices.js';
import {
  createInstallation,
  listInstallations,
  readInstallationFacet,
  listOfDevice,
  readInstallation,
  report,
  type InstallationView,
} from '../../store/commands/create-installation.js';
import { retryInstallation } from '../../store/commands/retry-installation.js';
import type { Tx } from '../../store/db/pool.js';
import { toPageRequest } from '../http/paging.js';
import { answer, answerPage, metaOf, route, type Answer, type Call, type Route, type Services } from '../http/route.js';

const VALIDATION = 'FIRMWARE_VALIDATION';
const OF_DEVICE = '/v1/devices/{deviceId}/firmware-installations';
const ONE = `${OF_DEVICE}/{installationId}`;
/** The firmware service's rule goes for the device in the path as well: ids cannot be probed. */
const common = {
  tag: 'Firmware installations',
  validationCode: VALIDATION,
  unknownCode: 'FIRMWARE_NO_ACCESS_TO_RESOURCE',
} as const;
const ofDevice = z.object({ deviceId: id });
const byId = z.object({ deviceId: id, installationId: id });
const schema = envelope(installation);
const READ_AND_WRITE: readonly Permission[] = ['firmware:read', 'firmware:write'];
const WRONG_STATE = { description: 'The state of the installation does not allow this' };

type At = { deviceId: string; installationId: string };

/** docs/contracts/rest-api.md, "Firmware installations". */
export function installationRoutes(services: Services): Route[] {
  const print = (view: InstallationView) =>
    printInstallation(view, view.processStarted ? (services.workflowUrl?.(`installation-${view.id}`) ?? null) : null);

  /** Records what an operator did, and answers with the installation as it is then. */
  const act = async (
    call: Pick<Call, 'principal' | 'answerOnce'>,
    at: At,
    status: number,
    event: InstallationEvent,
  ): Promise<Answer> => {
    const { tenantId, id: by } = call.principal;
    return call.answerOnce(async (tx) => {
      const recorded = await report(tx, tenantId, { ...at, event, by: { kind: 'operator', id: by } }, services.now());
      const found = await find(tx, tenantId, at);
      if (recorded.outcome === 'refused') throw refusal(recorded.reason, found);
      return answer(status, print(found));
    });
  };

  return [
    route({
      ...common,
      method: 'post',
      path: OF_DEVICE,
      operationId: 'createFirmwareInstallation',
      summary: 'Install a firmware on a device',
      description: 'Once created, the device starts receiving installation instructions via MQTT.',
      permission: 'firmware:write',
      params: ofDevice,
      body: newInstallation,
      audit: { action: 'installation.create' },
      answers: {
        201: { description: 'The installation', schema },
        409: {
          description:
            'The firmware has no blob, or is not associated with the slot; another installation is open on the slot and onConflict is reject; or the slot holds a newer version and allowDowngrade is false',
        },
      },
      async handle(call) {
        const request = toRequest(call.body, services.now());
        const wanted = { ...request, deviceId: call.params.deviceId, requestedBy: call.principal.id };
        return call.answerOnce(async (tx) =>
          answer(201, print(await createInstallation(tx, call.principal.tenantId, wanted, services.now()))),
        );
      },
    }),
    route({
      ...common,
      method: 'get',
      path: OF_DEVICE,
      operationId: 'listFirmwareInstallationsOfDevice',
      summary: 'List the installations of a device, newest first',
      permission: 'firmware:read',
      params: ofDevice,
      query: listQuery(
        {
          latestOnly: z
            .boolean()
            .default(false)
            .meta({ description: 'The latest successful one per slot, which is what the slot holds now' }),
        },
        INSTALLATION_SORTS,
      ),
      answers: { 200: { description: 'A page of installations', schema: pageOf(installation) } },
      async handle(call) {
        const request = toPageRequest(call.query, VALIDATION);
        const page = await call.inTenant(async (tx) => {
          if (!(await readDevice(tx, call.principal.tenantId, call.params.deviceId)))
            throw noAccess(`device ${call.params.deviceId}`);
          return listOfDevice(tx, call.principal.tenantId, call.params.deviceId, call.query, request);
        });
        return answerPage(page, request, print);
      },
    }),
    route({
      ...common,
      method: 'get',
      path: ONE,
      operationId: 'readFirmwareInstallation',
      summary: 'Read an installation',
      permission: 'firmware:read',
      params: byId,
      answers: { 200: { description: 'The installation', schema } },
      handle: async (call) =>
        answer(200, print(await call.inTenant((tx) => find(tx, call.principal.tenantId, call.params)))),
    }),
    route({
      ...common,
      method: 'patch',
      path: ONE,
      operationId: 'reportFirmwareInstallation',
      summary: 'Report that it started, completed or was rejected',
      description:
        'By the device or gateway that executes, or by an operator, in every open state. The same member again changes nothing: the first time stays.',
      permission: READ_AND_WRITE,
      params: byId,
      body: installationReport,
      audit: { action: 'installation.report', id: 'installationId' },
      answers: { 200: { description: 'The installation as it is now', schema }, 409: WRONG_STATE },
      handle: (call) => act(call, call.params, 200, toEvent(call.body, services.now())),
    }),
    route({
      ...common,
      method: 'post',
      path: `${ONE}/cancel`,
      operationId: 'cancelFirmwareInstallation',
      summary: 'Cancel an installation',
      description: 'A handshake: a device that works on it is asked, and may be too far to stop.',
      permission: 'firmware:write',
      params: byId,
      body: cancellation,
      audit: { action: 'installation.cancel', id: 'installationId' },
      answers: { 202: { description: 'It ended, or its device was asked', schema }, 409: WRONG_STATE },
      handle: (call) =>
        act(call, call.params, 202, {
          type: 'cancel',
          ...(call.body?.reason === undefined ? {} : { reason: call.body.reason }),
        }),
    }),
    route({
      ...common,
      method: 'post',
      path: `${ONE}/release`,
      operationId: 'releaseFirmwareInstallation',
      summary: 'Release an installation that is held at the gate',
      permission: 'firmware:write',
      params: byId,
      body: nothing,
      audit: { action: 'installation.release', id: 'installationId' },
      answers: { 202: { description: 'The installation continues', schema }, 409: WRONG_STATE },
      handle: (call) => act(call, call.params, 202, { type: 'release' }),
    }),
    route({
      ...common,
      method: 'post',
      path: `${ONE}/retry`,
      operationId: 'retryFirmwareInstallation',
      summary: 'Retry an installation that ended',
      permission: 'firmware:write',
      params: byId,
      body: nothing,
      audit: { action: 'installation.retry' },
      answers: {
        201: { description: 'A new installation, with retryOf', schema },
        409: { description: 'It has not ended; or the firmware may not be installed there any more' },
      },
      async handle(call) {
        const { tenantId, id: requestedBy } = call.principal;
        return call.answerOnce(async (tx) =>
          answer(
            201,
            print(
              await retryInstallation(tx, tenantId, await find(tx, tenantId, call.params), requestedBy, services.now()),
            ),
          ),
        );
      },
    }),
    route({
      ...common,
      method: 'get',
      path: '/v1/firmware-installations',
      operationId: 'listFirmwareInstallations',
      summary: 'List installations across devices, newest first or by their end',
      permission: 'firmware:read',
      query: installationListQuery,
      answers: { 200: { description: 'A page of installations', schema: installationPage } },
      async handle({ principal: { tenantId }, query, inTenant }) {
        const request = toPageRequest(query, VALIDATION);
        const { fields, facets = [] } = query;
        return inTenant(async (tx) => {
          const page = await listInstallations(tx, tenantId, query, request, fields === undefined);
          const counted: Record<string, readonly FacetCount[]> = {};
          for (const name of facets) counted[name] = await readInstallationFacet(tx, tenantId, query, request, name);
          const data = page.items.map((one) => (fields ? printInstallationRow(one, fields) : print(one)));
          const meta = { ...metaOf(page, request), ...(facets.length > 0 ? { facets: counted } : {}) };
          return { status: 200, body: { data, meta } };
        });
      },
    }),
  ];
}

async function find(tx: Tx, tenantId: string, at: At): Promise<InstallationView> {
  const found = await readInstallation(tx, tenantId, at.deviceId, at.installationId);
  if (!found) throw noAccess(`installation ${at.installationId} of device ${at.deviceId}`);
  return found;
}

function refusal(reason: string, view: InstallationView): DomainError {
  const sentence =
    reason === 'too_late'
      ? `installation ${view.id} is ${view.state}: the new content is in the slot, it is too late for this`
      : `installation ${view.id} ended as ${view.state} already; nothing can be reported or asked of it any more`;
  return new DomainError('FIRMWARE_INSTALLATION_STATE', sentence, { reason, state: view.state });
}

function noAccess(what: string): DomainError {
  return new DomainError('FIRMWARE_NO_ACCESS_TO_RESOURCE', `${what} does not exist, or belongs to another tenant`);
}
