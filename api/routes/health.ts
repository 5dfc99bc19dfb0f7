import { z } from 'zod';
import { PART_STATES, statesOf, type Part } from '../health/parts.js';
import type { Metrics } from '../metrics.js';
import { route, type Route } from '../http/route.js';

const state = z.strictObject({ status: z.enum(PART_STATES), reason: z.string().optional() });
const readiness = z
  .strictObject({ status: z.enum(['ready', 'unready']), dependencies: z.record(z.string(), state) })
  .meta({
    id: 'Readiness',
    example: { status: 'ready', dependencies: { database: { status: 'up' }, temporal: { status: 'up' } } },
  });

const common = { tag: 'Health', permission: null } as const;

/** For load balancers, supervisors and people; no token (docs/architecture.md §7). */
export function healthRoutes(parts: readonly Part[], metrics: Metrics): Route[] {
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
      summary: 'The health of each part',
      description:
        'With Temporal or the broker away the API still takes requests; the work begins when they are back. A part that cannot be asked is `not known`.',
      answers: {
        200: { description: 'Every part works', schema: readiness },
        503: { description: 'Some part does not', schema: readiness },
      },
      handle: async () => {
        const states = await statesOf(parts);
        const ready = Object.values(states).every(({ status }) => status === 'up');
        return {
          status: ready ? 200 : 503,
          body: { status: ready ? 'ready' : 'unready', dependencies: states },
        };
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
