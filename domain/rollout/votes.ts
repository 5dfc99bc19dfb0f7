import { DomainError } from '../errors.js';
import { plural } from '../plural.js';
import { abortedBy, groupsOf, pausedBy, withGroup } from './apply.js';
import type { GroupFacts, PauseReason, RolloutFacts, Vote } from './facts.js';
import type { Plan } from './plan.js';

/**
 * Who asks something of a rollout. `id` is what stands in `createdBy` and in the history; two names of one person are
 * two persons.
 */
export interface Person {
  readonly id: string;
  /** Holds the permission `rollouts:approve`. */
  readonly mayApprove: boolean;
}

/** What is voted on: one version of the plan, and who made it. */
export interface Voted {
  readonly facts: RolloutFacts;
  readonly plan: Plan;
  readonly version: number;
  readonly createdBy: string;
}

/**
 * Approves the rollout (`name` null) or one of its groups, as it is planned now. A person votes once; a group that has
 * passed needs no vote any more.
 * @throws DomainError AUTH_FORBIDDEN with four eyes, for a person who created the rollout or loosened this version;
 * ROLLOUT_STATE where no approval is needed; ROLLOUT_NOT_FOUND
 */
export function approved(
  { facts, plan, version, createdBy }: Voted,
  by: string,
  name: string | null,
  now: number,
): RolloutFacts {
  const refused = whyNotVote(facts, plan, createdBy, by);
  if (refused !== undefined) throw new DomainError('AUTH_FORBIDDEN', refused);
  const vote = (votes: readonly Vote[]): readonly Vote[] =>
    votes.some((one) => one.by === by) ? votes : [...votes, { by, at: now, version }];
  if (name === null) {
    if (plan.approval.required === 0)
      throw new DomainError(
        'ROLLOUT_STATE',
        'this rollout needs no approval, but its groups may: POST …/groups/{name}/approve',
      );
    const approvals = vote(facts.approvals);
    return approvals === facts.approvals ? facts : withoutVoided({ ...facts, approvals }, plan);
  }
  const there = groupOf(facts, name);
  if (approvalOf(plan, name) === null) throw new DomainError('ROLLOUT_STATE', `group "${name}" needs no approval`);
  if (there.passedAt !== null) return facts;
  if (there.failedAt !== null)
    throw new DomainError(
      'ROLLOUT_STATE',
      `group "${name}" was not approved: ${there.because}; resume the rollout to request the approval again`,
    );
  const approvals = vote(there.approvals);
  return approvals === there.approvals ? facts : withoutVoided(withGroup(facts, name, { approvals }), plan);
}

/** Of four eyes, two are not those of a person who made what is looked at. undefined = `by` may approve it. */
export function whyNotVote(
  { loosened }: Pick<RolloutFacts, 'loosened'>,
  plan: Plan,
  createdBy: string,
  by: string,
): string | undefined {
  if (!plan.approval.fourEyes) return undefined;
  if (by === createdBy) return 'the creator of the rollout cannot approve it: its plan sets fourEyes';
  return loosened?.by.includes(by)
    ? 'a person who loosened this version of the plan cannot approve it: its plan sets fourEyes'
    : undefined;
}

/**
 * Rejects the rollout (`name` null), which ends as aborted, or a group, which pauses.
 * @throws DomainError ROLLOUT_STATE where nothing is to be approved any more; ROLLOUT_NOT_FOUND
 */
export function rejected(
  { facts, plan }: Voted,
  by: string,
  name: string | null,
  because: string,
  now: number,
): RolloutFacts {
  const said = `rejected by ${by}: ${because}`;
  if (name === null) {
    if (plan.approval.required === 0)
      throw new DomainError('ROLLOUT_STATE', 'this rollout needs no approval of its own; pause or abort it');
    if (facts.startedAt !== null && missingVotes(facts, plan) === 0)
      throw new DomainError('ROLLOUT_STATE', 'it was approved and has started; pause or abort it');
    return abortedBy(facts, said, false, now);
  }
  const there = groupOf(facts, name);
  if (approvalOf(plan, name) === null)
    throw new DomainError('ROLLOUT_STATE', `group "${name}" needs no approval; pause or abort the rollout`);
  if (there.passedAt !== null)
    throw new DomainError('ROLLOUT_STATE', `group "${name}" has already passed; pause or abort the rollout`);
  return pausedBy(withGroup(facts, name, { failedAt: now, because: said }), {
    reason: 'approval',
    since: now,
    because: `group "${name}" was ${said}`,
    group: name,
  });
}

const OVERRIDES: readonly PauseReason[] = ['failure_budget', 'gate_failed', 'gate_inconclusive'];

/** Whether its end lets go on what a gate or a stop rule had stopped: that loosens as an amendment does. */
export function isOverride(reason: PauseReason): boolean {
  return OVERRIDES.includes(reason);
}

/**
 * With four eyes, what loosens takes a person who may approve, and did not create the rollout. undefined = `by` may.
 * @param what an amendment, or the end of a pause: for the sentence
 */
export function whyNotLoosen(plan: Plan, createdBy: string, by: Person, what: string): string | undefined {
  if (!plan.approval.fourEyes || (by.mayApprove && by.id !== createdBy)) return undefined;
  return `${what} loosens the plan, which sets fourEyes: it takes rollouts:approve, and another person than the creator of the rollout`;
}

/** Why a rollout that runs cannot go on: votes of its own were voided. undefined = it has them. */
export function whyNotWithoutVotes(facts: RolloutFacts, plan: Plan): string | undefined {
  const missing = facts.startedAt === null ? 0 : missingVotes(facts, plan);
  return missing > 0
    ? `it needs ${plural(missing, 'approval')}: ${facts.loosened?.voided ?? 'its votes were voided'}; approve it with POST …/approve`
    : undefined;
}

/**
 * What loosens voids the votes that were given, except for groups that have passed; a rollout that runs pauses until it
 * has them again.
 * @param after the plan with what was loosened, and its version
 * @param what was done, as in `version 3 loosens pace.maxInFlight`
 */
export function loosenedBy(
  facts: RolloutFacts,
  after: Pick<Voted, 'plan' | 'version'>,
  by: string,
  what: string,
  now: number,
): RolloutFacts {
  const groups = facts.groups.filter((group) => group.passedAt === null && group.approvals.length > 0);
  const given = facts.approvals.length + groups.reduce((sum, group) => sum + group.approvals.length, 0);
  const wasApproved = after.plan.approval.required > 0 && missingVotes(facts, after.plan) === 0;
  const before = wasApproved ? null : facts.loosened;
  const voided =
    given === 0
      ? (before?.voided ?? null)
      : `${what} (${by}), which voids ${plural(given, 'vote that was', 'votes that were')} given before`;
  const loosened: RolloutFacts = {
    ...facts,
    approvals: [],
    groups: facts.groups.map((group) => (groups.includes(group) ? { ...group, approvals: [] } : group)),
    loosened: { version: after.version, at: now, by: [...new Set([...(before?.by ?? []), by])], voided },
  };
  if (given === 0 || facts.startedAt === null || voided === null) return loosened;
  const names = groups.map(({ name }) => name);
  const [group] = names;
  const paused = pausedBy(loosened, {
    reason: 'approval',
    since: now,
    because: voided,
    ...(group === undefined ? {} : { group }),
    ...(names.length > 1 ? { groups: names } : {}),
  });
  return {
    ...paused,
    pauses: paused.pauses.map((one) => (one.reason === 'approval' ? { ...one, isVoided: true } : one)),
  };
}

/** Votes that the rollout itself lacks, to start or to go on. Never below 0. */
export function missingVotes({ approvals }: Pick<RolloutFacts, 'approvals'>, { approval }: Plan): number {
  return Math.max(0, approval.required - approvals.length);
}

/** The pause for votes that were voided ends with the last of them that is given again. */
function withoutVoided(facts: RolloutFacts, plan: Plan): RolloutFacts {
  const pause = facts.pauses.find((one) => one.reason === 'approval' && one.isVoided === true);
  if (!pause || missingVotes(facts, plan) > 0) return facts;
  const waits = groupsOf(pause).some((name) => {
    const { passedAt, failedAt, approvals } = groupOf(facts, name);
    return passedAt === null && (failedAt !== null || approvals.length < (approvalOf(plan, name)?.required ?? 0));
  });
  return waits ? facts : { ...facts, pauses: facts.pauses.filter((one) => one !== pause) };
}

function approvalOf(plan: Plan, name: string): Plan['groups'][number]['approval'] {
  return plan.groups.find((one) => one.name === name)?.approval ?? null;
}

/** @throws DomainError ROLLOUT_NOT_FOUND, with the names of those that there are */
export function groupOf(facts: RolloutFacts, name: string): GroupFacts {
  const group = facts.groups.find((one) => one.name === name);
  if (!group)
    throw new DomainError(
      'ROLLOUT_NOT_FOUND',
      `this rollout has no group "${name}"; it has ${facts.groups.map((one) => one.name).join(', ')}`,
    );
  return group;
}
