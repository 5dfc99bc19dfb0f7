import type { NextFunction, Request, Response } from 'express';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { OPEN_STATES } from '../domain/installation/states.js';
import { partGauge } from '../runtime/health/gauge.js';
import { keptFor } from '../runtime/health/kept.js';
import type { Health } from '../runtime/health/parts.js';
import { Limited } from './http/limited.js';
import {
  CONNECTION_LIMITS,
  CONNECTIONS_REFUSED,
  FAILURE_REASONS,
  INGEST_BOUNDS,
  INGEST_SECONDS,
  MESSAGES_REFUSED,
  PROCESS_FAILURES,
  readCounts,
  REPORTS_RECORDED,
  type Count,
} from '../store/db/counters.js';
import { databaseNow } from '../store/db/clock.js';
import type { Pool } from '../store/db/pool.js';
import { readVitals, type Vitals } from '../store/db/vitals.js';

const RECEIVERS = ['workflow', 'document', 'credential'] as const;

/** What this process measured, and what the database says of all. */
export interface Metrics {
  /** Takes the time of each request, by the declared path: ids in labels would make a series for each device. */
  observe: (request: Request, response: Response, next: NextFunction) => void;
  /** The text that Prometheus reads, and its content type. Without the database it says so, and all else. */
  print: () => Promise<{ text: string; contentType: string }>;
}

/** When certificates end, by name: epoch milliseconds; undefined = there is none. */
export type CertificateEnds = () => Promise<Readonly<Record<string, number | undefined>>>;

/** Anyone may scrape: however often that is, the database is asked once a second. */
const KEPT_MS = 1_000;

/** A registry of its own for each app: two of them in one process, as in tests, do not mix. */
export function createMetrics(
  pool: Pool,
  health: Health,
  limited = new Limited(undefined),
  ends?: CertificateEnds,
): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const durations = new Histogram({
    name: 'slipway_http_request_duration_seconds',
    help: 'Time to answer a request',
    labelNames: ['method', 'path', 'status'],
    registers: [registry],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30],
  });
  new Counter({
    name: 'slipway_http_limited_total',
    help: 'What a limit of this API ended or refused, by the limit',
    labelNames: ['limit'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [limit, value] of limited.counts) this.inc({ limit }, value);
    },
  });
  new Gauge({
    name: 'slipway_certificate_expires_seconds',
    help: 'Seconds until a certificate of the service ends; below 0 it has',
    labelNames: ['certificate'],
    registers: [registry],
    async collect() {
      this.reset();
      for (const [certificate, at] of Object.entries((await ends?.()) ?? {}))
        if (at !== undefined) this.set({ certificate }, Math.round((at - databaseNow()) / 1_000));
    },
  });
  const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Gauge({ name, help, labelNames, registers: [registry] });
  const showParts = partGauge(registry);
  const gauges = {
    open: gauge('slipway_installations', 'Open installations of all tenants', 'state'),
    overdue: gauge(
      'slipway_installations_overdue',
      'Open installations whose deadline has passed and is not judged yet',
    ),
    overdueOldest: gauge(
      'slipway_installations_overdue_oldest_seconds',
      'How long ago the first of these deadlines passed',
    ),
    depth: gauge('slipway_outbox_depth', 'Subjects whose receiver is to be brought up to date', 'receiver'),
    oldest: gauge('slipway_outbox_oldest_seconds', 'How long the oldest subject has been due', 'receiver'),
    failing: gauge('slipway_outbox_failing', 'Subjects whose last sending failed', 'receiver'),
    database: gauge('slipway_database_up', '1 where the database answered this scrape'),
  };
  const counters = {
    recorded: new Counter({
      name: REPORTS_RECORDED,
      help: 'Reports of devices that were recorded, over MQTT',
      registers: [registry],
    }),
    refused: new Counter({
      name: MESSAGES_REFUSED,
      help: 'Messages of devices that were refused, by reason; see last-diagnostics of the device',
      labelNames: ['reason'],
      registers: [registry],
    }),
    connections: new Counter({
      name: CONNECTIONS_REFUSED,
      help: 'Connections to the embedded broker that a limit ended, slowed or did not let in, by what it limits',
      labelNames: ['limit'],
      registers: [registry],
    }),
    ingest: new Counter({
      name: INGEST_SECONDS,
      help: "Messages of devices by the time from the bridge's receipt to the commit",
      labelNames: ['le'],
      registers: [registry],
    }),
    failures: new Counter({
      name: PROCESS_FAILURES,
      help: 'Activities and workflows that failed (they are tried again), and complaints of the worker itself',
      labelNames: ['reason'],
      registers: [registry],
    }),
  };
  const stored = keptFor(KEPT_MS, () => Promise.all([readVitals(pool), readCounts(pool)]));
  return {
    observe(request, response, next) {
      const end = durations.startTimer();
      // How long a client listened to a stream says nothing of how long requests take.
      const streams = () => /^text\/event-stream/.test(String(response.getHeader('content-type') ?? ''));
      response.once(
        'close',
        () =>
          streams() ||
          end({
            method: request.method,
            path: String(response.locals['path'] ?? 'other'),
            status: response.statusCode,
          }),
      );
      next();
    },
    async print() {
      const states = health.states();
      await stored().then(
        ([vitals, counts]) => {
          show(gauges, vitals);
          showCounts(counters, counts);
        },
        () => gauges.database.set(0),
      );
      showParts(await states);
      return { text: await registry.metrics(), contentType: registry.contentType };
    },
  };
}

type Gauges = Record<'open' | 'overdue' | 'overdueOldest' | 'depth' | 'oldest' | 'failing' | 'database', Gauge>;

/** What is empty is 0, not absent: an alert on a series that does not exist never fires. */
function show(gauges: Gauges, vitals: Vitals): void {
  gauges.database.set(1);
  for (const state of OPEN_STATES) gauges.open.set({ state }, 0);
  for (const { state, count } of vitals.openInstallations) gauges.open.set({ state }, count);
  gauges.overdue.set(vitals.overdue.count);
  gauges.overdueOldest.set(vitals.overdue.oldestSeconds);
  for (const receiver of RECEIVERS) {
    const row = vitals.outbox.find((one) => one.receiver === receiver);
    gauges.depth.set({ receiver }, row?.depth ?? 0);
    gauges.oldest.set({ receiver }, row?.oldestSeconds ?? 0);
    gauges.failing.set({ receiver }, row?.failing ?? 0);
  }
}

interface Counters {
  recorded: Counter;
  refused: Counter<'reason'>;
  connections: Counter<'limit'>;
  ingest: Counter<'le'>;
  failures: Counter<'reason'>;
}

/** Counted by bridge, broker and orchestrator, in PostgreSQL (runtime/counter-buffer.ts): shown as they stand there. */
function showCounts(counters: Counters, counts: readonly Count[]): void {
  for (const counter of Object.values(counters) as Counter[]) counter.reset();
  for (const le of INGEST_BOUNDS) counters.ingest.inc({ le }, 0);
  for (const limit of CONNECTION_LIMITS) counters.connections.inc({ limit }, 0);
  for (const reason of FAILURE_REASONS) counters.failures.inc({ reason }, 0);
  for (const { name, reason, value } of counts) {
    if (name === REPORTS_RECORDED) counters.recorded.inc(value);
    if (name === MESSAGES_REFUSED) counters.refused.inc({ reason }, value);
    if (name === CONNECTIONS_REFUSED) counters.connections.inc({ limit: reason }, value);
    if (name === INGEST_SECONDS) counters.ingest.inc({ le: reason }, value);
    if (name === PROCESS_FAILURES) counters.failures.inc({ reason }, value);
  }
}
