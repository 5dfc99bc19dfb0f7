import { lacking, type Permission } from '../permissions.js';
import { RETRYABLE_OUTCOMES } from './commands.js';
import { openOf, sumOf, type RolloutFacts } from './facts.js';
import type { Phase } from './phase.js';
import { groupAt, type Plan } from './plan.js';
import { plural } from '../plural.js';
import { retriable } from './retriable.js';
import { isOverride, missingVotes, whyNotLoosen, whyNotVote, whyNotWithoutVotes } from './votes.js';
import { whyNot, type Action } from './why-not.js';

/** What an answer about a rollout has a member for. Reject and skip are asked for where their group is shown. */
export const SHOWN_ACTIONS = [
  'start',
  'pause',
  'resume',
  'abort',
  'retry',
  'approve',
  'amend',
  'rollback',
  'delete',
] as const satisfies readonly Action[];
/** An action that an answer about a rollout has a member for. */
export type ShownAction = (typeof SHOWN_ACTIONS)[number];

/** Whether the caller may do it now. `whyNot`: a sentence without a full stop; `needs`: a permission that it lacks. */
export type Allowance =
  { readonly allowed: true } | { readonly allowed: false; readonly whyNot: string; readonly needs?: Permission };

/** Who asks. */
export interface Caller {
  readonly id: string;
  readonly permissions: readonly Permission[];
}

/** A rollout as it is judged here. */
export interface Judged {
  readonly facts: RolloutFacts;
  readonly plan: Plan;
  readonly phase: Phase;
  readonly createdBy: string;
  /** Whether it is a draft whose firmware was deleted. */
  readonly withoutFirmware?: boolean;
}

/** What the caller may do with a rollout, and why not: what each command would answer at this moment. */
export function actionsOf(rollout: Judged, caller: Caller, now: number): Readonly<Record<ShownAction, Allowance>> {
  const entries = SHOWN_ACTIONS.map((action) => [action, allowance(action, rollout, caller, now)]);
  return Object.fromEntries(entries) as Record<ShownAction, Allowance>;
}

function allowance(action: ShownAction, rollout: Judged, caller: Caller, now: number): Allowance {
  const permission = action === 'approve' ? 'rollouts:approve' : 'rollouts:write';
  const needs = lacking(caller.permissions, [permission]);
  const refused =
    whyNot(action, rollout.phase) ??
    (needs === undefined ? refusal(action, rollout, caller, now) : `it takes the permission ${needs}`);
  if (refused === undefined) return { allowed: true };
  return { allowed: false, whyNot: refused, ...(needs === undefined ? {} : { needs }) };
}

/** What `start` answers then (store/commands/rollout-commands.ts). */
const WITHOUT_FIRMWARE = 'its firmware was deleted since it was drafted; delete the draft and create another rollout';

/** What is refused although the phase allows it. */
function refusal(action: ShownAction, rollout: Judged, caller: Caller, now: number): string | undefined {
  const { facts, plan, createdBy } = rollout;
  const { id } = caller;
  switch (action) {
    case 'start':
      return rollout.withoutFirmware === true ? WITHOUT_FIRMWARE : undefined;
    case 'retry':
      return retriable(facts, plan, RETRYABLE_OUTCOMES, now).refused;
    case 'approve':
      return nothingToApprove(facts, plan) ?? whyNotVote(facts, plan, createdBy, id);
    case 'resume':
      return whyNotResume(rollout, caller);
    case 'delete':
      return whyNotDelete(facts);
    default:
      return undefined;
  }
}

function nothingToApprove(facts: RolloutFacts, plan: Plan): string | undefined {
  const own = plan.approval.required > 0;
  const groups = facts.groups.filter((_, position) => groupAt(plan.groups, position).approval !== null);
  if (!own && groups.length === 0) return 'its plan asks for no approval';
  if (own && (facts.startedAt === null || missingVotes(facts, plan) > 0)) return undefined;
  if (groups.some(({ passedAt, failedAt }) => passedAt === null && failedAt === null)) return undefined;
  const rejected = groups.find(({ failedAt }) => failedAt !== null);
  return rejected
    ? `group "${rejected.name}" was not approved; resume the rollout to request the approval again`
    : 'everything that its plan asks for is approved';
}

/** It is refused where none of its pauses can be ended by this person; the sentence is that of the first. */
function whyNotResume({ facts, plan, createdBy }: Judged, { id, permissions }: Caller): string | undefined {
  const person = { id, mayApprove: permissions.includes('rollouts:approve') };
  const refusals = facts.pauses.map(({ reason }) => {
    if (reason === 'approval') return whyNotWithoutVotes(facts, plan);
    return isOverride(reason) ? whyNotLoosen(plan, createdBy, person, `resuming despite ${reason}`) : undefined;
  });
  return refusals.includes(undefined) ? undefined : refusals[0];
}

/** Aborted, it ends with the last of its installations: until then it cannot be deleted. */
export function whyNotDelete({
  aborted,
  closedAt,
  groups,
}: Pick<RolloutFacts, 'aborted' | 'closedAt' | 'groups'>): string | undefined {
  if (aborted === null || closedAt !== null) return undefined;
  const open = openOf(sumOf(groups));
  return open > 0
    ? `${plural(open, 'installation has', 'installations have')} not ended; delete it once they have`
    : 'it is about to end; delete it in a moment';
}
