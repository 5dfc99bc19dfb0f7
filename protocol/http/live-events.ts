import { NO_TARGETS } from './rollout-example.js';
import { z } from 'zod';
import {
  anyEvent,
  DEFAULT_PAGE_SIZE,
  id,
  knownEvent,
  listOf,
  MAX_PAGE_SIZE,
  timeFilter,
  timestamp,
} from './envelope.js';
import { isoTime } from './print-plan.js';
import { printProgress, type PrintableRollout } from './rollout.js';
import { printRolloutEvent } from './rollout-parts.js';
import { eventQuery } from './rollouts.js';

/**
 * What is told as it happens: Server-Sent Events (WHATWG HTML, "Server-sent events"), numbered by the sealed history.
 */
const after = z.int().min(0).optional().meta({
  description:
    'The number after which it begins; 0 = from the beginning. `Last-Event-ID` goes before it. A stream without either begins with what happens now',
});

const order = z
  .enum(['asc', 'desc'], { error: 'must be asc or desc' })
  .default('asc')
  .meta({ description: 'desc: newest first. For pages only' });

const times = {
  since: timeFilter('Only what happened at this time or later'),
  until: timeFilter('Only what happened before this time'),
};

/** Of a rollout's history: pages have cursors, streams have numbers. */
export const rolloutEventQuery = eventQuery.extend({ after, order, ...times });

/** The query of the history of a tenant. `after` counts only where there is no cursor. */
export const historyQuery = z.strictObject({
  pageSize: z.int().min(1).max(MAX_PAGE_SIZE).default(DEFAULT_PAGE_SIZE),
  cursor: z.string().max(1_024).optional().meta({ description: 'What `meta.nextCursor` of the answer before said' }),
  after,
  order,
  by: listOf(z.string()).meta({
    description: 'Comma list of who did it, as `data.by` says it',
    example: 'operator:key:admin',
  }),
  event: listOf(knownEvent).meta({
    description: 'Comma list of what happened',
    example: 'pause,resume',
  }),
  deviceId: listOf(id).meta({ description: 'Comma list of devices' }),
  rolloutId: listOf(id).meta({ description: 'Comma list of rollouts' }),
  ...times,
});

/** The header by which a stream continues, for OpenAPI (HTML Living Standard, "Server-sent events"). */
export const LAST_EVENT_ID = {
  'Last-Event-ID': {
    description:
      'With `Accept: text/event-stream`: the `id` that was received last. What came after it follows, nothing is left out and nothing comes twice',
    example: '4711',
  },
};

/** @returns undefined where the text is no id of these streams. */
export function parseEventId(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** One sealed entry of a history (docs/contracts/rest-api.md, "Events and webhooks"). */
export const historyEvent = z
  .strictObject({
    number: z.int().meta({ description: "In the chain of the tenant's history; what is not an event has numbers too" }),
    at: timestamp,
    event: anyEvent,
    deviceId: id.optional(),
    installationId: id.optional(),
    rolloutId: id.optional(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({
    id: 'HistoryEvent',
    example: {
      number: 4711,
      at: '2026-11-24T10:00:00.000Z',
      event: 'created',
      rolloutId: '123e4567-e89b-12d3-a456-426655440010',
      data: { by: 'operator:key:admin' },
    },
  });

/** An entry as the store knows it; null = it is about no such thing. */
export interface PrintableEntry {
  readonly number: number;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly deviceId: string | null;
  readonly installationId: string | null;
  readonly rolloutId: string | null;
}

/** Members that are null are left out. */
export function printHistoryEvent({
  number,
  at,
  event,
  data,
  deviceId,
  installationId,
  rolloutId,
}: PrintableEntry): z.input<typeof historyEvent> {
  return {
    number,
    at: isoTime(at),
    event,
    ...(deviceId === null ? {} : { deviceId }),
    ...(installationId === null ? {} : { installationId }),
    ...(rolloutId === null ? {} : { rolloutId }),
    data: { ...data },
  };
}

/** An entry in the stream of the tenant, or in that of a rollout, where each is about the rollout. */
export function entryFrame(entry: PrintableEntry, of: 'tenant' | 'rollout'): string {
  return frame(entry.event, of === 'tenant' ? printHistoryEvent(entry) : printRolloutEvent(entry), entry.number);
}

/** How a rollout stands: what a dashboard redraws. It has no id, because it says what is, not what happened. */
export function countersFrame(view: PrintableRollout): string {
  return frame('counters', printProgress(view));
}

/** The last frame of a stream: the rollout has ended, and all of it was told. */
export function endFrame({ phase, because }: { phase: string; because: string }): string {
  return frame('end', { phase, because });
}

/** JSON has no line breaks of its own, so that `data` is one line. */
function frame(event: string, data: unknown, number?: number): string {
  return `${number === undefined ? '' : `id: ${number}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** How long a client waits before it asks again: not all at once where many lost the same process. */
export function openingFrame(retryMs: number): string {
  return `retry: ${retryMs}\n\n`;
}

/** A comment: clients skip it, and whatever stands in between sees that the connection is alive. */
export const HEARTBEAT = ': heartbeat\n\n';

const RUNNING = { ...NO_TARGETS, pending: 9, inFlight: 1 };

/** The stream of one rollout, for OpenAPI. */
export const ROLLOUT_STREAM_EXAMPLE =
  openingFrame(2_000) +
  frame('counters', {
    version: 1,
    phase: 'running',
    because: 'Running since 2026-11-24T10:00:00.000Z.',
    waitingOn: 'Waiting for 1 installation in flight.',
    eta: '2026-11-24T10:30:00.000Z',
    pauses: [],
    counters: RUNNING,
    groups: [
      {
        name: 'all',
        state: 'running',
        size: 10,
        counters: RUNNING,
        gate: { verdict: 'wait', because: '0 targets have ended; the gate needs 10', bound: null },
      },
    ],
  }) +
  frame(
    'pause',
    { number: 4711, at: '2026-11-24T10:00:05.000Z', event: 'pause', data: { by: 'operator:key:admin', version: 1 } },
    4711,
  ) +
  HEARTBEAT;
/** The stream of a tenant, for OpenAPI. */
export const TENANT_STREAM_EXAMPLE =
  openingFrame(2_000) +
  frame(
    'installed',
    {
      number: 4712,
      at: '2026-11-24T10:00:06.000Z',
      event: 'installed',
      deviceId: '123e4567-e89b-12d3-a456-426655440002',
      installationId: '123e4567-e89b-12d3-a456-426655440001',
      data: { by: 'device:123e4567-e89b-12d3-a456-426655440002' },
    },
    4712,
  ) +
  HEARTBEAT;
