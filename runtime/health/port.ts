import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { partGauge } from './gauge.js';
import type { Health } from './parts.js';

/** A probe is a line and its answer: a client that takes longer holds a connection for nothing. */
const TIMEOUT_MS = 10_000;

/** `port` is the one that it has got. */
export interface ProbePort {
  readonly port: number;
  close(): Promise<void>;
}

/** Figures of a process by name; `value` is asked at each scrape. */
export type Figures = Readonly<Record<string, { readonly help: string; readonly value: () => number }>>;

/**
 * The small port of a process that is no API: GET /health/live, /health/ready (`?all=true`: each part decides) and
 * /metrics, as those of the API; everything else is 404. No token, nothing of a tenant.
 * @throws the system's error where the port is taken
 */
export async function openProbePort(
  { host, port }: { host: string; port: number },
  health: Health,
  figures: Figures = {},
): Promise<ProbePort> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const gauges = Object.entries(figures).map(([name, { help, value }]) => ({
    gauge: new Gauge({ name, help, registers: [registry] }),
    value,
  }));
  const showParts = partGauge(registry);
  const answers: Readonly<Record<string, (query: URLSearchParams, response: ServerResponse) => Promise<void>>> = {
    '/health/live': async (_query, response) => sendJson(response, 200, { status: 'live' }),
    '/health/ready': async (query, response) => {
      const readiness = await health.readiness(query.get('all') === 'true' ? 'all' : 'deciding');
      sendJson(response, readiness.status === 'ready' ? 200 : 503, readiness);
    },
    '/metrics': async (_query, response) => {
      showParts(await health.states());
      for (const { gauge, value } of gauges) gauge.set(value());
      response.setHeader('Content-Type', registry.contentType).end(await registry.metrics());
    },
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.setHeader('Cache-Control', 'no-store');
    const [path = '', query = ''] = (request.url ?? '').split('?');
    const answered = Object.hasOwn(answers, path) ? answers[path] : undefined;
    if (!answered) return sendJson(response, 404, { error: `there are ${Object.keys(answers).join(', ')}` });
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return sendJson(response.setHeader('Allow', 'GET, HEAD'), 405, { error: 'send GET' });
    await answered(new URLSearchParams(query), response);
  };
  const server = createServer(
    { requestTimeout: TIMEOUT_MS, headersTimeout: TIMEOUT_MS },
    (request, response) => void answer(request, response).catch(() => response.destroy()),
  );
  server.setTimeout(TIMEOUT_MS);
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}
