import { z } from 'zod';
import {
  PAUSE_REASONS,
  sumOf,
  TARGET_STATES,
  type Counters,
  type GroupFacts,
  type RolloutFacts,
  type RollbackState,
  type TargetState,
  type Vote,
} from '../../domain/rollout/facts.js';
import { gateOf, GROUP_STATES, groupState, isDecided, PHASES, type Phase } from '../../domain/rollout/phase.js';
import { OUTCOMES, outcomeOf } from '../../domain/rollout/outcome.js';
import { groupAt, type GroupPlan, type Plan } from '../../domain/rollout/plan.js';
import { ROLLOUT_EVENTS } from '../../domain/webhook/event-names.js';
import { eventName, id, timestamp } from './envelope.js';
import {
  approvalShape,
  gateShape,
  groupShape,
  isoTime,
  planShape,
  printGroupPlan,
  printPlan,
  timeOrNull,
} from './print-plan.js';
import { ROLLOUT_EXAMPLE } from './rollout-example.js';

/** docs/contracts/rollouts.md, "States". What clients get. */
const time = timestamp.nullable();
const sentence = z.string();
const vote = z.strictObject({ by: z.string(), at: timestamp });

const counters = z
  .strictObject({
    ...(Object.fromEntries(TARGET_STATES.map((state) => [state, z.int().min(0)])) as Record<TargetState, z.ZodInt>),
    bytes: z.int().min(0).meta({ description: 'Of the content that was installed' }),
  })
  .meta({ id: 'RolloutCounters' });

const gate = z.strictObject({
  ...gateShape,
  verdict: z.enum(['wait', 'satisfied', 'passed', 'failed', 'inconclusive']),
  because: sentence,
  bound: z
    .strictObject({ lower: z.number(), upper: z.number(), sample: z.int(), failed: z.int() })
    .nullable()
    .meta({ description: 'With confidence: between what the failure rate lies, and on how many devices that rests' }),
});

const group = z.strictObject({
  ...groupShape,
  gate,
  approval: z.strictObject({ ...approvalShape, askedAt: time, given: z.array(vote) }).nullable(),
  state: z.enum(GROUP_STATES),
  size: z.int().min(0),
  counters,
  away: z
    .int()
    .min(0)
    .meta({ description: 'Pending targets that no gate waits for: not seen for pace.awayAfter since it opened' }),
  openedAt: time,
  passedAt: time,
  failedAt: time,
  because: sentence.nullable().meta({ description: 'Why it passed or failed' }),
  rollBack: z
    .strictObject({ pending: z.int(), queued: z.int(), inFlight: z.int(), rolledBack: z.int(), failed: z.int() })
    .nullable()
    .meta({ description: 'Of a roll back: updated targets by how far they are rolled back' }),
});

/** A rollout as it is answered (docs/contracts/rollouts.md, "States"). */
export const rollout = z
  .strictObject({
    id,
    ...planShape,
    groups: z.array(group),
    defaults: z
      .array(z.string())
      .meta({ description: 'JSON pointers into this answer: what the operator left out and a default filled in' }),
    templateId: id.nullable().meta({ description: 'The template that it was created from; it may be gone' }),
    fromTemplate: z
      .array(z.string())
      .meta({ description: 'JSON pointers into this answer: what the template gave and no amendment changed' }),
    version: z.int().min(1).meta({ description: 'Of the plan; each amendment is one more' }),
    phase: z.enum(PHASES),
    outcome: z.enum(OUTCOMES).nullable().meta({
      description:
        'How it ended. succeeded: every target that was not skipped has the content; partly: some have it; failed: none has it; nothingToDo: all were skipped or held it before. null until then',
    }),
    because: sentence,
    waitingOn: sentence.nullable().meta({ description: 'What it waits for, in one sentence; null once it ended' }),
    nextActionAt: time.meta({ description: 'When something happens by time alone; null where only news moves it' }),
    eta: time.meta({
      description:
        'When the last target ends, by the plan and what such devices took before, and then by the pace so far; of a draft: as if it had been started when it was created. null while that depends on a person',
    }),
    pauses: z.array(
      z.strictObject({
        reason: z.enum(PAUSE_REASONS),
        since: timestamp,
        because: sentence,
        group: z.string().optional(),
      }),
    ),
    counters,
    approvals: z.array(vote),
    createdBy: z.string(),
    createdAt: timestamp,
    updatedAt: timestamp,
    startedAt: time,
    finishedAt: time,
    abortedAt: time,
    workflowUrl: z
      .string()
      .nullable()
      .meta({ description: 'Its process in the Temporal UI, once there is one and where the UI is known' }),
  })
  .meta({ id: 'Rollout', example: ROLLOUT_EXAMPLE });

/** What is printed: the plan and the facts, and what the store knows around them (store/rollouts/view.ts). */
export interface PrintableRollout {
  readonly id: string;
  readonly plan: Plan;
  /** JSON pointers of what the operator left out and a default filled in. */
  readonly defaulted: readonly string[];
  /** The template that it was created from, and JSON pointers of what still is as it came from there. */
  readonly templateId: string | null;
  readonly fromTemplate: readonly string[];
  readonly version: number;
  readonly facts: RolloutFacts;
  /** Bytes of content that each group installed, in the order of the groups. */
  readonly bytes: readonly number[];
  readonly phase: Phase;
  readonly because: string;
  readonly waitingOn: string | null;
  readonly nextActionAt: number | null;
  readonly eta: number | null;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** `workflowUrl`: its process in the engine's UI; null where the service has none. */
export function printRollout(r: PrintableRollout, workflowUrl: string | null): z.input<typeof rollout> {
  const { facts } = r;
  return {
    id: r.id,
    ...printPlan(r.plan),
    groups: facts.groups.map((one, index) =>
      printGroup(groupAt(r.plan.groups, index), one, r.bytes[index] ?? 0, facts),
    ),
    defaults: [...r.defaulted],
    templateId: r.templateId,
    fromTemplate: [...r.fromTemplate],
    version: r.version,
    phase: r.phase,
    outcome: outcomeOf(facts),
    because: r.because,
    waitingOn: r.waitingOn,
    nextActionAt: timeOrNull(r.nextActionAt),
    eta: timeOrNull(r.eta),
    pauses: facts.pauses.map(({ reason, since, because, group: name }) => ({
      reason,
      since: isoTime(since),
      because,
      ...(name === undefined ? {} : { group: name }),
    })),
    counters: printCounters(
      sumOf(facts.groups),
      r.bytes.reduce((sum, bytes) => sum + bytes, 0),
    ),
    approvals: facts.approvals.map(printVote),
    createdBy: r.createdBy,
    createdAt: isoTime(r.createdAt),
    updatedAt: isoTime(r.updatedAt),
    startedAt: timeOrNull(facts.startedAt),
    finishedAt: timeOrNull(facts.finishedAt),
    abortedAt: timeOrNull(facts.aborted?.at ?? null),
    workflowUrl,
  };
}

/** In a list: without the devices that the plan names, which may be thousands. */
export function printListedRollout(r: PrintableRollout, workflowUrl: string | null): z.input<typeof rollout> {
  const {
    targets: { filter, dynamic },
    ...rest
  } = printRollout(r, workflowUrl);
  return { ...rest, targets: { ...(filter === undefined ? {} : { filter }), dynamic } };
}

function printGroup(plan: GroupPlan, facts: GroupFacts, bytes: number, all: RolloutFacts): z.input<typeof group> {
  const printed = printGroupPlan(plan);
  const { verdict, because, bound } = gateOf(plan, facts, isDecided(all));
  return {
    ...printed,
    gate: { ...printed.gate, verdict, because, bound: bound && { ...bound } },
    approval: printed.approval && {
      ...printed.approval,
      askedAt: timeOrNull(facts.askedAt),
      given: facts.approvals.map(printVote),
    },
    state: groupState(facts),
    size: facts.size,
    counters: printCounters(facts.counters, bytes),
    away: facts.away,
    openedAt: timeOrNull(facts.openedAt),
    passedAt: timeOrNull(facts.passedAt),
    failedAt: timeOrNull(facts.failedAt),
    because: facts.because,
    rollBack: all.rollingBack
      ? {
          pending: facts.back.pending,
          queued: facts.back.queued,
          inFlight: facts.back.inFlight,
          rolledBack: facts.back.done,
          failed: facts.back.failed,
        }
      : null,
  };
}

function printCounters(c: Counters, bytes: number): z.input<typeof counters> {
  return { ...c, bytes };
}

function printVote({ by, at }: Vote): z.input<typeof vote> {
  return { by, at: isoTime(at) };
}

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
