import { z } from 'zod';
import { printDuration } from '../../domain/duration.js';
import type { Installation } from '../../domain/installation/installation.js';
import { INSTALLATION_EVENTS } from '../../domain/webhook/event-names.js';
import { eventName, id, installationState, timestamp } from './envelope.js';

/** docs/contracts/rest-api.md, "Firmware installations". What clients get. */
const time = timestamp.nullable();
const duration = z.string();

const INSTALLATION_EXAMPLE = {
  id: '123e4567-e89b-12d3-a456-426655440001',
  deviceId: '123e4567-e89b-12d3-a456-426655440002',
  firmwareId: '123e4567-e89b-12d3-a456-426655440000',
  slot: 'firmware',
  requestedAt: '2026-11-24T10:00:00.000Z',
  startedAt: '2026-11-24T10:00:04.000Z',
  requestedBy: 'key:admin',
  state: 'downloading',
  attempt: 1,
  progress: { phase: 'download', bytes: 1_048_576, total: 20_971_520, at: '2026-11-24T10:00:06.000Z' },
  waitingOn:
    'Waiting for the device to finish the download (1048576 of 20971520 bytes), since 2026-11-24T10:00:05.000Z, until 2026-11-24T11:00:06.000Z.',
  nextActionAt: '2026-11-24T11:00:06.000Z',
  alreadyInstalled: false,
  error: null,
  rolloutId: null,
  retryOf: null,
  workflowUrl: null,
  priority: 0,
  gate: 'go',
  notBefore: null,
  deadline: null,
  timeouts: { offer: 'P7D', download: 'PT1H', install: 'PT30M', confirm: 'PT15M' },
  retry: { maxAttempts: 3, backoff: { first: 'PT10S', factor: 2, max: 'PT10M' } },
  soak: 'PT0S',
  history: [
    { at: '2026-11-24T10:00:00.000Z', event: 'requested', data: { by: 'operator:key:admin', slot: 'firmware' } },
  ],
};

/** An installation as it is answered (docs/contracts/rest-api.md, "Firmware installations"). */
export const installation = z
  .strictObject({
    id,
    deviceId: id,
    firmwareId: id,
    slot: z.string(),
    requestedAt: timestamp,
    startedAt: timestamp.optional(),
    completedAt: timestamp.optional(),
    rejectedAt: timestamp.optional(),
    rejectReason: z.string().optional(),
    requestedBy: z.string(),
    state: installationState,
    attempt: z.int().min(1),
    progress: z.strictObject({ phase: z.string(), bytes: z.number(), total: z.number(), at: timestamp }).nullable(),
    waitingOn: z
      .string()
      .nullable()
      .meta({ description: 'What it waits for, since when and until when, in one sentence; null once it ended' }),
    nextActionAt: time.meta({ description: 'When something happens at the latest; null where nothing is timed' }),
    alreadyInstalled: z.boolean().meta({ description: 'The slot held the content already' }),
    error: z
      .strictObject({ code: z.string(), message: z.string() })
      .nullable()
      .meta({ description: 'Of the newest attempt that failed' }),
    rolloutId: id.nullable(),
    retryOf: id.nullable(),
    workflowUrl: z
      .string()
      .nullable()
      .meta({ description: 'Its process in the Temporal UI, once there is one and where the UI is known' }),
    priority: z.int(),
    gate: z.enum(['go', 'hold']),
    notBefore: time,
    deadline: time,
    timeouts: z.strictObject({ offer: duration, download: duration, install: duration, confirm: duration }),
    retry: z.strictObject({
      maxAttempts: z.int(),
      backoff: z.strictObject({ first: duration, factor: z.number(), max: duration }),
    }),
    soak: duration,
    history: z
      .array(
        z.strictObject({
          at: timestamp,
          event: eventName(INSTALLATION_EVENTS),
          data: z.record(z.string(), z.unknown()),
        }),
      )
      .meta({ description: 'What happened, oldest first' }),
  })
  .meta({ id: 'FirmwareInstallation', example: INSTALLATION_EXAMPLE });

/** What is printed: the installation, and what the store knows around it. */
export interface PrintableInstallation extends Installation {
  readonly requestedBy: string;
  readonly retryOf: string | null;
  readonly waitingOn: string | null;
  readonly nextActionAt: number | null;
  readonly history: readonly {
    readonly at: number;
    readonly event: string;
    readonly data: Readonly<Record<string, unknown>>;
  }[];
}

/** `workflowUrl`: its process in the engine's UI; null where the service has none. */
export function printInstallation(i: PrintableInstallation, workflowUrl: string | null): z.input<typeof installation> {
  const { timeouts: t, retry: r, soak } = i.policy;
  return {
    id: i.id,
    deviceId: i.deviceId,
    firmwareId: i.firmwareId,
    slot: i.slot,
    requestedAt: iso(i.requestedAt),
    ...(i.startedAt === null ? {} : { startedAt: iso(i.startedAt) }),
    ...(i.completedAt === null ? {} : { completedAt: iso(i.completedAt) }),
    ...(i.rejectedAt === null ? {} : { rejectedAt: iso(i.rejectedAt) }),
    ...(i.rejectReason === null ? {} : { rejectReason: i.rejectReason }),
    requestedBy: i.requestedBy,
    state: i.state,
    attempt: i.attempt,
    progress: i.progress && {
      phase: i.progress.phase,
      bytes: i.progress.bytes,
      total: i.progress.total,
      at: iso(i.progress.at),
    },
    waitingOn: i.waitingOn,
    nextActionAt: orNull(i.nextActionAt),
    alreadyInstalled: i.alreadyInstalled,
    error: i.error && { ...i.error },
    rolloutId: i.rolloutId,
    retryOf: i.retryOf,
    workflowUrl,
    priority: i.priority,
    gate: i.gate,
    notBefore: orNull(i.notBefore),
    deadline: orNull(i.deadline),
    timeouts: {
      offer: printDuration(t.offer),
      download: printDuration(t.download),
      install: printDuration(t.install),
      confirm: printDuration(t.confirm),
    },
    retry: {
      maxAttempts: r.maxAttempts,
      backoff: { first: printDuration(r.first), factor: r.factor, max: printDuration(r.max) },
    },
    soak: printDuration(soak),
    history: i.history.map(({ at, event, data }) => ({ at: iso(at), event, data: { ...data } })),
  };
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

function orNull(time: number | null): string | null {
  return time === null ? null : iso(time);
}
