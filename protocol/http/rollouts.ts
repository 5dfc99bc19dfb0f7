import { z } from 'zod';
import type { Fault } from '../../domain/errors.js';
import { RETRYABLE_OUTCOMES } from '../../domain/rollout/commands.js';
import { TARGET_STATES, type PauseReason, type TargetState } from '../../domain/rollout/facts.js';
import { PHASES } from '../../domain/rollout/phase.js';
import { ON_EXPIRY, STOP_OUTCOMES } from '../../domain/rollout/plan.js';
import { DEFAULT_PAGE_SIZE, label, listOf, MAX_PAGE_SIZE, namePart, pauseReason, text } from './envelope.js';
import { applyMergePatch } from './merge-patch.js';
import type { PrintedPlan } from './print-plan.js';
import { groupName } from './rollout-plan.js';

/**
 * docs/contracts/rollouts.md, "States": what a person asks of a rollout. A body that needs to say nothing may be left
 * out.
 */
const REASON_LENGTH = 255;
const because = label(1, REASON_LENGTH).meta({
  description: 'For people; it stands in the history, and where the rollout says why',
});

/** The body may be absent. */
export const pauseBody = z
  .strictObject({ reason: because.optional() })
  .optional()
  .meta({ id: 'Pause', example: { reason: 'the vendor called' } });

/** What overrides a gate asks for a comment: the history then says why. */
const OVERRIDES: readonly string[] = ['gate_failed', 'gate_inconclusive'] satisfies readonly PauseReason[];

/** One request ends one reason, which it names (docs/contracts/rollouts.md, "States"). */
export const resumeBody = z
  .strictObject({
    reason: pauseReason.meta({ description: 'Which pause ends' }),
    comment: text(1, 1_024)
      .optional()
      .meta({ description: `Why; it stands in the history. Required for ${OVERRIDES.join(' and ')}` }),
  })
  .superRefine(({ reason, comment }, context) => {
    if (comment === undefined && OVERRIDES.includes(reason))
      context.addIssue({
        code: 'custom',
        path: ['comment'],
        message: `is required to end ${reason}, which overrides the gate: the history says why`,
      });
  })
  .meta({ example: { reason: 'gate_failed', comment: 'the two devices have no power' } });

/** The body may be absent: then open installations go on. */
export const abortBody = z
  .strictObject({
    cancelOpen: z
      .boolean()
      .default(false)
      .meta({ description: 'Cancels what devices have begun, too; else only what they have not begun' }),
    reason: because.optional(),
  })
  .optional()
  .meta({ example: { cancelOpen: true, reason: 'wrong version' } });

/** The body may be absent: then `failed` and `timedOut`. */
export const retryBody = z
  .strictObject({
    outcomes: z
      .array(z.enum(RETRYABLE_OUTCOMES))
      .min(1)
      .default(['failed', 'timedOut'])
      .meta({ description: 'Targets that ended so are tried again' }),
  })
  .optional()
  .meta({ example: { outcomes: ['failed', 'timedOut'] } });

/** `away` is required: nothing else can be skipped by a group. */
export const skipBody = z
  .strictObject({ away: z.literal(true).meta({ description: 'Targets that were not seen for pace.awayAfter' }) })
  .meta({ example: { away: true } });

/** A rejection needs a reason, for the history. */
export const rejectBody = z
  .strictObject({ reason: because })
  .meta({ id: 'Rejection', example: { reason: 'the canary resets its clock' } });

/** The filters of the list, as members of its query. */
export const rolloutFilters = {
  phase: listOf(z.enum(PHASES))
    .optional()
    .meta({ description: `Comma list: ${PHASES.join(', ')}`, example: 'running,paused' }),
  q: namePart,
};

/** `timed_out` is what an installation is called that ended so; in a filter both spellings are understood. */
const SPELLINGS = new Map<string, TargetState>(
  TARGET_STATES.flatMap((state) => [
    [state, state],
    [state.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), state],
  ]),
);

const keyset = {
  pageSize: z.int().min(1).max(MAX_PAGE_SIZE).default(DEFAULT_PAGE_SIZE),
  cursor: z.string().max(1_024).optional().meta({ description: 'What `meta.nextCursor` of the answer before said' }),
};

/** The query of the targets of a rollout. A state may be spelled `timedOut` or `timed_out`. */
export const targetQuery = z.strictObject({
  state: listOf(z.enum([...SPELLINGS.keys()]))
    .transform((list) => list?.flatMap((name) => SPELLINGS.get(name) ?? []))
    .optional()
    .meta({ description: `Comma list: ${TARGET_STATES.join(', ')}`, example: 'failed,timedOut' }),
  // As with lists: what is empty filters nothing.
  group: z
    .string()
    .max(64)
    .transform((name) => (name === '' ? undefined : name))
    .optional()
    .meta({ description: 'Name of a group', example: 'canary' }),
  ...keyset,
});

/** The history of a rollout. */
export const eventQuery = z.strictObject(keyset);

const number = z.number().nullish();
const duration = z.string().max(64).nullish().meta({ description: 'ISO 8601 duration' });
const gatePatch = z.strictObject({
  minSuccess: number,
  minSample: z.union([z.number(), z.literal('all')]).nullish(),
  maxFailureRate: number,
  confidence: number,
});
const approvalPatch = z.strictObject({
  required: number,
  expiresAfter: duration,
  onExpiry: z.enum(ON_EXPIRY).nullish(),
});

/** A merge patch: null brings the default back. What comes of it is checked as a whole, like a new plan. */
export const rolloutPatch = z
  .strictObject({
    name: label(1, 255).optional(),
    description: text(0, 1024).nullish(),
    pace: z
      .strictObject({
        maxInFlight: number,
        startsPerMinute: number,
        ramp: z
          .strictObject({ from: number, factor: number, every: z.strictObject({ succeeded: number }).optional() })
          .nullish(),
        offline: z.enum(['wait', 'offer']).nullish(),
        awayAfter: duration,
      })
      .nullish(),
    stopIf: z
      .array(
        z.strictObject({
          outcome: z.enum(STOP_OUTCOMES),
          share: z.number(),
          after: z.number().optional(),
          then: z.string().optional(),
        }),
      )
      .nullish()
      .meta({ description: 'Replaces the list. A rule that acted acts again only if it says something else' }),
    schedule: z
      .strictObject({
        startAt: z.string().nullish(),
        endAt: z.string().nullish(),
        atEnd: z.enum(['stopAdmitting', 'cancelOpen']).nullish(),
      })
      .nullish(),
    groups: z
      .array(
        z.strictObject({
          name: groupName,
          soak: duration,
          gate: gatePatch.nullish(),
          approval: approvalPatch.nullish(),
        }),
      )
      .min(1)
      .optional()
      .meta({ description: 'Each is merged into the group of its name; groups that are not named stay as they are' }),
  })
  .meta({ id: 'RolloutPatch', example: { pace: { maxInFlight: 50 }, groups: [{ name: 'early', soak: 'PT4H' }] } });

/** A parsed amendment; absent members stay as they are. */
export type RolloutPatch = z.output<typeof rolloutPatch>;

/**
 * Groups go by their names, which a merge patch does not know (RFC 7396 replaces lists): this makes one of it that
 * does.
 */
export function byName(plan: PrintedPlan, { groups, ...patch }: RolloutPatch): { patch: unknown; faults: Fault[] } {
  const faults: Fault[] = [];
  const amended = groups ?? [];
  for (const [index, { name }] of amended.entries()) {
    const pointer = `/groups/${index}/name`;
    if (!plan.groups.some((one) => one.name === name))
      faults.push({
        pointer,
        detail: `is not a group of this rollout; its groups are ${plan.groups.map((one) => one.name).join(', ')}`,
      });
    if (amended.findIndex((one) => one.name === name) !== index)
      faults.push({ pointer, detail: 'is named before; a group is amended once' });
  }
  const merged = plan.groups.map((one) =>
    applyMergePatch(one, groups?.find((wanted) => wanted.name === one.name) ?? {}),
  );
  return { patch: groups === undefined ? patch : { ...patch, groups: merged }, faults };
}
