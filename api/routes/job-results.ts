import { z } from 'zod';
import { id } from '../../protocol/http/envelope.js';
import { deleteResult, readResult, requireResult } from '../../store/jobs/results.js';
import { sendLines } from '../http/send-lines.js';
import { NO_CONTENT, route, type Call, type Route, type Services } from '../http/route.js';
import type { ResultKey } from '../jobs/result-key.js';
import { readerOf } from './jobs.js';

const RESULT = '/v1/jobs/{id}/result';
const jobs = { tag: 'Jobs', validationCode: 'REQUEST_VALIDATION', unknownCode: 'JOB_NOT_FOUND' } as const;
const byId = z.object({ id });

/** docs/contracts/operators.md, "Devices in bulk": what only the maker of a job may read. */
export function jobResultRoutes({ now }: Pick<Services, 'now'>, results: ResultKey): Route[] {
  return [
    route({
      ...jobs,
      method: 'get',
      path: RESULT,
      operationId: 'readJobResult',
      summary: 'Read the passwords that an import made',
      description: 'Only its maker can, for an hour from its end on. Delete them once they are kept elsewhere.',
      permission: 'device_certificates:write',
      params: byId,
      answers: {
        200: {
          description: 'One device a line',
          contentType: 'application/x-ndjson',
          schema: z.string(),
          example: '{"line":1,"deviceId":"123e4567-e89b-12d3-a456-426655440002","username":"…","password":"…"}\n',
        },
        409: { description: 'The job has not ended' },
        410: { description: 'Deleted, or expired' },
      },
      async handle(call) {
        const { tenantId } = call.principal;
        const jobId = call.params.id;
        await call.inTenant((tx) => requireResult(tx, tenantId, jobId, readerOf(call.principal), now()));
        return sendLines(call.response, resultOf(call, jobId, results));
      },
    }),
    route({
      ...jobs,
      method: 'delete',
      path: RESULT,
      operationId: 'deleteJobResult',
      summary: 'Delete the passwords that an import made',
      description: 'For good. The devices keep them.',
      permission: 'device_certificates:write',
      params: byId,
      audit: { action: 'job.delete_result', id: 'id' },
      answers: {
        204: { description: 'Deleted' },
        409: { description: 'The job has not ended' },
        410: { description: 'Deleted before, or expired' },
      },
      async handle(call) {
        const { tenantId } = call.principal;
        await call.inTenant(async (tx) => {
          await requireResult(tx, tenantId, call.params.id, readerOf(call.principal), now());
          await deleteResult(tx, tenantId, call.params.id, now());
        });
        return NO_CONTENT;
      },
    }),
  ];
}

/** In the pieces in which it was written, so that a large one is never in memory as a whole. */
async function* resultOf(
  { inTenant, principal: { tenantId } }: Pick<Call, 'inTenant' | 'principal'>,
  jobId: string,
  results: ResultKey,
): AsyncGenerator<string, void> {
  for (let after = 0; ;) {
    const from = after;
    const piece = await inTenant((tx) => readResult(tx, tenantId, jobId, from));
    if (piece === undefined) return;
    yield await results.open(piece.sealed, { tenantId, jobId, line: piece.line });
    after = piece.line;
  }
}
