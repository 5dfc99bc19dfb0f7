import { defined } from '../../domain/defined.js';
import { z } from 'zod';
import { printDuration } from '../../domain/duration.js';
import { DomainError, type Fault } from '../../domain/errors.js';
import { DEFAULT_POLICY, type Policy } from '../../domain/installation/policy.js';
import { STATES } from '../../domain/installation/states.js';
import { slotName } from './device-types.js';
import { duration } from './duration.js';
import { id, label, listOf, text, timeFilter, timestamp } from './envelope.js';

/** docs/contracts/rest-api.md, "Firmware installations". What clients send. */
const SECOND = 1_000;
const DAY = 86_400 * SECOND;
/** No phase of an installation takes longer, and no timer of Temporal has to. */
const MAX_TIMEOUT_MS = 366 * DAY;
/** Shorter than a message's way there and back is a mistake. */
const MIN_TIMEOUT_MS = SECOND / 10;
const MAX_BACKOFF_MS = 30 * DAY;
/** Durable timers hold for months; what lies further ahead is a mistyped year. */
const MAX_AHEAD_MS = 10 * 366 * DAY;

const timeout = (key: keyof Policy['timeouts'], description: string) =>
  duration(MIN_TIMEOUT_MS, MAX_TIMEOUT_MS, 'PT1H')
    .optional()
    .meta({ description: `${description} Default ${printDuration(DEFAULT_POLICY.timeouts[key])}` });

const timeouts = z.strictObject({
  offer: timeout('offer', 'Until the device accepts.'),
  download: timeout('download', 'Without a byte that advances.'),
  install: timeout('install', 'From the download to the reboot or the end.'),
  confirm: timeout('confirm', 'From the reboot to the report of the new version.'),
});

const retry = z.strictObject({
  maxAttempts: z
    .int()
    .min(1)
    .max(100)
    .optional()
    .meta({ description: `Default ${DEFAULT_POLICY.retry.maxAttempts}` }),
  backoff: z
    .strictObject({
      first: duration(0, MAX_BACKOFF_MS, 'PT10S').optional(),
      factor: z.number().min(1).max(100).optional(),
      max: duration(0, MAX_BACKOFF_MS, 'PT10M').optional(),
    })
    .optional()
    .meta({ description: 'Default PT10S, times 2 after each attempt, up to PT10M' }),
});

/** What a caller asks for (docs/contracts/rest-api.md, "Firmware installations"). Durations become milliseconds. */
export const newInstallation = z
  .strictObject({
    firmwareId: id,
    slot: slotName,
    notBefore: timestamp.optional().meta({ description: 'It does not begin before' }),
    deadline: timestamp.optional().meta({ description: 'It has ended by then, in one way or another' }),
    maintenanceWindow: z
      .never({ error: 'is not supported yet; send notBefore, and deadline where it must have ended' })
      .optional(),
    priority: z.int32().default(0).meta({ description: 'Higher goes first on a device' }),
    retry: retry.optional(),
    timeouts: timeouts.optional(),
    soak: duration(0, MAX_TIMEOUT_MS, 'PT10M')
      .optional()
      .meta({ description: 'How long the new content must run without a regression. Default PT0S' }),
    allowDowngrade: z.boolean().default(false).meta({ description: 'Also where the slot holds a newer version' }),
    gate: z.enum(['go', 'hold']).default('go').meta({ description: 'hold: download, then wait for the release' }),
    onConflict: z
      .enum(['reject', 'queue', 'supersede'])
      .default('queue')
      .meta({ description: 'Where another one is open on the same slot' }),
  })
  .meta({
    id: 'NewFirmwareInstallation',
    example: { firmwareId: '123e4567-e89b-12d3-a456-426655440000', slot: 'firmware' },
  });

/** A request as the store takes it. Times are epoch milliseconds. */
export interface InstallationRequest {
  firmwareId: string;
  slot: string;
  notBefore?: number;
  deadline?: number;
  priority: number;
  policy: Policy;
  gate: 'go' | 'hold';
  onConflict: 'reject' | 'queue' | 'supersede';
}

/** @throws DomainError FIRMWARE_VALIDATION where the times do not fit together or to the present */
export function toRequest(body: z.output<typeof newInstallation>, now: number): InstallationRequest {
  const notBefore = body.notBefore === undefined ? undefined : Date.parse(body.notBefore);
  const deadline = body.deadline === undefined ? undefined : Date.parse(body.deadline);
  const faults: Fault[] = [];
  if (notBefore !== undefined && notBefore > now + MAX_AHEAD_MS)
    faults.push({ pointer: '/notBefore', detail: 'lies more than ten years ahead' });
  if (deadline !== undefined && deadline > now + MAX_AHEAD_MS)
    faults.push({ pointer: '/deadline', detail: 'lies more than ten years ahead' });
  if (deadline !== undefined && deadline <= now) faults.push({ pointer: '/deadline', detail: 'lies in the past' });
  if (deadline !== undefined && notBefore !== undefined && deadline <= notBefore)
    faults.push({ pointer: '/deadline', detail: 'must be later than notBefore' });
  if (faults.length > 0)
    throw new DomainError(
      'FIRMWARE_VALIDATION',
      faults.map(({ pointer, detail }) => `${pointer} ${detail}`).join('; '),
      { errors: faults },
    );
  return {
    firmwareId: body.firmwareId,
    slot: body.slot,
    priority: body.priority,
    gate: body.gate,
    onConflict: body.onConflict,
    policy: toPolicy(body),
    ...(notBefore === undefined ? {} : { notBefore }),
    ...(deadline === undefined ? {} : { deadline }),
  };
}

function toPolicy(body: z.output<typeof newInstallation>): Policy {
  const { timeouts: given = {}, retry: again = {}, soak, allowDowngrade } = body;
  const { timeouts: t, retry: r } = DEFAULT_POLICY;
  const backoff = again.backoff ?? {};
  const first = backoff.first ?? Math.min(r.first, backoff.max ?? r.first);
  const max = backoff.max ?? Math.max(r.max, first);
  if (max < first)
    throw new DomainError('FIRMWARE_VALIDATION', '/retry/backoff/max must not be shorter than first', {
      errors: [{ pointer: '/retry/backoff/max', detail: 'must not be shorter than first' }],
    });
  return {
    ...DEFAULT_POLICY,
    timeouts: {
      offer: given.offer ?? t.offer,
      download: given.download ?? t.download,
      install: given.install ?? t.install,
      confirm: given.confirm ?? t.confirm,
    },
    retry: { maxAttempts: again.maxAttempts ?? r.maxAttempts, first, factor: backoff.factor ?? r.factor, max },
    soak: soak ?? DEFAULT_POLICY.soak,
    ...(allowDowngrade ? {} : { rules: { allowDowngrade, replaces: null } }),
  };
}

const REASON_LENGTH = 255;
const ONE_OF = 'must hold exactly one of startedAt, completedAt and rejectedAt';

/** The device that executes reports; the member says what, its value when. */
export const installationReport = z
  .strictObject({
    startedAt: timestamp.optional(),
    completedAt: timestamp.optional(),
    rejectedAt: timestamp.optional(),
    rejectReason: text(0, REASON_LENGTH).optional().meta({ description: 'Only with rejectedAt' }),
  })
  .refine(
    (body) => [body.startedAt, body.completedAt, body.rejectedAt].filter((member) => member !== undefined).length === 1,
    { error: ONE_OF },
  )
  .refine((body) => body.rejectReason === undefined || body.rejectedAt !== undefined, {
    error: 'is possible only with rejectedAt',
    path: ['rejectReason'],
  })
  .meta({
    id: 'FirmwareInstallationReport',
    example: { startedAt: '2026-11-24T10:00:00Z' },
    oneOf: [{ required: ['startedAt'] }, { required: ['completedAt'] }, { required: ['rejectedAt'] }],
    dependentRequired: { rejectReason: ['rejectedAt'] },
  });

/** What a device reports by REST. `at`: epoch milliseconds. */
export type ReportedEvent =
  { type: 'accepted' | 'installed'; at: number } | { type: 'rejected'; at: number; reason?: string; final: true };

/** What a report over REST means to an installation. A written `rejectedAt` is final: it is not tried again. */
export function toEvent(body: z.output<typeof installationReport>, now: number): ReportedEvent {
  if (body.startedAt !== undefined) return { type: 'accepted', at: plausible(body.startedAt, now) };
  if (body.completedAt !== undefined) return { type: 'installed', at: plausible(body.completedAt, now) };
  return {
    type: 'rejected',
    at: plausible(defined(body.rejectedAt, 'a report holds one of the three times'), now),
    final: true,
    ...(body.rejectReason === undefined ? {} : { reason: body.rejectReason }),
  };
}

/**
 * Clients read back what they wrote. A clock that was never set, or that runs far ahead, is not believed: then the time
 * of receipt counts.
 */
const FIRST_PLAUSIBLE = Date.UTC(2000, 0, 1);
const CLOCK_SKEW_MS = 5 * 60 * SECOND;

function plausible(value: string, now: number): number {
  const at = Date.parse(value);
  return at >= FIRST_PLAUSIBLE && at <= now + CLOCK_SKEW_MS ? at : now;
}

/** The body may be absent: a reason is not required. */
export const cancellation = z
  .strictObject({ reason: label(0, REASON_LENGTH).optional() })
  .optional()
  .meta({ example: { reason: 'wrong version' } });

/** Nothing needs to be said: an empty object, or no body at all. */
export const nothing = z.strictObject({}).optional().meta({ id: 'Nothing', example: {} });

/** What lists of installations can be sorted by; the first one is their own order. */
export const INSTALLATION_SORTS = ['requestedAt', 'endedAt'] as const;

/** The filters of the list, as members of its query. Each may be absent. */
export const installationFilters = {
  id: listOf(id).meta({ description: 'Comma list of installations' }),
  state: listOf(z.enum(STATES)).meta({ description: `Comma list: ${STATES.join(', ')}` }),
  slot: listOf(slotName).meta({ description: 'Comma list of slots' }),
  rolloutId: listOf(id).meta({ description: 'Comma list of rollouts' }),
  deviceId: listOf(id).meta({ description: 'Comma list of devices' }),
  firmwareId: listOf(id).meta({ description: 'Comma list of firmwares' }),
  endedSince: timeFilter('Only what ended at this time or later'),
  endedUntil: timeFilter('Only what ended before this time'),
};
