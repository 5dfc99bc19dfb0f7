import { z } from 'zod';
import { printDuration } from '../../domain/duration.js';
import { MAX_FILTER_LENGTH } from '../../domain/fleet/filter.js';
import {
  DEFAULTS,
  LEAST_SAMPLE,
  ON_EXPIRY,
  RETRY_CLASSES,
  SEQUENTIAL_MIN_SAMPLE,
  STOP_OUTCOMES,
} from '../../domain/rollout/plan.js';
import { slotName } from './device-types.js';
import { duration } from './duration.js';
import { id, label, text, timestamp } from './envelope.js';

/**
 * docs/contracts/rollouts.md, "The plan". What clients send: its shape. What the members mean together is checked in
 * domain/rollout/check-plan.ts.
 */
const SECOND = 1_000;
const DAY = 86_400 * SECOND;
/** No phase of an installation takes longer, and no timer of Temporal has to. */
const MAX_TIME_MS = 366 * DAY;
const MIN_TIMEOUT_MS = SECOND / 10;
const MAX_BACKOFF_MS = 30 * DAY;
/**
 * Ten times the fleet that one rollout is measured with (docs/performance.md); what lies beyond is a slip of the
 * finger.
 */
const MAX_DEVICES = 1_000_000;
/** What fits into a body of one mebibyte, with room for the plan around it. */
const MAX_DEVICE_IDS = 20_000;
/** Each group is a decision of a person; positions are small integers. */
const MAX_GROUPS = 50;
const MAX_STOP_RULES = 20;

/** What the spec has and Slipway does not do yet is told from what is wrong: the sentence says what to do instead. */
function only<const T extends readonly (string | boolean)[]>(
  accepted: T,
  later: readonly (string | boolean)[],
  instead: string,
) {
  return z.literal(accepted as readonly (string | boolean)[], {
    error: (issue) =>
      later.includes(issue.input as string | boolean)
        ? `${String(issue.input)} is not supported yet; ${instead}`
        : undefined,
  });
}

function notYet(instead: string) {
  return z.null({ error: `is not supported yet; ${instead}` }).optional();
}

function distinct<T extends z.ZodType>(list: z.ZodArray<T>) {
  return list
    .superRefine((items, context) => {
      for (const [index, item] of items.entries()) {
        if (items.indexOf(item) !== index)
          context.addIssue({ code: 'custom', path: [index], message: `is listed before, at ${items.indexOf(item)}` });
      }
    })
    .meta({ uniqueItems: true });
}

const share = z.number().min(0).max(1);

const step = z
  .strictObject({
    slot: slotName,
    firmwareId: id,
    irreversible: only([false], [true], 'leave it out; chains of steps and their undo come later').optional(),
  })
  .meta({ id: 'PlanStep' });

const steps = z
  .array(step)
  .min(1)
  .superRefine((list, context) => {
    for (const index of list.keys()) {
      if (index > 0)
        context.addIssue({
          code: 'custom',
          path: [index],
          message:
            'more than one step is not supported yet; create a rollout for each slot, and start it when the one before has finished',
        });
    }
  })
  .meta({ maxItems: 1, description: 'What is installed. One step for now' });

const targets = z
  .strictObject({
    filter: text(1, MAX_FILTER_LENGTH)
      .optional()
      .meta({ description: 'RSQL, as in GET /v1/devices?filter=', example: 'deviceType==LS-1;tag==north' }),
    deviceIds: distinct(z.array(id).max(MAX_DEVICE_IDS))
      .optional()
      .meta({ description: 'Devices by name. With a filter: those that match, and these' }),
    dynamic: z.boolean().optional().meta({
      description:
        'Devices that match the filter later join the last group, and those that stop matching before their turn leave; the rollout stays open until its endAt or an abort. Default false',
    }),
  })
  .meta({ id: 'PlanTargets' });

/** A gate as it is sent; what is absent takes its default (docs/contracts/rollouts.md, "Defaults"). */
export const gate = z.strictObject({
  minSuccess: share.optional().meta({
    description: `Share of the ended targets that must have succeeded. Default ${DEFAULTS.group.gate.minSuccess}`,
  }),
  minSample: z
    .union([z.int().min(1).max(MAX_DEVICES), z.literal('all')], {
      error: `must be a whole number from 1 to ${MAX_DEVICES}, or "all"`,
    })
    .optional()
    .meta({
      description: `Targets that must have ended before it is judged. all: every one that is not away, and at least ${LEAST_SAMPLE} (or the whole of a smaller group). Default all; with confidence ${SEQUENTIAL_MIN_SAMPLE}`,
    }),
  maxFailureRate: share
    .nullish()
    .meta({ description: 'With confidence: a sequential test decides whether the failure rate is below' }),
  confidence: share.nullish().meta({ description: 'With maxFailureRate: how sure the test must be, such as 0.95' }),
});

/** An approval of a group as it is sent. */
export const groupApproval = z.strictObject({
  required: z.int().min(0).max(10).optional().meta({ description: 'How many persons. Default 1' }),
  expiresAfter: duration(SECOND, MAX_TIME_MS, 'P3D')
    .nullish()
    .meta({ description: 'From when it is asked for. Default: never' }),
  onExpiry: z.enum(ON_EXPIRY).optional().meta({ description: 'hold: the rollout pauses; abort. Default hold' }),
});

/** It stands in paths (`…/groups/{name}/approve`), so that it must need no escape there. */
export const groupName = z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$/, {
  error: 'must have 1 to 64 letters, digits, _, . and -, and begin with a letter or digit',
});

const group = z
  .strictObject({
    name: groupName,
    percent: z
      .number()
      .gt(0)
      .max(100)
      .nullish()
      .meta({ description: 'Of all targets, rounded up. The last group may leave it out and takes the rest' }),
    count: z.int().min(1).max(MAX_DEVICES).nullish().meta({ description: 'Instead of percent: so many targets' }),
    filter: text(1, MAX_FILTER_LENGTH)
      .nullish()
      .meta({ description: 'Instead of percent: the targets that match, as targets.filter' }),
    soak: duration(0, MAX_TIME_MS, 'PT2H')
      .optional()
      .meta({ description: 'How long its gate must stay satisfied. Default PT0S' }),
    gate: gate.optional(),
    approval: groupApproval.nullish().meta({ description: 'Default: no approval' }),
  })
  .meta({ id: 'PlanGroup' });

const ramp = z.strictObject({
  from: z.int().min(1).max(MAX_DEVICES).meta({ description: 'Starts a minute at the beginning' }),
  factor: z.number().gt(1).max(100),
  every: z.strictObject({ succeeded: z.int().min(1).max(MAX_DEVICES) }),
});

const pace = z
  .strictObject({
    maxInFlight: z
      .int()
      .min(1)
      .max(MAX_DEVICES)
      .optional()
      .meta({ description: `Installations that are open at once. Default ${DEFAULTS.pace.maxInFlight}` }),
    startsPerMinute: z
      .int()
      .min(1)
      .max(MAX_DEVICES)
      .optional()
      .meta({ description: `Starts in any 60 s. Default ${DEFAULTS.pace.startsPerMinute}` }),
    ramp: ramp.nullish().meta({
      description:
        'Begins slower, and multiplies the rate for each so many devices that have the content. Default: none',
    }),
    offline: z.enum(['wait', 'offer']).optional().meta({
      description:
        'wait: only devices that are online are admitted. offer: all, for fleets that never say they are there. Default wait',
    }),
    awayAfter: duration(SECOND, MAX_TIME_MS, 'P1D').optional().meta({
      description:
        'A pending target that was not seen for so long since its group opened is away: no gate waits for it, and it is admitted when it returns. Default P1D',
    }),
    perSite: notYet('use maxInFlight and startsPerMinute of the rollout, or a rollout for each site'),
  })
  .meta({ id: 'PlanPace' });

const stopRule = z
  .strictObject({
    outcome: z.enum(STOP_OUTCOMES),
    share: share.meta({ description: 'Of the installations that ended' }),
    after: z
      .int()
      .min(1)
      .max(MAX_DEVICES)
      .optional()
      .meta({
        description: `Judged from so many ended installations on, or when nothing is left of a smaller rollout. Default ${DEFAULTS.stopIf[0].after}`,
      }),
    then: z
      .enum(['pause', 'abort', 'rollBack'])
      .optional()
      .meta({ description: `Default ${DEFAULTS.stopIf[0].then}` }),
  })
  .meta({ id: 'PlanStopRule' });

const schedule = z
  .strictObject({
    startAt: timestamp
      .nullish()
      .meta({ description: 'It begins then, without a command. Default: it is started by command' }),
    endAt: timestamp.nullish().meta({ description: 'Nothing begins after that' }),
    atEnd: z
      .enum(['stopAdmitting', 'cancelOpen'])
      .optional()
      .meta({ description: 'For open installations at that time. Default stopAdmitting: they continue' }),
    window: notYet('use startAt and endAt, or pause and resume'),
    freezes: z
      .array(z.never({ error: 'is not supported yet; pause the rollout before, and resume it afterwards' }))
      .nullish(),
  })
  .meta({ id: 'PlanSchedule' });

const backoff = z.strictObject({
  first: duration(0, MAX_BACKOFF_MS, 'PT5M').optional(),
  factor: z.number().min(1).max(100).optional(),
  max: duration(0, MAX_BACKOFF_MS, 'PT6H').optional(),
});

const retry = z
  .strictObject({
    maxAttempts: z
      .int()
      .min(1)
      .max(100)
      .optional()
      .meta({ description: `Default ${DEFAULTS.retry.maxAttempts}` }),
    backoff: backoff.optional().meta({ description: 'Default PT5M, times 2 after each attempt, up to PT6H' }),
    on: distinct(z.array(z.enum(RETRY_CLASSES)))
      .optional()
      .meta({ description: 'What is tried again. Default all' }),
  })
  .meta({ id: 'PlanRetry' });

const timeout = (key: keyof typeof DEFAULTS.timeouts, description: string) =>
  duration(MIN_TIMEOUT_MS, MAX_TIME_MS, 'PT1H')
    .optional()
    .meta({ description: `${description} Default ${printDuration(DEFAULTS.timeouts[key])}` });

const timeouts = z
  .strictObject({
    offer: timeout('offer', 'Until the device accepts; then the offer is withdrawn and counts as an attempt.'),
    download: timeout('download', 'Without a byte that advances.'),
    install: timeout('install', 'From the download to the reboot or the end.'),
    confirm: timeout('confirm', 'From the reboot to the report of the new version.'),
    target: timeout('target', 'From the start of the rollout to the end of each target, in any case.'),
  })
  .meta({ id: 'PlanTimeouts' });

/** What may change while it runs; the rest is fixed with the rollout. */
export const amendable = {
  description: text(0, 1024).nullish(),
  pace: pace.optional(),
  stopIf: z
    .array(stopRule)
    .max(MAX_STOP_RULES)
    .meta({
      id: 'PlanStopRules',
      description: 'Default: pause when 0.1 failed, judged after 10. An empty list: none',
    })
    .optional(),
  schedule: schedule.optional(),
};

/** The example of a plan in OpenAPI. */
export const PLAN_EXAMPLE = {
  name: 'switch 1.5.0',
  steps: [{ slot: 'firmware', firmwareId: '123e4567-e89b-12d3-a456-426655440000' }],
  targets: { filter: 'deviceType==LS-1;tag==north' },
  groups: [
    { name: 'canary', percent: 1, soak: 'PT2H', gate: { minSuccess: 0.98, minSample: 20 }, approval: { required: 1 } },
    { name: 'early', percent: 10 },
    { name: 'rest' },
  ],
  pace: { maxInFlight: 500 },
};

/** The whole: what came of a request and its template. */
export const newRollout = z
  .strictObject({
    name: label(1, 255),
    ...amendable,
    steps,
    onStepFailure: only(['stop'], ['compensate'], 'use stop; chains of steps and their undo come later').optional(),
    targets,
    groups: z
      .array(group)
      .min(1)
      .max(MAX_GROUPS)
      .meta({ id: 'PlanGroups', description: 'Default: canary 1 %, early 10 %, rest' })
      .optional(),
    order: z
      .strictObject({
        gateways: only(
          ['any'],
          ['first', 'last'],
          'name the gateways in a group of their own, with deviceIds or a filter',
        ).optional(),
        spread: notYet('use maxInFlight, or groups with filters'),
      })
      .meta({ id: 'PlanOrder' })
      .optional(),
    retry: retry.optional(),
    timeouts: timeouts.optional(),
    confirm: z
      .strictObject({ soak: duration(0, MAX_TIME_MS, 'PT10M').optional() })
      .meta({
        id: 'PlanConfirm',
        description: 'How long the new content must run without a regression on each device. Default PT0S',
      })
      .optional(),
    onConflict: z
      .enum(['reject', 'queue', 'supersede'])
      .meta({
        id: 'PlanOnConflict',
        description: 'Where another installation is open on the same slot. Default queue',
      })
      .optional(),
    priority: z.int32().optional().meta({ description: 'Higher goes first on a device. Default 0' }),
    approval: z
      .strictObject({
        required: z
          .int()
          .min(0)
          .max(10)
          .optional()
          .meta({ description: 'Persons who must approve the rollout before it starts. Default 0' }),
        fourEyes: z.boolean().optional().meta({ description: 'Who created it approves nothing of it. Default false' }),
      })
      .meta({ id: 'PlanApproval' })
      .optional(),
    allowDowngrade: z.boolean().optional().meta({ description: 'Default false' }),
    templateId: id
      .nullish()
      .meta({ description: 'Of a template (GET /v1/rollout-templates): what is not given here is taken from it' }),
  })
  .meta({ id: 'WholeRollout', example: PLAN_EXAMPLE });

/** A parsed plan: durations are milliseconds, times epoch milliseconds, and what is absent is not filled in yet. */
export type NewRollout = z.output<typeof newRollout>;

/**
 * What clients send: with a template it may lack anything. What is missing in the end is told when both are put
 * together (rollout-template.ts).
 */
export const rolloutRequest = newRollout.partial({ name: true, steps: true, targets: true }).meta({
  id: 'NewRollout',
  description: 'name, steps and targets are required, here or in the template',
  example: PLAN_EXAMPLE,
});

/** A parsed request, in which a template may still have to fill in members. */
export type RolloutRequest = z.output<typeof rolloutRequest>;
