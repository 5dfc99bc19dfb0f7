import { z } from 'zod';
import { TARGET_STATES, type RollbackState, type TargetState } from '../../domain/rollout/facts.js';
import { ROLLOUT_EVENTS } from '../../domain/webhook/event-names.js';
import { eventName, id, timestamp } from './envelope.js';
import { isoTime } from './print-plan.js';

const sentence = z.string();

/** One device of a rollout. */
export const rolloutTarget = z
  .strictObject({
    deviceId: id,
    group: z.string().nullable().meta({ description: 'null until the groups are formed' }),
    state: z.enum(TARGET_STATES),
    attempt: z.int().min(0),
    installationId: id.optional().meta({ description: 'Of its newest attempt' }),
    because: sentence.optional(),
    retryAt: timestamp.optional().meta({ description: 'When its back-off ends' }),
    rollBack: z
      .strictObject({
        state: z.enum(['pending', 'queued', 'inFlight', 'rolledBack', 'failed']),
        installationId: id.optional(),
        because: sentence.optional(),
      })
      .optional()
      .meta({ description: 'How far it is rolled back to what its slot held before' }),
  })
  .meta({
    id: 'RolloutTarget',
    example: {
      deviceId: '123e4567-e89b-12d3-a456-426655440002',
      group: 'canary',
      state: 'pending',
      attempt: 1,
      installationId: '123e4567-e89b-12d3-a456-426655440001',
      because: 'attempt 1 ended as failed: download_failed: connection reset',
      retryAt: '2026-11-24T12:05:00.000Z',
    },
  });

/**
 * A target as the store knows it. `retryAt`: epoch milliseconds; null = no back-off. `back` null = it is not rolled
 * back.
 */
export interface PrintableTarget {
  readonly deviceId: string;
  readonly group: string | null;
  readonly state: TargetState;
  readonly attempt: number;
  readonly installationId: string | null;
  readonly because: string | null;
  readonly retryAt: number | null;
  readonly back: {
    readonly state: RollbackState;
    readonly because: string | null;
    readonly installationId: string | null;
  } | null;
}

/** Members that are null are left out, but for `group`. */
export function printTarget({
  deviceId,
  group: name,
  state,
  attempt,
  installationId,
  because,
  retryAt,
  back,
}: PrintableTarget): z.input<typeof rolloutTarget> {
  return {
    deviceId,
    group: name,
    state,
    attempt,
    ...(installationId === null ? {} : { installationId }),
    ...(because === null ? {} : { because }),
    ...(retryAt === null ? {} : { retryAt: isoTime(retryAt) }),
    ...(back === null ? {} : { rollBack: printBack(back) }),
  };
}

function printBack({
  state,
  because,
  installationId,
}: NonNullable<PrintableTarget['back']>): NonNullable<z.input<typeof rolloutTarget>['rollBack']> {
  return {
    state: state === 'done' ? 'rolledBack' : state,
    ...(installationId === null ? {} : { installationId }),
    ...(because === null ? {} : { because }),
  };
}

/** One entry of the history of a rollout (docs/contracts/rollouts.md, "History"). */
export const rolloutEvent = z
  .strictObject({
    number: z
      .int()
      .nullable()
      .meta({ description: "In the chain of the tenant's history; null for the second until it is sealed" }),
    at: timestamp,
    event: eventName(ROLLOUT_EVENTS),
    data: z
      .record(z.string(), z.unknown())
      .meta({ description: 'What was seen, what was decided, and the version of the plan' }),
  })
  .meta({
    id: 'RolloutEvent',
    example: { number: 4711, at: '2026-11-24T10:00:00.000Z', event: 'created', data: { by: 'operator:key:admin' } },
  });

/** `at`: epoch milliseconds. `number` null = it is not sealed yet. */
export function printRolloutEvent({
  number,
  at,
  event,
  data,
}: {
  number: number | null;
  at: number;
  event: string;
  data: Readonly<Record<string, unknown>>;
}): z.input<typeof rolloutEvent> {
  return { number, at: isoTime(at), event, data: { ...data } };
}
