import { voteOf } from '../../domain/rollout/awaited.js';
import { envelope } from '../../protocol/http/envelope.js';
import { printSummary, summary } from '../../protocol/http/summary.js';
import type { Health } from '../../runtime/health/parts.js';
import { listAwaited } from '../../store/commands/approvals.js';
import { countTenant } from '../../store/commands/summary.js';
import { asTenant } from '../../store/db/transaction.js';
import { answer, route, type Route, type Services } from '../http/route.js';
import { KeptCounts } from '../summary/kept-counts.js';

/** docs/contracts/operators.md, "The fleet at a glance". */
export function summaryRoutes({ pool, log }: Pick<Services, 'pool' | 'log'>, health: Health): Route[] {
  const counts = new KeptCounts((tenantId) => asTenant(pool, tenantId, (tx) => countTenant(tx, tenantId)), log);
  return [
    route({
      tag: 'Overview',
      method: 'get',
      path: '/v1/summary',
      operationId: 'readSummary',
      summary: 'The fleet at a glance',
      description: 'What is counted is some seconds old, as `asOf` says; approvals and parts are as they are now.',
      permission: ['devices_base_data:read', 'firmware:read', 'rollouts:read'],
      answers: { 200: { description: 'Devices, open installations, rollouts', schema: envelope(summary) } },
      async handle(call) {
        const { principal } = call;
        const [counted, awaited, parts] = await Promise.all([
          counts.of(principal.tenantId),
          call.inTenant((tx) => listAwaited(tx, principal.tenantId)),
          health.states(),
        ]);
        const forYou = awaited.filter(({ approval, rollout }) => voteOf(approval, rollout, principal).allowed).length;
        return answer(200, printSummary({ ...counted, approvals: { waiting: awaited.length, forYou }, parts }));
      },
    }),
  ];
}
