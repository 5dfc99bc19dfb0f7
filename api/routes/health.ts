import { z } from 'zod';
import { readHeldLeases } from '../../store/db/vitals.js';
import type { Metrics } from '../metrics.js';
import { route, type Route, type Services } from '../http/route.js';

/**
 * A part that this service cannot work without. `check` throws, or answers with a sentence, where the part does not do
 * its work.
 */
export interface Dependency {
  name: string;
  check: () => Promise<string | undefined>;
}

/**
 * Each check alone: a probe of a load balancer gives up after a few seconds, and a part that hangs is one that is away.
 */
const CHECK_DEADLINE_MS = 1_500;

const state = z.strictObject({ status: z.enum(['up', 'down']), reason: z.string().optional() });
const readiness = z
  .strictObject({ status: z.enum(['ready', 'unready']), dependencies: z.record(z.string(), state) })
  .meta({
    id: 'Readiness',
    example: { status: 'ready', dependencies: { database: { status: 'up' }, temporal: { status: 'up' } } },
  });

const common = { tag: 'Health', permission: null } as const;

/** For load balancers, supervisors and people; no token (DESIGN §9). */
export function healthRoutes(
  services: Pick<Services, 'pool' | 'log'>,
  dependencies: readonly Dependency[],
  metrics: Metrics,
): Route[] {
  const all = [...ownDependencies(services), ...dependencies];
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
      summary: 'Whether everything works, part by part',
      description: 'With Temporal or the broker away the API still takes requests; the work begins when they are back.',
      answers: {
        200: { description: 'Every part works', schema: readiness },
        503: { description: 'Some part does not', schema: readiness },
      },
      handle: async () => {
        const states = await Promise.all(
          all.map(async (dependency) => [dependency.name, await checked(dependency)] as const),
        );
        const ready = states.every(([, one]) => one.status === 'up');
        return {
          status: ready ? 200 : 503,
          body: { status: ready ? 'ready' : 'unready', dependencies: Object.fromEntries(states) },
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

/** What PostgreSQL knows: itself, and who holds a lease. Bridge and orchestrator renew theirs every second. */
function ownDependencies({ pool }: Pick<Services, 'pool'>): Dependency[] {
  const held = (name: string, nobody: string): Dependency => ({
    name,
    check: async () => ((await readHeldLeases(pool)).has(name) ? undefined : nobody),
  });
  return [
    { name: 'database', check: async () => void (await pool.query('SELECT 1')) },
    held('bridge', 'no bridge holds the lease: reports of devices wait in the broker'),
    held('orchestrator', 'no orchestrator holds the lease: installations do not go on'),
  ];
}

async function checked({ check }: Dependency): Promise<{ status: 'up' | 'down'; reason?: string }> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no answer within ${CHECK_DEADLINE_MS} ms`), CHECK_DEADLINE_MS);
  });
  try {
    const reason = await Promise.race([check(), late]);
    return reason === undefined ? { status: 'up' } : { status: 'down', reason };
  } catch (error) {
    return { status: 'down', reason: reasonOf(error) };
  } finally {
    clearTimeout(timer);
  }
}

/** Anyone may read this: an error's code says what is needed, its text may hold addresses. */
function reasonOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? `does not answer (${code})` : 'does not answer';
}
