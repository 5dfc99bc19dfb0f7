import { z } from 'zod';
import { DomainError } from '../../domain/errors.js';
import { envelope, id, listQuery, pageOf } from '../../protocol/http/envelope.js';
import { bulkBody, exportQuery, importQuery, job } from '../../protocol/http/jobs.js';
import { nothing } from '../../protocol/http/installations.js';
import { addMatchingDevices, countMatchingDevices } from '../../store/commands/bulk-devices.js';
import { exportDevices } from '../../store/commands/export-devices.js';
import {
  addLines,
  cancelJob,
  createJob,
  endDryRun,
  listJobs,
  queueJob,
  readJob,
  type JobLine,
  type Origin,
} from '../../store/jobs/jobs.js';
import { dropJob } from '../../store/jobs/sweep.js';
import type { Tx } from '../../store/db/pool.js';
import { filterFault } from '../../domain/fleet/filter.js';
import { bytesOf, readCsv, readLines } from '../jobs/lines.js';
import type { ResultKey } from '../jobs/result-key.js';
import { actorOf } from '../http/acts.js';
import { authorize } from '../http/authorize.js';
import { checkMediaType } from '../http/body.js';
import { refuseFaults } from '../http/errors.js';
import { sendLines } from '../http/send-lines.js';
import { toPageRequest } from '../http/paging.js';
import { answer, answerPage, route, type Call, type Principal, type Route, type Services } from '../http/route.js';

const JOBS = '/v1/jobs';
const VALIDATION = 'DEVICE_VALIDATION';
const devices = { tag: 'Devices in bulk', validationCode: VALIDATION } as const;
const jobs = { tag: 'Jobs', validationCode: 'REQUEST_VALIDATION', unknownCode: 'JOB_NOT_FOUND' } as const;
const one = envelope(job);
const byId = z.object({ id });
const CSV = 'text/csv';
const LINE = '{"info":{"name":"Switch 12","deviceTypeId":"123e4567-e89b-12d3-a456-426655440003"}}\n';
/** What an import reads, with an example of each. */
const FILES = {
  'application/x-ndjson': LINE,
  'application/jsonl': LINE,
  [CSV]: 'name,deviceTypeId,tags\nSwitch 12,123e4567-e89b-12d3-a456-426655440003,north;hall\n',
};
/** Lines that are stored at once. */
const BATCH = 500;
const BATCH_CHARACTERS = 4_000_000;

/** docs/contracts/operators.md, "Devices in bulk": work over many devices that continues without its request. */
export function jobRoutes(
  { now, wakeJobs, log }: Pick<Services, 'now' | 'wakeJobs' | 'log'>,
  results: ResultKey,
): Route[] {
  return [
    route({
      ...devices,
      method: 'post',
      path: '/v1/devices/import',
      operationId: 'importDevices',
      summary: 'Import devices from JSON lines or CSV',
      description:
        'Up to 100,000 rows and 256 MiB, streamed. With `credentials` it needs `device_certificates:write`, too. Each JSON line is what `POST /v1/devices` takes, with the `id` of a device that is there where it is known. The columns of a CSV file are the members of `info`, `id`, `configuration`, `custom` and `custom.<key>`; lists have `;` between. The job says line, pointer and sentence of each fault.',
      permission: 'devices_base_data:write',
      query: importQuery,
      contentType: 'application/octet-stream',
      accepts: FILES,
      audit: { action: 'job.import', byHandler: true },
      answers: { 202: { description: 'The job', schema: one } },
      async handle(call) {
        const { tenantId, id: createdBy } = call.principal;
        const isCsv = checkMediaType(call.request, Object.keys(FILES)) === CSV;
        const { credentials, dryRun } = call.query;
        if (credentials !== undefined) {
          authorize(call.principal, ['device_certificates:write']);
          await results.assertThere();
        }
        const { id: jobId } = await call.inTenant((tx) =>
          createJob(
            tx,
            tenantId,
            {
              kind: 'import',
              state: 'receiving',
              spec: call.query,
              createdBy,
              origin: originOf(call),
              hasResult: credentials !== undefined && !dryRun,
            },
            now(),
          ),
        );
        try {
          const lines = isCsv ? readCsv(bytesOf(call.request)) : readLines(bytesOf(call.request));
          for await (const batch of inBatches(lines)) await call.inTenant((tx) => addLines(tx, tenantId, jobId, batch));
          if (!call.request.complete) throw brokenOff();
          const queued = await call.inTenant(async (tx) => {
            const made = await queueJob(tx, tenantId, jobId);
            await call.recordAct(tx, undefined, { ...call.query, lines: made.total }, jobId);
            return made;
          });
          wakeJobs();
          return answer(202, queued);
        } catch (error) {
          call.request.resume();
          while (await call.inTenant((tx) => dropJob(tx, tenantId, jobId))) continue;
          if (!(call.request.destroyed && !call.request.complete)) throw error;
          const broken = brokenOff(error);
          log.warn({ jobId, tenantId, createdBy, err: error }, broken.detail);
          throw broken;
        }
      },
    }),
    route({
      ...devices,
      method: 'get',
      path: '/v1/devices/export',
      operationId: 'exportDevices',
      summary: 'Export devices as JSON lines',
      description: 'Oldest first, streamed, in the form that the import reads.',
      permission: 'devices_base_data:read',
      query: exportQuery,
      answers: {
        200: {
          description: 'One device a line',
          contentType: 'application/x-ndjson',
          schema: z.string(),
          example: '{"id":"123e4567-e89b-12d3-a456-426655440002","info":{"name":"Switch 12"}}\n',
        },
      },
      handle: (call) =>
        sendLines(call.response, exportDevices(call.inTenant, call.principal.tenantId, call.query.filter)),
    }),
    route({
      ...devices,
      method: 'post',
      path: '/v1/devices/bulk',
      operationId: 'actOnDevices',
      summary: 'Do something to all devices that a filter matches',
      description:
        'Those that match now, and no later ones. tag, untag, setAttribute and delete need `devices_base_data:write`, cancel and retry `firmware:write`.',
      permission: 'devices_base_data:read',
      body: bulkBody,
      audit: { action: 'job.bulk' },
      answers: { 202: { description: 'The job; with dryRun it has ended, and `total` is the count', schema: one } },
      handle(call) {
        const { tenantId, id: createdBy } = call.principal;
        const { body } = call;
        authorize(call.principal, [
          body.action === 'cancel' || body.action === 'retry' ? 'firmware:write' : 'devices_base_data:write',
        ]);
        const fault = filterFault(body.filter);
        if (fault) throw refuseFaults(VALIDATION, [{ pointer: '/filter', ...fault }]);
        return call.answerOnce(async (tx) => {
          const made = await createJob(
            tx,
            tenantId,
            { kind: 'bulk', state: 'receiving', spec: body, createdBy, origin: originOf(call), hasResult: false },
            now(),
          );
          if (body.dryRun) {
            const total = await countMatchingDevices(tx, tenantId, body.filter);
            return answer(202, await endDryRun(tx, tenantId, made.id, total, now()));
          }
          await addMatchingDevices(tx, tenantId, made.id, body.filter);
          return answer(202, await queueJob(tx, tenantId, made.id));
        });
      },
    }),
    route({
      ...jobs,
      method: 'get',
      path: JOBS,
      operationId: 'listJobs',
      summary: 'List jobs, newest first',
      description: 'Those that the caller made; an owner sees all of the tenant. What ended is shown for a day.',
      permission: [],
      query: listQuery({}),
      answers: { 200: { description: 'A page of jobs', schema: pageOf(job) } },
      async handle(call) {
        const page = toPageRequest(call.query, 'REQUEST_VALIDATION');
        return answerPage(
          await call.inTenant((tx) => listJobs(tx, call.principal.tenantId, readerOf(call.principal), page)),
          page,
        );
      },
    }),
    route({
      ...jobs,
      method: 'get',
      path: `${JOBS}/{id}`,
      operationId: 'readJob',
      summary: 'Read a job',
      permission: [],
      params: byId,
      answers: { 200: { description: 'The job', schema: one } },
      handle: async (call) => answer(200, await call.inTenant((tx) => found(tx, call, call.params.id))),
    }),
    route({
      ...jobs,
      method: 'post',
      path: `${JOBS}/{id}/cancel`,
      operationId: 'cancelJob',
      summary: 'Cancel a job',
      description: 'It ends behind the lines that are under way. What was done stays done.',
      permission: [],
      params: byId,
      body: nothing,
      audit: { action: 'job.cancel', id: 'id' },
      answers: { 202: { description: 'It ended, or is about to', schema: one } },
      handle: (call) =>
        call.answerOnce(async (tx) => {
          await found(tx, call, call.params.id);
          await cancelJob(tx, call.principal.tenantId, call.params.id, now());
          return answer(202, await found(tx, call, call.params.id));
        }),
    }),
  ];
}

function originOf({ principal, request, response }: Pick<Call, 'principal' | 'request' | 'response'>): Origin {
  const { address, credential, requestId } = actorOf(principal, request, response);
  return { address, credential, requestId };
}

function brokenOff(cause?: unknown): DomainError {
  return new DomainError(VALIDATION, 'the file broke off; nothing of it was kept, send it again', {}, { cause });
}

function found(tx: Tx, { principal }: Pick<Call, 'principal'>, jobId: string) {
  return readJob(tx, principal.tenantId, jobId, readerOf(principal));
}

/** A job is read by its maker, and by owners. */
export function readerOf({ id: by, roles }: Principal): { by: string; readsAll: boolean } {
  return { by, readsAll: roles.includes('owner') };
}

async function* inBatches(lines: AsyncIterable<JobLine>): AsyncGenerator<JobLine[], void> {
  let batch: JobLine[] = [];
  let characters = 0;
  for await (const line of lines) {
    batch.push(line);
    characters += line.body?.length ?? 0;
    if (batch.length < BATCH && characters < BATCH_CHARACTERS) continue;
    yield batch;
    [batch, characters] = [[], 0];
  }
  if (batch.length > 0) yield batch;
}
