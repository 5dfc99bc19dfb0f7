import { z } from 'zod';
import { partState } from '../../protocol/http/summary.js';
import type { Health } from '../../runtime/health/parts.js';
import type { Metrics } from '../metrics.js';
import { route, type Route } from '../http/route.js';

const readiness = z
  .strictObject({
    status: z.enum(['ready', 'unready']),
    reason: z.string().optional(),
    dependencies: z.record(z.string(), partState),
  })
  .meta({
    id: 'Readiness',
    example: {
      status: 'ready',
      dependencies: {
        database: { status: 'up' },
        blobs: { status: 'up' },
        bridge: { status: 'up' },
        orchestrator: { status: 'up' },
        mqtt: { status: 'down', reason: 'does not answer the bridge: devices are not reached' },
        schema: { status: 'up' },
        temporal: { status: 'up' },
      },
    },
  });
const query = z.strictObject({
  all: z.boolean().optional().meta({ description: 'Whether all parts decide, not only the necessary ones' }),
});

const common = { tag: 'Health', permission: null } as const;

/** For load balancers, supervisors and people; no token (docs/architecture.md §7). */
export function healthRoutes(health: Health, metrics: Metrics): Route[] {
  return [
    route({
      ...common,
      method: 'get',
      path: '/health/live',
      operationId: 'isLive',
      summary: 'Whether this process answers',
      answers: {
        200: {
          description: 'It does',
          schema: z.strictObject({ status: z.literal('live') }),
          example: { status: 'live' },
        },
      },
      handle: async () => ({ status: 200, body: { status: 'live' } }),
    }),
    route({
      ...common,
      method: 'get',
      path: '/health/ready',
      operationId: 'isReady',
      summary: 'Whether this API can take requests, and the health of each part',
      description:
        'Database, schema and blobs decide. With the others away the API still takes requests, and the work begins when they are back; with `all=true` each part decides. Every part is named; one that cannot be asked is `not known`. Parts are looked at once a second at most. An API that shuts down is `unready` at once.',
      query,
      answers: {
        200: { description: 'The parts that decide are up', schema: readiness },
        503: { description: 'Some part that decides is not up, or the process ends', schema: readiness },
      },
      handle: async ({ query: { all = false } }) => {
        const body = await health.readiness(all ? 'all' : 'deciding');
        return { status: body.status === 'ready' ? 200 : 503, body };
      },
    }),
    route({
      ...common,
      method: 'get',
      path: '/metrics',
      operationId: 'getMetrics',
      summary: 'Measurements for Prometheus',
      answers: {
        200: {
          description:
            'Open installations, depth and age of the outbox, reports recorded and messages refused by reason, durations of requests',
          schema: z.string(),
          contentType: 'text/plain',
          example:
            'slipway_installations{state="downloading"} 12\nslipway_device_messages_refused_total{reason="stale_attempt"} 3\n',
        },
      },
      handle: async ({ response }) => {
        const { text, contentType } = await metrics.print();
        response.status(200).set('Content-Type', contentType).end(text);
        return { handled: true };
      },
    }),
  ];
}
