import { z } from 'zod';
import {
  sumOf,
  TARGET_STATES,
  type Counters,
  type GroupFacts,
  type RolloutFacts,
  type TargetState,
  type Vote,
} from '../../domain/rollout/facts.js';
import { gateOf, GROUP_STATES, groupState, isDecided, type Phase } from '../../domain/rollout/phase.js';
import { OUTCOMES, outcomeOf } from '../../domain/rollout/outcome.js';
import { groupAt, type GroupPlan, type Plan } from '../../domain/rollout/plan.js';
import { id, pauseReason, permission, rolloutPhase, timestamp } from './envelope.js';
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
import { actionsOf, SHOWN_ACTIONS, type Caller, type ShownAction } from '../../domain/rollout/actions.js';
import { FAILURES, type FailureCount } from '../../domain/rollout/failures.js';
import { ROLLOUT_EXAMPLE } from './rollout-example.js';

/** docs/contracts/rollouts.md, "States". What clients get. */
const time = timestamp.nullable();
const sentence = z.string();
/** Who approved, when, and which version of the plan. */
export const vote = z
  .strictObject({
    by: z.string(),
    at: timestamp,
    version: z.int().min(1).nullable().meta({ description: 'Of the plan; null in votes of before they named it' }),
  })
  .meta({ id: 'Vote' });

/** How many targets are in each state. */
export const counters = z
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

/** Whether the caller may do something now, and why not. */
export const allowance = z
  .strictObject({
    allowed: z.boolean(),
    whyNot: sentence.optional(),
    needs: permission.optional().meta({ description: 'A permission that the caller lacks' }),
  })
  .meta({ id: 'Allowance' });

const actions = z
  .strictObject(
    Object.fromEntries(SHOWN_ACTIONS.map((action) => [action, allowance])) as Record<ShownAction, typeof allowance>,
  )
  .meta({ id: 'RolloutActions', description: 'What the caller may do with it now, and where not, why' });

const failures = z.strictObject({
  group: z.string(),
  outcome: z.enum(FAILURES),
  code: z.string().meta({ description: 'Of the error; where there was none, the outcome in capital letters' }),
  count: z.int().min(1),
  exampleDeviceId: id,
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
    phase: rolloutPhase,
    outcome: z.enum(OUTCOMES).nullable().meta({
      description:
        'How it ended. succeeded: every target that was not skipped has the content; partly: some have it; failed: none has it; nothingToDo: all were skipped or held it before. null until then',
    }),
    because: sentence,
    waitingOn: sentence.nullable().meta({ description: 'What it waits for, in one sentence; null once it ended' }),
    nextActionAt: time.meta({ description: 'When something happens by time alone; null where only news moves it' }),
    eta: time.meta({
      description:
        'When the last target ends, by the plan and what such devices took before, and then by the pace so far; of a draft: as if it had been started when it was created. null while that depends on a person, or on a device that has to come online first',
    }),
    pauses: z.array(
      z.strictObject({
        reason: pauseReason,
        since: timestamp,
        because: sentence,
        group: z.string().optional(),
      }),
    ),
    counters,
    failuresBy: z.array(failures).optional().meta({
      description: 'Targets that ended badly, by group, outcome and code, the most frequent first. Not in a list',
    }),
    actions,
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
  /** Whether it is a draft whose firmware was deleted. */
  readonly withoutFirmware: boolean;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Absent in lists. */
  readonly failuresBy?: readonly FailureCount[];
}

/** For whom, when and with which links a rollout is printed. */
export interface PrintedFor {
  /** Its process in the engine's UI; null where the service has none. */
  readonly workflowUrl: string | null;
  readonly caller: Caller;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** A rollout as its answer has it. */
export function printRollout(r: PrintableRollout, { workflowUrl, caller, now }: PrintedFor): z.input<typeof rollout> {
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
    pauses: printPauses(facts.pauses),
    counters: printCounters(sumOf(facts.groups), sumBytes(r)),
    ...(r.failuresBy ? { failuresBy: r.failuresBy.map((one) => ({ ...one })) } : {}),
    actions: actionsOf(r, caller, now),
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
export function printListedRollout(r: PrintableRollout, printedFor: PrintedFor): z.input<typeof rollout> {
  const {
    targets: { filter, dynamic },
    ...rest
  } = printRollout(r, printedFor);
  return { ...rest, targets: { ...(filter === undefined ? {} : { filter }), dynamic } };
}

/** How it stands, for what is redrawn each second: without the plan, and without what depends on who looks. */
export function printProgress(r: PrintableRollout): Readonly<Record<string, unknown>> {
  const { facts } = r;
  const groups = facts.groups.map((one, index) =>
    printGroup(groupAt(r.plan.groups, index), one, r.bytes[index] ?? 0, facts),
  );
  return {
    version: r.version,
    phase: r.phase,
    because: r.because,
    waitingOn: r.waitingOn,
    eta: timeOrNull(r.eta),
    pauses: printPauses(facts.pauses),
    counters: printCounters(sumOf(facts.groups), sumBytes(r)),
    groups: groups.map(({ name, state, size, counters: own, gate: { verdict, because, bound } }) => ({
      name,
      state,
      size,
      counters: own,
      gate: { verdict, because, bound },
    })),
  };
}

function sumBytes({ bytes }: PrintableRollout): number {
  return bytes.reduce((sum, one) => sum + one, 0);
}

function printPauses(pauses: RolloutFacts['pauses']): z.input<typeof rollout>['pauses'] {
  return pauses.map(({ reason, since, because, group: name }) => ({
    reason,
    since: isoTime(since),
    because,
    ...(name === undefined ? {} : { group: name }),
  }));
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

/** @param bytes of the content that was installed */
export function printCounters(c: Counters, bytes: number): z.input<typeof counters> {
  return { ...c, bytes };
}

/** A vote as an answer has it. */
export function printVote({ by, at, version }: Vote): z.input<typeof vote> {
  return { by, at: isoTime(at), version: version ?? null };
}
