import { approval, printApproval } from '../../protocol/http/approvals.js';
import { pageOf, shortListQuery } from '../../protocol/http/envelope.js';
import { listAwaited } from '../../store/commands/approvals.js';
import { pageOfShortList } from '../http/paging.js';
import { route, type Route } from '../http/route.js';
import { VALIDATION } from './rollouts.js';

/** docs/contracts/rollouts.md, "Approvals": what waits for votes. */
export function approvalRoutes(): Route[] {
  return [
    route({
      tag: 'Rollouts',
      validationCode: VALIDATION,
      method: 'get',
      path: '/v1/approvals',
      operationId: 'listApprovals',
      summary: 'List what waits for approval, the longest first',
      permission: 'rollouts:read',
      query: shortListQuery,
      answers: { 200: { description: 'A page of approvals', schema: pageOf(approval) } },
      async handle(call) {
        const awaited = await call.inTenant((tx) => listAwaited(tx, call.principal.tenantId));
        return pageOfShortList(
          awaited.map((one) => printApproval(one.approval, one.rollout, call.principal)),
          call.query,
        );
      },
    }),
  ];
}
