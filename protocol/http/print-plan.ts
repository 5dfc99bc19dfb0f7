import { z } from 'zod';
import { printDuration } from '../../domain/duration.js';
import { ON_EXPIRY, RETRY_CLASSES, STOP_OUTCOMES, type GroupPlan, type Plan } from '../../domain/rollout/plan.js';
import { id, timestamp } from './envelope.js';

/** The plan as clients get it: as it was sent, with every default; durations in ISO 8601, times in RFC 3339. */
const duration = z.string();
const time = timestamp.nullable();

/** Members of a group, for `rollout.ts`, which adds what became of it. */
export const groupShape = {
  name: z.string(),
  percent: z.number().optional(),
  count: z.int().optional(),
  filter: z.string().optional(),
  soak: duration,
};
/** Members of a gate in an answer, with the defaults filled in. Shares are 0..1. */
export const gateShape = {
  minSuccess: z.number(),
  minSample: z.union([z.int(), z.literal('all')]),
  maxFailureRate: z.number().nullable(),
  confidence: z.number().nullable(),
};
/** Members of an approval in an answer; `expiresAfter` null = never. */
export const approvalShape = { required: z.int(), expiresAfter: duration.nullable(), onExpiry: z.enum(ON_EXPIRY) };

/** Members of a plan that a rollout and a template share (docs/contracts/rollouts.md, "The plan"). */
export const planShape = {
  name: z.string(),
  description: z.string().nullable(),
  steps: z.array(z.strictObject({ slot: z.string(), firmwareId: id })),
  targets: z.strictObject({
    filter: z.string().optional(),
    deviceIds: z.array(id).optional().meta({ description: 'Of one rollout; lists of rollouts leave them out' }),
    dynamic: z.boolean(),
  }),
  pace: z.strictObject({
    maxInFlight: z.int(),
    startsPerMinute: z.int(),
    ramp: z
      .strictObject({ from: z.int(), factor: z.number(), every: z.strictObject({ succeeded: z.int() }) })
      .nullable(),
    offline: z.enum(['wait', 'offer']),
    awayAfter: duration,
  }),
  stopIf: z.array(
    z.strictObject({
      outcome: z.enum(STOP_OUTCOMES),
      share: z.number(),
      after: z.int(),
      then: z.enum(['pause', 'abort', 'rollBack']),
    }),
  ),
  schedule: z.strictObject({ startAt: time, endAt: time, atEnd: z.enum(['stopAdmitting', 'cancelOpen']) }),
  retry: z.strictObject({
    maxAttempts: z.int(),
    backoff: z.strictObject({ first: duration, factor: z.number(), max: duration }),
    on: z.array(z.enum(RETRY_CLASSES)),
  }),
  timeouts: z.strictObject({
    offer: duration,
    download: duration,
    install: duration,
    confirm: duration,
    target: duration,
  }),
  confirm: z.strictObject({ soak: duration }),
  onConflict: z.enum(['reject', 'queue', 'supersede']),
  priority: z.int(),
  approval: z.strictObject({ required: z.int(), fourEyes: z.boolean() }),
  allowDowngrade: z.boolean(),
};

/** A plan as JSON: durations are ISO 8601, times RFC 3339. */
export type PrintedPlan = z.input<z.ZodObject<typeof planShape>> & { groups: PrintedGroup[] };
type Shape<S extends z.core.$ZodLooseShape> = z.input<z.ZodObject<S>>;
type PrintedGroup = Shape<typeof groupShape> & {
  gate: Shape<typeof gateShape>;
  approval: Shape<typeof approvalShape> | null;
};

/** What is printed can be sent again: as a new plan, or as the base of a merge patch. */
export function printPlan(p: Plan): PrintedPlan {
  const { timeouts: t, retry: r } = p;
  return {
    name: p.name,
    description: p.description,
    steps: p.steps.map((step) => ({ ...step })),
    targets: {
      ...(p.targets.filter === null ? {} : { filter: p.targets.filter }),
      deviceIds: [...p.targets.deviceIds],
      dynamic: p.targets.dynamic,
    },
    groups: p.groups.map(printGroupPlan),
    pace: {
      ...p.pace,
      ramp: p.pace.ramp && { ...p.pace.ramp, every: { ...p.pace.ramp.every } },
      awayAfter: printDuration(p.pace.awayAfter),
    },
    stopIf: p.stopIf.map((rule) => ({ ...rule })),
    schedule: { startAt: timeOrNull(p.schedule.startAt), endAt: timeOrNull(p.schedule.endAt), atEnd: p.schedule.atEnd },
    retry: {
      maxAttempts: r.maxAttempts,
      backoff: { first: printDuration(r.backoff.first), factor: r.backoff.factor, max: printDuration(r.backoff.max) },
      on: [...r.on],
    },
    timeouts: {
      offer: printDuration(t.offer),
      download: printDuration(t.download),
      install: printDuration(t.install),
      confirm: printDuration(t.confirm),
      target: printDuration(t.target),
    },
    confirm: { soak: printDuration(p.confirm.soak) },
    onConflict: p.onConflict,
    priority: p.priority,
    approval: { ...p.approval },
    allowDowngrade: p.allowDowngrade,
  };
}

/** Of `percent`, `count` and `filter` only the one that is set is printed. */
export function printGroupPlan(group: GroupPlan): PrintedGroup {
  const { name, percent, count, filter, approval } = group;
  return {
    name,
    ...(percent === null ? {} : { percent }),
    ...(count === null ? {} : { count }),
    ...(filter === null ? {} : { filter }),
    soak: printDuration(group.soak),
    gate: { ...group.gate },
    approval: approval && {
      required: approval.required,
      expiresAfter: approval.expiresAfter === null ? null : printDuration(approval.expiresAfter),
      onExpiry: approval.onExpiry,
    },
  };
}

/** Epoch milliseconds as RFC 3339 in UTC, with milliseconds. */
export function isoTime(time: number): string {
  return new Date(time).toISOString();
}

/** The same as `isoTime`; null stays null. */
export function timeOrNull(time: number | null): string | null {
  return time === null ? null : isoTime(time);
}
