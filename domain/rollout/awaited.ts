import { lacking } from '../permissions.js';
import type { Allowance, Caller, Judged } from './actions.js';
import { groupsOf } from './apply.js';
import type { GroupFacts, RolloutFacts, Vote } from './facts.js';
import { groupState, isDecided } from './phase.js';
import { groupAt, type Plan } from './plan.js';
import { missingVotes, whyNotVote } from './votes.js';

/** An approval that a rollout, or one of its groups, waits for. Times are epoch milliseconds. */
export interface AwaitedApproval {
  /** Its position; null = the rollout itself. */
  readonly group: number | null;
  readonly required: number;
  readonly given: readonly Vote[];
  /** Since when it is asked for, or when its votes were voided last. */
  readonly since: number;
  /** When it lapses; null = it waits for ever. */
  readonly until: number | null;
}

/**
 * What a rollout waits for people to approve (docs/contracts/rollouts.md, "Approvals"): itself first, then its groups.
 * A draft waits for its start, and what was rejected for a person to resume it: neither is here.
 */
export function awaitedApprovals(facts: RolloutFacts, plan: Plan): AwaitedApproval[] {
  if (isDecided(facts) || facts.startRequestedAt === null) return [];
  const voided = facts.pauses.find(({ reason, isVoided }) => reason === 'approval' && isVoided === true);
  const own: AwaitedApproval[] =
    missingVotes(facts, plan) === 0
      ? []
      : [
          {
            group: null,
            required: plan.approval.required,
            given: facts.approvals,
            since: Math.max(facts.startRequestedAt, facts.loosened?.voided == null ? 0 : facts.loosened.at),
            until: null,
          },
        ];
  const again = voided ? groupsOf(voided) : [];
  return [
    ...own,
    ...facts.groups.flatMap((group, position) => {
      const since = again.includes(group.name) ? (voided?.since ?? 0) : 0;
      return awaitedOf(plan, group, position, since) ?? [];
    }),
  ];
}

/** @param voidedAt when its votes were voided; 0 = they were not */
function awaitedOf(plan: Plan, group: GroupFacts, position: number, voidedAt: number): AwaitedApproval | undefined {
  const { approval } = groupAt(plan.groups, position);
  const isAsked = groupState(group) === 'awaiting_approval';
  if (approval === null || group.approvals.length >= approval.required) return undefined;
  if (group.passedAt !== null || group.failedAt !== null || !(isAsked || voidedAt > 0)) return undefined;
  return {
    group: position,
    required: approval.required,
    given: group.approvals,
    since: Math.max(group.askedAt ?? 0, voidedAt),
    until: isAsked && approval.expiresAfter !== null ? (group.askedAt ?? 0) + approval.expiresAfter : null,
  };
}

/** Whether it waits for the caller's vote, and why not: a person votes once. */
export function voteOf(
  { given }: Pick<AwaitedApproval, 'given'>,
  { facts, plan, createdBy }: Pick<Judged, 'facts' | 'plan' | 'createdBy'>,
  { id, permissions }: Caller,
): Allowance {
  const needs = lacking(permissions, ['rollouts:approve']);
  if (needs !== undefined) return { allowed: false, whyNot: `it takes the permission ${needs}`, needs };
  const refused = given.some(({ by }) => by === id)
    ? 'you have approved it; it takes the vote of another person'
    : whyNotVote(facts, plan, createdBy, id);
  return refused === undefined ? { allowed: true } : { allowed: false, whyNot: refused };
}
